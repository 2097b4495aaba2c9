"""Which machine tracks which protocol number: one list of 256, made from a configuration."""

from __future__ import annotations

from math import inf
from typing import Final

from statefulinspect.config import Config
from statefulinspect.connection import Machine
from statefulinspect.flowkey import GRE, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE
from statefulinspect.machines.icmp import QueryReply, check_checksum_and_type, check_type
from statefulinspect.machines.request_reply import RequestReply
from statefulinspect.machines.sctp import SctpMachine
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.udp import udp_check, udplite_check

UDP_SETTLES_AFTER: Final = 2.0  # seconds: Linux's rule that one question and answer are no stream
AT_ONCE: Final = -inf
NEVER: Final = inf


def make_machines(config: Config) -> tuple[Machine, ...]:
    """Make the machine of every protocol number."""
    timeouts = config.timeouts
    udp = (timeouts.udp, timeouts.udp, timeouts.udp_stream)
    gre = (timeouts.gre, timeouts.gre, timeouts.gre_stream)
    check_icmp = check_checksum_and_type if config.verify_checksums else check_type
    machines: list[Machine] = [RequestReply((timeouts.generic,) * 3, NEVER)] * 256
    machines[TCP] = TcpMachine(config)
    machines[SCTP] = SctpMachine(config)
    machines[UDP] = RequestReply(udp, UDP_SETTLES_AFTER, udp_check(config))
    machines[UDPLITE] = RequestReply(udp, AT_ONCE, udplite_check(config))
    machines[GRE] = RequestReply(gre, AT_ONCE)
    machines[ICMP] = QueryReply(timeouts.icmp, check_icmp)
    machines[ICMPV6] = QueryReply(timeouts.icmpv6, check_icmp)
    return tuple(machines)
