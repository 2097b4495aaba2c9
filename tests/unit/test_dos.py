"""The switches: each attack has one, Linux has none."""

from __future__ import annotations

from ipaddress import IPv4Network

import attrs
import pytest

from statefulinspect import Config, ConfigError, DosPolicy
from statefulinspect.dos import SWITCHES
from statefulinspect.screening import CHECKS, FRAGMENT_CHECKS


def test_all_are_on_by_default_and_off_in_linux():
    assert all(getattr(Config().dos, name) is True for name in SWITCHES)
    assert all(getattr(Config.linux().dos, name) is False for name in SWITCHES)


def test_each_switch_has_its_check_and_each_check_its_switch():
    assert sorted(row.switch for row in CHECKS + FRAGMENT_CHECKS) == sorted(SWITCHES)


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_switch_refuses(name, value):
    with pytest.raises(ConfigError) as caught:
        DosPolicy(**{name: value})
    assert str(caught.value) == f"{name}={value!r}: expected True or False"


@pytest.mark.parametrize("name", SWITCHES)
def test_linux_takes_changes(name):
    policy = DosPolicy.linux(**{name: True}, networks=["10.0.0.0/8"])
    assert [each for each in SWITCHES if getattr(policy, each)] == [name]
    assert policy.networks == (IPv4Network("10.0.0.0/8"),)


@pytest.mark.parametrize("given", ["lo", None, 7, [""], [7]])
def test_loopback_interfaces_are_names(given):
    with pytest.raises(ConfigError) as caught:
        DosPolicy(loopback=given)
    assert str(caught.value) == f"loopback={given!r}: expected interface names, as in ['lo']"


def test_a_policy_is_a_value():
    policy = DosPolicy(loopback=["lo", "lo0"], networks=["10.0.0.0/8"])
    assert policy == attrs.evolve(policy)
    assert hash(policy) == hash(attrs.evolve(policy))
    assert policy.loopback == {"lo", "lo0"}
    assert DosPolicy(loopback=[]).loopback == frozenset()


@pytest.mark.parametrize("value", [None, {}, True])
def test_the_configuration_takes_nothing_else(value):
    with pytest.raises(ConfigError) as caught:
        Config(dos=value)
    assert str(caught.value) == f"dos={value!r}: expected DosPolicy(...)"
