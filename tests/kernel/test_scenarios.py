"""The conversations under scenarios/, played against the running kernel as well.

Played are those under Linux's configuration, without interfaces or zones, and with rules that
`NFT_RULES` has a translation of. The kernel's time
is moved by whole seconds, so a scenario may not hang on fractions of one; UDP's two seconds since
creation cannot be moved, so they really pass.
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext

import pytest

from conversation import Conversation
from kernel.differ import EVERYTHING_PASSES, Exchange, configure
from kernel.kernel import Kernel
from kernel.talks import Packet
from statefulinspect import Config
from test_scenarios import ALL

FRAGMENTS_WAIT = 10  # seconds: the kernel's clock for fragments cannot be moved
NFT_RULES = {
    "drop": "chain fate {{ type filter hook forward priority 0; th dport {} drop; }}",
    "read": """
        ct helper reader {{ type "{1}" protocol tcp; }}
        chain assign {{
          type filter hook prerouting priority -150; ct state {0} ct helper set "reader";
        }}""",
}
AS_THE_KERNEL = {"accounting", "tcp", "timeouts", "verify_checksums", "helpers"}


def is_playable(conversation: Conversation, text: str) -> bool:
    """Say whether the kernel can be told all that a scenario says."""
    own = conversation.config
    linux = Config.linux(**{name: getattr(own, name) for name in AS_THE_KERNEL})
    is_alone = not any(step.options for step in conversation.steps)
    waits = "piece" in text and conversation.steps[-1].at > FRAGMENTS_WAIT
    is_told = "rules: outbound" not in text and "mark_it=" not in text
    return own == linux and is_alone and is_told and not waits


def nft_table(text: str) -> str:
    """Write a scenario's rules as the contents of an nft table."""
    found = re.search(r"rules: (\w+) (.*)", text)
    return NFT_RULES[found[1]].format(*found[2].split()) if found else ""


PLAYED = [
    pytest.param(conversation, nft_table(param.values[0]), "udp" in param.id, id=param.id)
    for param in ALL
    for conversation in [Conversation(param.values[0])]
    if is_playable(conversation, param.values[0])
]


@pytest.fixture(scope="module")
def kernel():
    with Kernel(with_helpers=True) as opened:
        yield opened


@pytest.mark.parametrize(("conversation", "table", "is_udp"), PLAYED)
def test_conversation(kernel, conversation, table, is_udp):
    configure(kernel, conversation.config)
    with kernel.table(table) if table else nullcontext():
        rules = conversation.rules if table else EVERYTHING_PASSES
        play(conversation, Exchange(kernel, conversation.config, rules, tolerance=2.2), is_udp)


def play(conversation, exchange, is_udp):
    before = 0.0
    for step in conversation.steps:
        gap = step.at - before
        if is_udp and gap < 4:
            time.sleep(gap)
            pause = 0
        else:
            pause = int(step.at) - int(before)
        before = step.at
        found = exchange.send(Packet(step.packet, step.text, pause), at=step.at)
        assert found is None, f"{step.text}\n{found}"


def test_most_scenarios_are_played():
    assert len(PLAYED) > 150
