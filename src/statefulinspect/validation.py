"""What is wrong with a packet by itself, before any connection is looked at."""

from __future__ import annotations

from typing import Final, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.checksums import header_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Machine
from statefulinspect.machines import make_machines
from statefulinspect.packet import Packet
from statefulinspect.screening import Screen
from statefulinspect.terms import OK, Reason

OUTPUT: Final = "output"


class Validation:
    """Check packets: their IP header, whether they are attacks, and what their machine says."""

    def __init__(self, config: Config, machines: Sequence[Machine]) -> None:
        self.screen = Screen(config.dos)
        self._verifies = config.verify_checksums
        self._machines = machines
        self._trusting = make_machines(attrs.evolve(config, verify_checksums=False))

    def check(self, packet: Packet) -> Reason:
        """Check everything that can be checked without a connection.

        Checksums of packets from this machine are not looked at: devices may fill them in.
        """
        is_own = packet.hook == OUTPUT
        if self._verifies and not is_own and packet.family == 4 and not header_is_right(packet):
            return Reason.IP_HEADER_CHECKSUM
        reason = self.screen.check(packet)
        if reason is not OK:
            return reason
        machines = self._trusting if is_own else self._machines
        return machines[packet.protocol].validate(packet)
