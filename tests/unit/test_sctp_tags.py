"""Which verification tags are kept, and which INIT ACK is refused."""

from __future__ import annotations

import pytest

from statefulinspect import Reason
from statefulinspect.machines.sctp_tags import Tags

NOBODY, OPENER, ANSWERER, BOTH = [False, False], [True, False], [False, True], [True, True]
both_ways = pytest.mark.parametrize("way", [0, 1], ids=["original", "reply"])


def as_sent(way, pair):
    """Turn (sender's, receiver's) into a list by direction."""
    return list(pair) if way == 0 else list(pair[::-1])


def test_at_first_nothing_is_known():
    tags = Tags()
    assert (tags.expected, tags.init_seen, tags.doubted) == ([0, 0], NOBODY, None)
    assert tags.expected is not Tags().expected
    assert tags.init_seen is not Tags().init_seen


# Who had sent an INIT, its sender named first, and who has afterwards.
INITS = {
    "the first": (NOBODY, OPENER),
    "sent again": (OPENER, OPENER),
    "an answer to the other's": (ANSWERER, BOTH),
    "after both had sent one": (BOTH, OPENER),
}


@both_ways
@pytest.mark.parametrize(("before", "after"), INITS.values(), ids=INITS)
def test_an_init_tells_the_tag_of_the_other_direction(before, after, way):
    tags = Tags(as_sent(way, (3, 4)), as_sent(way, before))
    tags.take_init(way, 9)
    assert tags.expected == as_sent(way, (3, 9))
    assert tags.init_seen == as_sent(way, after)


# Who had sent an INIT, the sender of the INIT ACK named first; what was told before; the answer
# to an INIT ACK that tells 9.
INIT_ACKS = {
    "asked by the other's INIT, nothing told": (ANSWERER, 0, "OK"),
    "asked by the other's INIT, the same told": (ANSWERER, 9, "OK"),
    "asked by the other's INIT, another told": (ANSWERER, 4, "OK"),
    "not asked, nothing told": (NOBODY, 0, "OK"),
    "not asked, the same told": (NOBODY, 9, "OK"),
    "not asked, another told": (NOBODY, 4, "INIT_ACK_TAG"),
    "it asked itself, nothing told": (OPENER, 0, "OK"),
    "it asked itself, the same told": (OPENER, 9, "OK"),
    "it asked itself, another told": (OPENER, 4, "INIT_ACK_TAG"),
    "both asked, nothing told": (BOTH, 0, "INIT_ACK_TAG"),
    "both asked, the same told": (BOTH, 9, "OK"),
    "both asked, another told": (BOTH, 4, "INIT_ACK_TAG"),
}


@both_ways
@pytest.mark.parametrize(("init_seen", "known", "reason"), INIT_ACKS.values(), ids=INIT_ACKS)
def test_an_init_ack_must_not_contradict_what_was_told(init_seen, known, reason, way):
    tags = Tags(as_sent(way, (3, known)), as_sent(way, init_seen))
    assert tags.take_init_ack(way, 9) is Reason[reason]
    assert tags.expected == as_sent(way, (3, 9 if reason == "OK" else known))
    assert tags.init_seen == as_sent(way, init_seen)
