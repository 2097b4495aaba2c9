"""Which denial-of-service packets are discarded: a switch for each attack.

What each attack is, and how its packets are told from honest ones, says `screening`.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, Final, Iterable  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.checks import ConfigError, switch
from statefulinspect.networks import broadcast_networks


def _interface_names(given: Iterable[str]) -> frozenset[str]:
    """Copy interface names; ConfigError for one name alone, and for what is no name."""
    several: object = given
    is_several = isinstance(several, Iterable) and not isinstance(several, str)
    names: frozenset[object] = frozenset(given) if is_several else frozenset()
    if not is_several or not all(isinstance(name, str) and name for name in names):
        msg = f"loopback={given!r}: expected interface names, as in ['lo']"
        raise ConfigError(msg)
    return frozenset(map(str, names))


def _switch_field() -> Any:
    return attrs.field(default=True, validator=switch)


@attrs.frozen(kw_only=True)
class DosPolicy:
    """Hold which attacks are discarded before rules and connections are looked at.

    `land` discards what comes from the address, and port, that it goes to; `impossible_flags` TCP
    flags that only scanners send; `spoofed_sources` sources that no host on a wire has; `smurf`
    echo requests to many; `ping_of_death` fragments of more than 65,535 octets;
    `tiny_fragments` those that hide a transport header (RFC 1858).

    `networks` are IPv4 prefixes whose broadcast addresses count for `smurf` and `spoofed_sources`.
    `loopback` names the interfaces whose packets never leave their host: what comes in or goes out
    there may come from itself. Linux has none of these.

    >>> DosPolicy(smurf=False, networks=["10.0.0.0/8"]).land, DosPolicy.linux().land
    (True, False)
    """

    land: bool = _switch_field()
    impossible_flags: bool = _switch_field()
    spoofed_sources: bool = _switch_field()
    smurf: bool = _switch_field()
    ping_of_death: bool = _switch_field()
    tiny_fragments: bool = _switch_field()
    networks: tuple[IPv4Network, ...] = attrs.field(default=(), converter=broadcast_networks)
    loopback: frozenset[str] = attrs.field(default=("lo",), converter=_interface_names)

    @classmethod
    def linux(cls, **changes: Any) -> DosPolicy:
        """Make the policy of Linux 6.18, with any field changed by name."""
        return cls(**{**dict.fromkeys(SWITCHES, False), **changes})


SWITCHES: Final = tuple(
    field.name for field in attrs.fields(DosPolicy) if field.validator is switch
)
