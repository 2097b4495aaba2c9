"""The reason of each verdict, against what the kernel logs about the packets that it refuses."""

from __future__ import annotations

import random
from collections import Counter

from kernel.compare import KINDS, MIXES_PER_SETTING, Mix
from kernel.differ import Exchange, configure
from kernel.kernel import Kernel
from kernel.settings import draw
from kernel.talks import UdpLiteTalk, UdpTalk

SHARE = 10  # of --packets: to read the log after each takes as long as all else
PHRASES = {
    "bad checksum": "CHECKSUM",
    "bad hw icmp checksum": "CHECKSUM",
    "ICMPv6 checksum failed": "CHECKSUM",
    "bad CRC": "CHECKSUM",
    "checksum missing": "CHECKSUM_MISSING",
    "short packet": "HEADER_CUT_SHORT",
    "truncated packet": "TCP_DATA_OFFSET",
    "invalid tcp flag combination": "TCP_FLAGS",
    "invalid new": "TCP_NOT_AN_OPENING",
    "invalid, state": "OUT_OF_STATE",
    "ignored, state": "OUT_OF_STATE_IGNORED",
    "SEQ is over upper bound": "SEQ_ABOVE_WINDOW",
    "bytes more than expected": "SEQ_JUST_ABOVE_WINDOW",
    "SEQ is under lower bound": "SEQ_BELOW_WINDOW",
    "ACK is over upper bound": "ACK_ABOVE_SENT",
    "ACK under lower bound": "ACK_BELOW_WINDOW",
    "invalid rst": "RST_BELOW_ACK",
    "challenge-ack ignored": "CHALLENGE_ACK",
    "truncated/malformed packet": "UDP_LENGTH",
    "invalid checksum coverage": "UDPLITE_COVERAGE",
    "do_basic_checks failed": "SCTP_CHUNKS",
    "verification tag check failed": "SCTP_TAG",
    "Invalid, old_state": "OUT_OF_STATE",
    "invalid icmp type": "ICMP_TYPE",
    "redirect": "ICMP_TYPE",
    "outer daddr": "QUOTE_MISDIRECTED",
}
NOT_ALWAYS = {"HEADER_CUT_SHORT", "ICMP_TYPE", "SCTP_CHUNKS", "SCTP_TAG"}  # said
ELSEWHERE = {"IPV4_OPTIONS"}  # the kernel's router refuses them, behind its tracker


def disagree(reason: str, lines: list[str]) -> bool:
    """Say whether what was logged means another reason."""
    said = {name for phrase, name in PHRASES.items() if any(phrase in line for line in lines)}
    if reason in ELSEWHERE or (reason in NOT_ALWAYS and not said):
        return False
    return said != {reason} & {*PHRASES.values()}


def test_reasons_are_those_that_the_kernel_logs(pytestconfig):
    packets = pytestconfig.getoption("packets") // SHARE
    dice, number = random.Random(pytestconfig.getoption("seed")), 1000
    met: Counter[str] = Counter()
    with Kernel() as kernel, kernel.complaining() as logged:
        while met.total() < packets:
            config = draw(dice)
            configure(kernel, config)
            for _ in range(MIXES_PER_SETTING):
                number = number + 1 if number < 29_999 else 1000
                exchange = Exchange(kernel, config)
                mix = Mix(dice, exchange, [*KINDS, UdpTalk, UdpLiteTalk], number)
                for _ in range(dice.randrange(3, 40)):
                    packet = mix.next()._replace(pause=0)
                    found = exchange.send(packet)
                    assert found is None, found
                    lines = logged()
                    told = "\n".join([*(each.text for each in exchange.sent), *lines])
                    assert not disagree(exchange.reason, lines), f"{exchange.reason}\n{told}"
                    met[exchange.reason] += 1
    assert len({*met} & {*PHRASES.values()}) > 15
