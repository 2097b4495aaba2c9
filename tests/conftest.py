"""Hypothesis profiles, and how much of the kernel's answers is asked for.

The profile is `dev` by default, another one by HYPOTHESIS_PROFILE=ci or =nightly.
"""

from __future__ import annotations

import os

from hypothesis import settings

for name, examples in {"dev": 50, "ci": 200, "nightly": 2000}.items():
    settings.register_profile(name, max_examples=examples, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser):
    group = parser.getgroup("kernel", "comparing with the running kernel (tests/kernel)")
    group.addoption("--packets", type=int, default=20_000, help="how many packets are generated")
    group.addoption("--rulesets", type=int, default=300, help="how many rulesets are drawn")
    group.addoption("--lines", type=int, default=600, help="how many lines of rules are drawn")
    group.addoption("--seed", type=int, default=1, help="which packets are generated")
    group.addoption("--captures", help="a directory of captures, in place of tests/captures")
