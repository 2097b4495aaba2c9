"""The words of an answer."""

from __future__ import annotations

from statefulinspect import Reason
from statefulinspect.terms import Effect

ATTACKS = {
    "LAND", "SMURF", "PING_OF_DEATH", "FRAGMENT_TINY", "FRAGMENT_IN_HEADER",
    "SOURCE_UNSPECIFIED", "SOURCE_LOOPBACK", "SOURCE_GROUP", "SOURCE_RESERVED",
    "SOURCE_BROADCAST", "SOURCE_MAPPED",
    "TCP_NULL", "TCP_XMAS", "TCP_SYN_FIN", "TCP_SYN_RST", "TCP_FIN_ALONE",
}  # fmt: skip


def test_no_two_reasons_share_a_sentence():
    assert len(Reason) == len(Reason.__members__)


def test_every_reason_has_an_effect_and_every_effect_a_reason():
    assert {reason.effect for reason in Reason} == set(Effect)


def test_a_reason_is_its_sentence():
    assert Reason("the transport checksum is wrong") is Reason.CHECKSUM
    assert all(isinstance(reason.value, str) for reason in Reason)


def test_what_no_rule_is_asked_about():
    discarded = {reason.name for reason in Reason if reason.effect is Effect.DISCARD}
    assert discarded == ATTACKS | {
        "NOT_IP",
        "IP_HEADER_MALFORMED",
        "IP_HEADER_CHECKSUM",
        "IP_CUT_SHORT",
        "GROUP_ADDRESS",
        "HOP_BY_HOP_MALFORMED",
        "FRAGMENT_REPEATED",
        "FRAGMENT_OVERLAP",
        "FRAGMENT_HEADER",
        "FRAGMENT_EMPTY",
        "FRAGMENT_END",
        "FRAGMENTS_TOO_LONG",
        "FRAGMENTS_ECN",
        "FRAGMENTS_FULL",
        "FRAGMENT_UNWANTED",
    }
