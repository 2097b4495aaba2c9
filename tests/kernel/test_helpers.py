"""Helped connections, answered by the library and by the running kernel.

After each packet what both expect is compared too, with timeouts, flags and masters.
"""

from __future__ import annotations

import random

import pytest

from kernel import dialogues_misc
from kernel.dialogues_ftp import FtpDialogue
from kernel.dialogues_pptp import PptpDialogue
from kernel.dialogues_sip import SipDialogue
from kernel.differ import Exchange, configure, shrink
from kernel.kernel import HELPERS, Kernel
from kernel.settings import draw
from kernel.talks import draw_ends
from statefulinspect import Config

DIALOGUES = [FtpDialogue, *dialogues_misc.DIALOGUES, PptpDialogue, SipDialogue]
SHARE = 12  # of --packets, for each of them
AT_ONCE = 60  # dialogues before the kernel's settings change


def settings(dice: random.Random, names: list[str]) -> Config:
    """Draw sysctls; the library's helpers are the kernel's, on the same ports."""
    drawn = draw(dice)
    helpers = {port: name for (_, port), name in HELPERS.items() if name in names}
    return Config.linux(tcp=drawn.tcp, accounting=True, helpers=helpers)


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda each: each.__name__)
def test_what_is_expected_is_what_the_kernel_expects(pytestconfig, dialogue):
    dice = random.Random(pytestconfig.getoption("seed"))
    packets, wanted = 0, pytestconfig.getoption("packets") // SHARE
    number, expected = 1024, 0
    with Kernel(with_helpers=True) as kernel:
        while packets < wanted:
            config = settings(dice, [dialogue.helper])
            configure(kernel, config)
            for _ in range(AT_ONCE):
                number = number + 1 if number < 60_000 else 1024
                exchange = Exchange(kernel, config)
                talk = dialogue(dice, draw_ends(dice, number))
                for _ in range(dice.randrange(5, 50)):
                    found = exchange.send(talk.next(exchange.tracker))
                    assert found is None, f"\n{shrink(kernel, found)}"
                    packets += 1
                    expected += len(exchange.tracker.expectations)
                    exchange.tracker.check()
                kernel.flush()
    assert expected > packets / 20
