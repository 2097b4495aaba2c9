"""Draw configurations, and tell which sysctls make the kernel's the same."""

from __future__ import annotations

import random

import attrs

from statefulinspect import Config, TcpPolicy, Timeouts

POLICY = {
    "loose": "nf_conntrack_tcp_loose",
    "be_liberal": "nf_conntrack_tcp_be_liberal",
    "ignore_invalid_rst": "nf_conntrack_tcp_ignore_invalid_rst",
    "max_retrans": "nf_conntrack_tcp_max_retrans",
}
# Two doubtful ends cut a life short that has at least so many seconds left. A timer of just as many
# has them for one tick of the kernel's clock, and nobody can tell whether the next packet is in it.
LONG_LIFE = 120
TIMEOUTS = [field.name for field in attrs.fields(Timeouts)]


def timeout_sysctl(name: str) -> str:
    """Name the sysctl of a timeout: tcp_syn_sent is nf_conntrack_tcp_timeout_syn_sent."""
    if name == "ipfrag":
        return "net.ipv4.ipfrag_time"
    protocol, _, state = name.partition("_")
    return f"nf_conntrack_{protocol}_timeout" + (f"_{state}" if state else "")


def sysctls(config: Config) -> dict[str, int]:
    """List every sysctl that a configuration stands for."""
    return {
        **{sysctl: int(getattr(config.tcp, name)) for name, sysctl in POLICY.items()},
        **{timeout_sysctl(name): int(getattr(config.timeouts, name)) for name in TIMEOUTS},
        "nf_conntrack_checksum": int(config.verify_checksums),
        "nf_conntrack_acct": int(config.accounting),
    }


def draw(dice: random.Random) -> Config:
    """Draw sysctls; the defaults most often."""
    return Config.linux(
        tcp=TcpPolicy(
            loose=dice.random() < 0.8,
            be_liberal=dice.random() < 0.15,
            ignore_invalid_rst=dice.random() < 0.2,
            max_retrans=dice.choice([3, 3, 3, 0, 1, 2, 5]),
        ),
        timeouts=Timeouts.linux(**_timeouts(dice)) if dice.random() < 0.4 else Timeouts.linux(),
        verify_checksums=dice.random() < 0.8,
        accounting=True,
    )


def _timeouts(dice: random.Random) -> dict[str, int]:
    """Draw a few timeouts, so far apart that one is not taken for another."""
    few = dice.sample(TIMEOUTS, dice.randrange(1, 8))
    drawn = {name: dice.choice([5, 20, 45, 90, 200, 310, 1000, 100_000]) for name in few}
    if drawn.get("tcp_unacknowledged", 300) < LONG_LIFE:
        drawn = {"tcp_fin_wait": LONG_LIFE + 9, "tcp_time_wait": LONG_LIFE + 9, **drawn}
    return drawn


def describe(config: Config) -> str:
    """Write what differs from the kernel's defaults."""
    usual, own = sysctls(Config.linux(accounting=True)), sysctls(config)
    return " ".join(f"{name}={value}" for name, value in own.items() if value != usual[name])
