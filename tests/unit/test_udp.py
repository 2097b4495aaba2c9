"""Lengths and checksums of UDP datagrams, at their bounds."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, UDP, ip, udp
from statefulinspect import Config, Reason, Tracker
from statefulinspect.decoding import decode
from statefulinspect.machines.udp import check_lengths, check_lengths_and_checksum

V6 = {"source": "fd00:1::2", "destination": "fd00:2::2"}
both_families = pytest.mark.parametrize("names", [{}, V6], ids=["IPv4", "IPv6"])
both_checks = pytest.mark.parametrize("check", [check_lengths, check_lengths_and_checksum])


@both_families
@both_checks
@pytest.mark.parametrize("data", [b"", b"odd", b"data", bytes(1000)])
def test_a_right_datagram(check, data, names):
    assert check(decode(udp(data=data, **names))) is Reason.OK


@both_checks
@pytest.mark.parametrize("size", range(4, 8))
def test_a_header_cut_short(check, size):
    packet = decode(ip(CLIENT, SERVER, UDP, udp()[20 : 20 + size]))
    assert check(packet) is Reason.HEADER_CUT_SHORT


@both_families
@both_checks
@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (0, "UDP_LENGTH"),
        (7, "UDP_LENGTH"),
        (8, "OK"),
        (11, "OK"),
        (12, "OK"),
        (13, "UDP_LENGTH"),
        (65535, "UDP_LENGTH"),
    ],
)
def test_the_length_field_of_twelve_octets(check, length, reason, names):
    assert check(decode(udp(data=b"data", length=length, **names))).name == reason


def test_bytes_behind_the_ip_packet_do_not_count():
    packet = decode(udp(length=9) + b"x")
    assert check_lengths(packet) is Reason.UDP_LENGTH


@both_families
def test_a_wrong_checksum(names):
    packet = decode(udp(data=b"data", bad=True, **names))
    assert check_lengths_and_checksum(packet) is Reason.CHECKSUM
    assert check_lengths(packet) is Reason.OK


@both_families
def test_no_checksum(names):
    assert check_lengths_and_checksum(decode(udp(data=b"data", checksum=0, **names))) is Reason.OK


def test_a_wrong_length_is_told_before_a_wrong_checksum():
    packet = decode(udp(length=7, bad=True))
    assert check_lengths_and_checksum(packet) is Reason.UDP_LENGTH


@pytest.mark.parametrize(("verify", "reason"), [(True, "CHECKSUM"), (False, "OK")])
def test_the_configuration_chooses_the_check(verify, reason):
    tracker = Tracker(config=Config(verify_checksums=verify))
    assert tracker.process(udp(bad=True), 0.0).reason.name == reason
    assert tracker.process(udp(length=7), 0.0).reason is Reason.UDP_LENGTH
