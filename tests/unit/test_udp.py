"""Lengths and checksums of UDP and UDP-Lite datagrams, at their bounds."""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, UDP, UDPLITE, ip, udp, udplite
from statefulinspect import Config, Reason, Tracker
from statefulinspect.decoding import decode
from statefulinspect.machines.udp import (
    check_coverage,
    check_coverage_and_checksum,
    check_lengths,
    check_lengths_and_checksum,
    udplite_check,
)

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


def check_all(packet):
    """Check UDP-Lite as RFC 3828 has it."""
    return check_coverage_and_checksum(None, packet)


both_lite_checks = pytest.mark.parametrize("check", [check_coverage, check_all])


@both_families
@both_lite_checks
@pytest.mark.parametrize("data", [b"", b"odd", b"data", bytes(1000)])
@pytest.mark.parametrize("coverage", [0, 8])
def test_a_right_datagram_of_udplite(check, coverage, data, names):
    assert check(decode(udplite(data=data, coverage=coverage, **names))) is Reason.OK


@both_lite_checks
@pytest.mark.parametrize("size", range(4, 8))
def test_a_header_of_udplite_cut_short(check, size):
    packet = decode(ip(CLIENT, SERVER, UDPLITE, udplite()[20 : 20 + size]))
    assert check(packet) is Reason.HEADER_CUT_SHORT


@both_families
@both_lite_checks
@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        (0, "OK"),
        (1, "UDPLITE_COVERAGE"),
        (7, "UDPLITE_COVERAGE"),
        (8, "OK"),
        (9, "OK"),
        (12, "OK"),
        (13, "UDPLITE_COVERAGE"),
        (65535, "UDPLITE_COVERAGE"),
    ],
)
def test_the_coverage_of_twelve_octets(check, coverage, reason, names):
    assert check(decode(udplite(data=b"data", coverage=coverage, **names))).name == reason


def test_bytes_behind_the_ip_packet_are_not_covered():
    assert check_coverage(decode(udplite(coverage=9) + b"x")) is Reason.UDPLITE_COVERAGE


@both_families
@both_lite_checks
def test_udplite_has_to_have_a_checksum(check, names):
    packet = decode(udplite(data=b"data", checksum=0, **names))
    assert check(packet) is Reason.CHECKSUM_MISSING


def test_a_wrong_coverage_is_told_before_a_missing_checksum():
    assert check_all(decode(udplite(coverage=7, checksum=0))) is Reason.UDPLITE_COVERAGE


@both_families
@pytest.mark.parametrize("coverage", [0, 8, 9, 10, 12])
def test_only_what_is_covered_is_summed(coverage, names):
    wire = udplite(data=b"data", coverage=coverage, **names)
    for back in range(1, 5):
        spoiled = wire[:-back] + b"\xff" + wire[len(wire) - back + 1 :]
        is_covered = 12 - back < (coverage or 12)
        assert check_all(decode(spoiled)).name == ("CHECKSUM" if is_covered else "OK"), back
        assert check_coverage(decode(spoiled)) is Reason.OK


@both_families
@pytest.mark.parametrize(("number", "pseudo"), [(None, UDPLITE), (UDPLITE, UDPLITE), (UDP, UDP)])
def test_the_number_in_the_pseudo_header(number, pseudo, names):
    other = UDP if pseudo == UDPLITE else UDPLITE
    for summed_with, reason in ((pseudo, "OK"), (other, "CHECKSUM")):
        packet = decode(udplite(data=b"data", pseudo=summed_with, **names))
        assert check_coverage_and_checksum(number, packet).name == reason


@pytest.mark.parametrize("sums_as_udp", [True, False])
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("pseudo", [UDP, UDPLITE])
def test_the_configuration_chooses_the_check_of_udplite(pseudo, verify, sums_as_udp):
    check = udplite_check(Config(verify_checksums=verify, udplite_sums_as_udp=sums_as_udp))
    is_right = not verify or sums_as_udp is (pseudo == UDP)
    assert check(decode(udplite(pseudo=pseudo))).name == ("OK" if is_right else "CHECKSUM")
    assert check(decode(udplite(pseudo=pseudo, coverage=7))) is Reason.UDPLITE_COVERAGE
