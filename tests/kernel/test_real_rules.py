"""Rulesets as people write them, judged by the library and by the running kernel.

They are in tests/rulesets/real: of servers, workstations and routers, of firewall generators, as
typed and as listed. Packets are aimed at what each speaks of; `--seed 7` aims others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel.real_kernel import RealKernel, comparable
from kernel.rule_differ import compare, shrink
from rulesets.aimed import aimed_traffic

REAL = sorted((Path(__file__).parents[1] / "rulesets/real").glob("*.nft"))
PACKETS = 300  # to each ruleset


@pytest.fixture(scope="module")
def kernel():
    with RealKernel() as made:
        yield made


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_packets_fare_as_in_the_kernel(kernel, path, pytestconfig):
    text = path.read_text()
    kernel.check(text)
    traffic = aimed_traffic(text, pytestconfig.getoption("seed"), PACKETS)
    found = compare(kernel, comparable(text), traffic)
    assert found is None, str(shrink(kernel, found))
