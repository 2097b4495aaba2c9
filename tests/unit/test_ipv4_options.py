"""Which IPv4 options end a packet's way, as Linux 6.18 showed."""

from __future__ import annotations

import pytest

from statefulinspect.ipv4_options import options_pass

PASS = {
    "none": "",
    "no operations": "01010101",
    "an end, whatever follows": "0007000000",
    "router alert": "94040000",
    "unknown": "99040000",
    "unknown without a body": "99020101",
    "record route with room for one": "0707040000000000",
    "record route that is full": "0707080000000000",
    "record route without any room": "07030400",
    "timestamp with room for one": "4408050000000000",
    "timestamp and address with room": "440c050100000000000000 00",
    "full timestamp, overflow 14": "44080900000000e0"[:6] + "e0" + "00000000",
    "full, prespecified, overflow 15": "440809f300000000",
}
STOP = {
    "length 0": "07000000",
    "length 1": "07010000",
    "no length": "01010107",
    "beyond the header": "07090400",
    "loose source route": "8307040000000000",
    "strict source route": "8907040000000000",
    "CIPSO": "8606000000010000",
    "router alert cut short": "94030000",
    "record route without a pointer": "07020000",
    "record route, pointer before its data": "0707030000000000",
    "record route, room for half an address": "0707060000000000",
    "record route twice": "0703040703040000",
    "timestamp twice": "4404050044040500",
    "timestamp cut short": "44030500",
    "timestamp, pointer before its data": "4408040000000000",
    "timestamp, room for less than one": "4408060000000000",
    "timestamp and address, room for a timestamp": "4408050100000000",
    "prespecified, room for a timestamp": "4408050300000000",
    "full, overflow 15": "440809f000000000",
}


def octets(text):
    return bytes.fromhex(text + "0" * (len(text.replace(" ", "")) % 2))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in PASS.items()])
def test_routers_pass_on(text):
    assert options_pass(octets(text))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in STOP.items()])
def test_routers_do_not_pass_on(text):
    assert not options_pass(octets(text))
    assert not options_pass(b"\1" + octets(text))
