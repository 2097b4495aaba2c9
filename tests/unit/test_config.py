"""The profiles' values, and every value that a configuration refuses."""

from __future__ import annotations

import copy
import pickle

import attrs
import pytest

from statefulinspect import (
    Config,
    ConfigError,
    DosPolicy,
    HelperPolicy,
    Limits,
    TcpPolicy,
    Timeouts,
)

# Linux 6.18 as it boots: net.netfilter.nf_conntrack_*, in seconds.
LINUX_TIMEOUTS = {
    "tcp_syn_sent": 120,
    "tcp_syn_recv": 60,
    "tcp_established": 432_000,
    "tcp_fin_wait": 120,
    "tcp_close_wait": 60,
    "tcp_last_ack": 30,
    "tcp_time_wait": 120,
    "tcp_close": 10,
    "tcp_max_retrans": 300,
    "tcp_unacknowledged": 300,
    "udp": 30,
    "udp_stream": 120,
    "icmp": 30,
    "icmpv6": 30,
    "gre": 30,
    "gre_stream": 180,
    "sctp_closed": 10,
    "sctp_cookie_wait": 3,
    "sctp_cookie_echoed": 3,
    "sctp_established": 210,
    "sctp_shutdown_sent": 3,
    "sctp_shutdown_recd": 3,
    "sctp_shutdown_ack_sent": 3,
    "sctp_heartbeat_sent": 30,
    "generic": 600,
    "ipfrag": 30,
    "frag6": 60,
}
SWITCHES = ["loose", "be_liberal", "ignore_invalid_rst"]


def test_timeouts_of_linux():
    assert attrs.asdict(Timeouts.linux()) == LINUX_TIMEOUTS
    assert Config.linux().timeouts == Timeouts.linux()


def test_timeouts_of_the_default_differ_in_two():
    differing = {"tcp_established": 3600, "udp_stream": 40}
    assert attrs.asdict(Config().timeouts) == {**LINUX_TIMEOUTS, **differing}


def test_policy_of_linux():
    expected = {"loose": True, "be_liberal": False, "ignore_invalid_rst": False, "max_retrans": 3}
    assert attrs.asdict(Config.linux().tcp) == expected


def test_policy_of_the_default_adopts_nothing():
    assert Config().tcp == TcpPolicy(
        loose=False, be_liberal=False, ignore_invalid_rst=False, max_retrans=3
    )


def test_switches_of_both_profiles():
    linux, default = Config.linux(), Config()
    assert (linux.verify_checksums, linux.udplite_sums_as_udp) == (True, True)
    assert (default.verify_checksums, default.udplite_sums_as_udp) == (False, False)
    assert (linux.accounting, linux.events) == (False, False)
    assert (default.accounting, default.events) == (True, False)


def test_a_profile_with_changes():
    assert Timeouts.linux(udp=1, tcp_established=2) == Timeouts(
        udp=1, tcp_established=2, udp_stream=120
    )
    config = Config.linux(accounting=True, tcp=TcpPolicy())
    assert (config.accounting, config.tcp.loose, config.verify_checksums) == (True, False, True)


@pytest.mark.parametrize("name", LINUX_TIMEOUTS)
@pytest.mark.parametrize(
    "value",
    [-1, -0.001, 2**32, 10**400, float("inf"), float("-inf"), float("nan"), True, "30", None],
)
def test_a_timeout_refuses(name, value):
    with pytest.raises(ConfigError) as caught:
        Timeouts(**{name: value})
    expected = f"{name}={value!r}: expected a number of seconds from 0 to 4294967295"
    assert str(caught.value) == expected


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1, 2**32 - 1])
def test_a_timeout_takes(value):
    assert Timeouts(generic=value).generic == value


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, None, "yes", 30.0])
def test_a_switch_of_tcp_refuses(name, value):
    with pytest.raises(ConfigError) as caught:
        TcpPolicy(**{name: value})
    assert str(caught.value) == f"{name}={value!r}: expected True or False"


@pytest.mark.parametrize(
    "name", ["verify_checksums", "udplite_sums_as_udp", "accounting", "events"]
)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_a_switch_refuses(name, value):
    with pytest.raises(ConfigError) as caught:
        Config(**{name: value})
    assert str(caught.value) == f"{name}={value!r}: expected True or False"


@pytest.mark.parametrize("value", [-1, 256, 3.0, True, None, "3"])
def test_max_retrans_refuses(value):
    with pytest.raises(ConfigError) as caught:
        TcpPolicy(max_retrans=value)
    assert str(caught.value) == f"max_retrans={value!r}: expected a whole number from 0 to 255"


