"""Which machine tracks which protocol number: one list of 256, made from a configuration."""

from __future__ import annotations

from math import inf

from statefulinspect.config import Config
from statefulinspect.connection import Machine
from statefulinspect.flowkey import ICMP, ICMPV6, TCP, UDP
from statefulinspect.machines.icmp import QueryReply, check_checksum_and_type, check_type
from statefulinspect.machines.request_reply import RequestReply
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.udp import check_lengths, check_lengths_and_checksum

UDP_SETTLES_AFTER = 2.0  # seconds: Linux's rule that one question and its answer are no stream


def make_machines(config: Config) -> tuple[Machine, ...]:
    """Make the machine of every protocol number."""
    timeouts, verify = config.timeouts, config.verify_checksums
    machines: list[Machine] = [RequestReply((timeouts.generic,) * 3, inf)] * 256
    machines[TCP] = TcpMachine(config)
    machines[UDP] = RequestReply(
        (timeouts.udp, timeouts.udp, timeouts.udp_stream),
        UDP_SETTLES_AFTER,
        check_lengths_and_checksum if verify else check_lengths,
    )
    check_icmp = check_checksum_and_type if verify else check_type
    machines[ICMP] = QueryReply(timeouts.icmp, check_icmp)
    machines[ICMPV6] = QueryReply(timeouts.icmpv6, check_icmp)
    return tuple(machines)
