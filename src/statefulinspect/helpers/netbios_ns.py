"""Read NetBIOS name queries: who asks a whole network is answered by anyone (RFC 1002 4.2).

To find the machine of a name, Windows and Samba send a UDP datagram from port 137 to port 137 of
their network's broadcast address. The machine that has the name answers from its own address,
which no flow key can foresee. So what is to come, for three seconds and from as many machines as
care to answer, are datagrams from any address of that network and port 137, to where the query
came from. The query's own connection lives as long. What the query says is not read.

Which address is a network's broadcast address depends on the length of its prefix, which no packet
tells. Linux knows it from its interfaces, and reads only what its own machine sends. This library
has no interfaces: it is told the networks, and reads the queries of all their machines.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import UDP
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import NOTHING, Announce, Outcome, Renew
from statefulinspect.networks import broadcast_networks

PORT: Final = 137  # of the answers, wherever the query went
LIFE: Final = 3.0  # seconds in which answers are awaited


class NetbiosNsHelper:
    """Expect the answers to NetBIOS name queries.

    `networks` are IPv4 prefixes, such as "10.0.0.0/8". Of two that share their broadcast address
    and hold the asking machine, the first counts.

    >>> NetbiosNsHelper(["10.0.0.1/8"])
    Traceback (most recent call last):
    ...
    statefulinspect.checks.ConfigError: network '10.0.0.1/8': 10.0.0.1/8 has host bits set
    """

    name = "netbios-ns"
    protocols = frozenset({UDP})
    families = frozenset({4})
    policies: Mapping[str, Policy] = {"": Policy(1, LIFE)}

    def __init__(self, networks: Iterable[str | IPv4Network]) -> None:
        self._by_broadcast: dict[bytes, list[IPv4Network]] = {}
        for network in broadcast_networks(networks):
            broadcast = network.broadcast_address.packed
            self._by_broadcast.setdefault(broadcast, []).append(network)

    def begin(self) -> None:
        """Remember nothing: each query stands for itself."""

    def read(self, message: Message) -> Outcome:
        """Announce the answers to what a machine asks its whole network."""
        if message.side.is_reply:
            return NOTHING
        client = message.connection.original.source
        for network in self._by_broadcast.get(message.receiver, ()):
            if client in network:
                return Renew(LIFE), _answers(message, network.netmask.packed)
        return NOTHING


def _answers(message: Message, mask: bytes) -> Announce:
    """Expect datagrams from the network asked, to where the query came from."""
    return Announce(
        UDP,
        message.sender,
        message.connection.original.source_port or 0,  # UDP has ports; 0 is one of them
        source=message.receiver,  # Linux lists it so; the mask leaves the network
        source_mask=mask,
        source_port=PORT,
        is_permanent=True,
        is_optional=True,
    )
