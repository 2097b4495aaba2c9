"""Rulesets as people write them, judged by the library and by the running kernel.

They are in tests/rulesets/real: of servers, workstations and routers, of firewall generators, as
typed and as listed. Packets are aimed at what each speaks of; `--seed 7` aims others.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernel.real_kernel import RealKernel, comparable
from kernel.rule_differ import compare, shrink
from rulesets.aimed import aimed_traffic
from statefulinspect import Ruleset

REAL = sorted((Path(__file__).parents[1] / "rulesets/real").glob("*.nft"))
PACKETS = 300  # to each ruleset
LISTINGS = ["-s", "-a", "-n", "-nn", "-S", "-y", "-T"]
SAME_WORDS = {
    "-s",
    "-n",
    "-nn",
    "-S",
    "-y",
    "-T",
}  # which tell nothing else than -s, and no handles


@pytest.fixture(scope="module")
def kernel():
    with RealKernel() as made:
        yield made


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_every_way_to_list_rules_is_read(kernel, path):
    """What nft 1.0.6 cannot read itself of what it lists is in no ruleset here but one."""
    kernel.load(comparable(path.read_text()).text)
    told = [_without_numbers(kernel.listing(option)) for option in LISTINGS]
    if "(@nh," in told[0]:  # a map of dscp, whose key nft 1.0.6 lists as the integer it refuses
        return
    read = {option: str(Ruleset.parse(text)) for option, text in zip(LISTINGS, told)}
    assert len({text for option, text in read.items() if option in SAME_WORDS}) == 1
    assert len(Ruleset.from_json(kernel.listing("-j")).tables) == len(Ruleset.parse(told[0]).tables)


def _without_numbers(listed: str) -> str:
    listed = re.sub(r" expires \w+| used \d+ \w+", "", listed)
    return re.sub(r"(?<=packets )\d+|(?<=bytes )\d+", "0", listed)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_packets_fare_as_in_the_kernel(kernel, path, pytestconfig):
    text = path.read_text()
    kernel.check(text)
    traffic = aimed_traffic(text, pytestconfig.getoption("seed"), PACKETS)
    found = compare(kernel, comparable(text), traffic)
    assert found is None, str(shrink(kernel, found))
