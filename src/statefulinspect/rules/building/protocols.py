"""Which protocols a rule has settled on so far, and which headers it can therefore still look at.

`tcp dport 22` settles that packets are TCP, as `meta l4proto tcp` does; a `udp dport` behind it can
match nothing, and nft refuses it. What a single header needs is in its `Selector`.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.nodes import refuse
from statefulinspect.rules.syntax.statements import Match, settled_by
from statefulinspect.rules.words.headers import MESSAGES_WITH
from statefulinspect.rules.words.selectors import FAMILY_OF, PROTOCOL_NUMBERS

NETWORK_OF: Final = {"icmp": "ip", "igmp": "ip", "icmpv6": "ip6", "ip": "ip", "ip6": "ip6"}
BY_FAMILY: Final = frozenset(
    {"meta nfproto", "ct l3proto", "ct original l3proto", "ct reply l3proto"}
)
NETWORKS: Final = {number: name for name, number in FAMILY_OF.items()}
TRANSPORTS: Final = {number: name for name, number in PROTOCOL_NUMBERS.items()}
BY_HEADER: Final = frozenset({"ip protocol", "ip6 nexthdr"})
UNKNOWN: Final = "another protocol"
SELECTED_MESSAGES: Final = {"icmp type": "icmp", "icmpv6 type": "icmpv6"}


@attrs.define(eq=False)
class Protocols:
    """Hold what a rule has settled on: `network` is ip, ip6 or empty, `transport` a protocol.

    With `is_typeof`, headers are named for their types only, and nothing conflicts.
    """

    family: str
    network: str = attrs.field()
    transport: str = ""
    messages: Mapping[str, int] = attrs.field(factory=dict)
    is_typeof: bool = False

    @network.default
    def _network(self) -> str:
        return "" if self.family == "inet" else self.family

    def enter(self, protocol: str, field: str, part: object) -> None:
        """Look at a field of a header; refuse what the rule has excluded."""
        if self.is_typeof:
            return
        if protocol in ("ip", "ip6"):
            self.refuse_other_network(protocol, part)
            self.network = protocol
        elif not self.transport:  # else nft asks nothing of the IP version
            self.network = self.network or NETWORK_OF.get(protocol, "")
        if protocol not in PROTOCOL_NUMBERS:
            return
        self._refuse_another(self.transport, protocol, part)
        self.transport = protocol
        wanted = MESSAGES_WITH.get((protocol, field))
        message = self.messages.get(protocol)
        if wanted and message is not None and message not in wanted:
            types = ", ".join(map(str, sorted(wanted)))
            refuse(f"{protocol} {field}: the rule has type {message}, needed is {types}", part)

    def enter_extension(self, family: str, what: str, part: object) -> None:
        """Look at an IPv6 extension header or an IPv4 option."""
        if self.network not in ("", family) and not self.is_typeof:
            refuse(f"{what}: conflicts with {self.network} before", part)
        self.network = family

    def refuse_other_network(self, network: str, part: object) -> None:
        """Refuse an IP version that the rule has excluded."""
        if not self.is_typeof:
            self._refuse_another(self.network, network, part)

    def learn(self, match: Match) -> None:
        """Settle on what a comparison leaves."""
        selected, numbers = settled_by(match)
        for value in numbers:
            if selected in BY_FAMILY:
                self.network = NETWORKS.get(value, self.network)
            elif selected == "meta l4proto":
                self.transport = TRANSPORTS.get(value, UNKNOWN)
            elif selected in BY_HEADER:
                self.transport = TRANSPORTS.get(value, self.transport)
            elif selected in SELECTED_MESSAGES:
                self.messages = {**self.messages, SELECTED_MESSAGES[selected]: value}

    def _refuse_another(self, settled: str, protocol: str, part: object) -> None:
        if settled not in ("", protocol):
            refuse(f"conflicting protocols specified: {settled} vs. {protocol}", part)
