"""Which address reaches a whole network: its broadcast address, which no packet tells.

It depends on the length of the network's prefix, so that somebody has to name the networks.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final, Iterable  # noqa: UP035 - Python 3.9

from statefulinspect.checks import ConfigError

LONGEST_PREFIX: Final = 30  # longer ones leave no broadcast address (RFC 3021)


def broadcast_networks(given: Iterable[str | IPv4Network]) -> tuple[IPv4Network, ...]:
    """Read IPv4 prefixes; ConfigError if one is none, or has no broadcast address.

    >>> broadcast_networks(["10.0.0.0/8"])[0].broadcast_address
    IPv4Address('10.255.255.255')
    """
    several: object = given
    if isinstance(several, str) or not isinstance(several, Iterable):
        msg = f"networks={given!r}: expected several, as in [{given!r}]"
        raise ConfigError(msg)
    return tuple(map(_network, several))


def _network(given: object) -> IPv4Network:
    if not isinstance(given, (str, IPv4Network)):
        msg = f"network {given!r}: expected a prefix such as '10.0.0.0/8'"
        raise ConfigError(msg)
    try:
        network = IPv4Network(given)
    except ValueError as error:
        msg = f"network {given!r}: {error}"
        raise ConfigError(msg) from None
    if network.prefixlen > LONGEST_PREFIX:
        msg = f"network {given!r}: has no broadcast address"
        raise ConfigError(msg)
    return network