@pytest.mark.parametrize("value", [0, 255])
def test_max_retrans_takes(value):
    assert TcpPolicy(max_retrans=value).max_retrans == value


@pytest.mark.parametrize(
    ("name", "kind"),
    [("timeouts", "Timeouts(...)"), ("tcp", "TcpPolicy(...)"), ("limits", "Limits(...)")],
)
@pytest.mark.parametrize(
    ("value", "shown"), [(None, "None"), ({}, "{}"), (30, "30"), (Config(), "Config(...)")]
)
def test_a_part_refuses(name, kind, value, shown):
    with pytest.raises(ConfigError) as caught:
        Config(**{name: value})
    assert str(caught.value) == f"{name}={shown}: expected {kind}"


def test_profiles_refuse_wrong_changes_too():
    with pytest.raises(ConfigError, match=r"^udp=-1:"):
        Timeouts.linux(udp=-1)
    with pytest.raises(ConfigError, match=r"^accounting=2:"):
        Config.linux(accounting=2)


def test_limits_of_linux():
    bounded = {name: value for name, value in attrs.asdict(Limits.linux()).items() if value}
    assert bounded == {
        "max_connections": 262_144,
        "max_expectations": 4096,
        "max_fragment_octets": 4_194_304,
        "max_fragment_distance": 64,
    }
    assert Config().limits == Config.linux().limits == Limits() == Limits.linux()
    assert Limits.linux(max_fragment_distance=0).max_fragment_distance == 0


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("max_expectations", 1, 2**31),
        ("max_fragment_octets", 1, 2**40),
        ("max_fragment_distance", 0, 2**31),
    ],
)
def test_a_limit_has_bounds(name, lowest, highest):
    for value in (lowest, highest):
        assert getattr(Limits(**{name: value}), name) == value
    for value in (lowest - 1, highest + 1, True, 5.0, None, "5"):
        with pytest.raises(ConfigError) as caught:
            Limits(**{name: value})
        expected = f"{name}={value!r}: expected a whole number from {lowest} to {highest}"
        assert str(caught.value) == expected


def test_what_becomes_of_fragments():
    assert Config().fragments == Config.linux().fragments == "reassemble"
    for value in ("reassemble", "drop", "track"):
        assert Config(fragments=value).fragments == value
    for value in ("hold", None, True, []):
        with pytest.raises(ConfigError) as caught:
            Config(fragments=value)
        words = "'reassemble' or 'drop' or 'track'"
        assert str(caught.value) == f"fragments={value!r}: expected {words}"


RECORDS = [Config(), Config.linux(), Timeouts(), TcpPolicy(), HelperPolicy(), Limits(), DosPolicy()]


@pytest.mark.parametrize("record", RECORDS)
def test_configurations_are_frozen(record):
    for field in attrs.fields(type(record)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(record, field.name, getattr(record, field.name))


@pytest.mark.parametrize("record", RECORDS)
def test_what_a_configuration_holds_cannot_be_changed_in_place(record):
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        assert not {"__setitem__", "append", "add"} & {*dir(value)}, field.name


def test_the_helpers_of_a_configuration_stay_as_they_were_given():
    given = {21: "ftp", 2121: "ftp"}
    config = Config(helpers=given)
    given[6667] = "irc"
    with pytest.raises(TypeError):
        config.helpers[6667] = "irc"
    assert config.helpers == {21: "ftp", 2121: "ftp"}
    assert (list(config.helpers), len(config.helpers)) == ([21, 2121], 2)
    assert repr(config.helpers) == "{21: 'ftp', 2121: 'ftp'}"
    assert 6667 not in config.helpers


@pytest.mark.parametrize("record", RECORDS)
def test_a_configuration_is_copied_and_evolved(record):
    for same in (copy.deepcopy(record), pickle.loads(pickle.dumps(record)), attrs.evolve(record)):
        assert same == record
        assert hash(same) == hash(record)


def test_a_configuration_with_another_field():
    config = attrs.evolve(Config(), helpers={69: "tftp"})
    assert config == Config(helpers={69: "tftp"}) != Config()
    assert attrs.evolve(config, events=True).helpers == {69: "tftp"}


@pytest.mark.parametrize("value", [None, "ftp", [21], {-1: "ftp"}, {65_536: "ftp"}, {"21": "ftp"}])
def test_helpers_are_a_mapping_from_ports(value):
    with pytest.raises(ConfigError) as caught:
        Config(helpers=value)
    assert str(caught.value) == f"helpers={value!r}: expected a mapping from ports to helpers"


def test_helpers_of_the_lowest_and_the_highest_port():
    assert len(Config(helpers={0: "ftp", 65_535: "ftp"}).helpers) == 2
