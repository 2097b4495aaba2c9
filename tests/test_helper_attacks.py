"""What an attacker tries with helpers, each of it failing under `Config()` (docs/security.md).

Where Linux lets it through, the same packets show that too: so the attack is a real one.
"""

from __future__ import annotations

import pytest

from builders import CLIENT, SERVER, packed, tcp
from statefulinspect import Action, Config, CtState, Reason, Tracker

INSIDE, EVIL, VICTIM = CLIENT, SERVER, "10.0.1.99"
WELCOME = b"220 welcome\r\n"
UPLOAD = b"POST /up HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 24\r\n\r\n"
PORTS = {21: "ftp", 6667: "irc", 5060: "sip"}
LAX = Config.linux(verify_checksums=False, helpers=PORTS)
DEFAULT = Config(helpers=PORTS)


class Control:
    """A control connection from the inside to a server, and what it makes the firewall expect."""

    def __init__(self, config, port=21):
        self.tracker, self.port, self.seq, self.now = Tracker(config=config), port, [100, 500], 0.0
        self.segment(0, "SYN")
        self.segment(1, "SYN,ACK")
        self.segment(0, "ACK")

    def segment(self, is_reply, flags="PSH,ACK", data=b"", shift=0):
        ports = (self.port, 40_000) if is_reply else (40_000, self.port)
        ends = (EVIL, INSIDE) if is_reply else (INSIDE, EVIL)
        seq, ack = self.seq[is_reply] + shift, self.seq[1 - is_reply] if "ACK" in flags else 0
        way = {"source": ends[0], "destination": ends[1], "data": data}
        self.seq[is_reply] += len(data) + ("SYN" in flags)
        self.now += 0.01
        return self.tracker.process(tcp(*ports, flags, seq, ack, **way), self.now)

    def client(self, *segments):
        for data in segments:
            self.segment(0, data=data)
        return self

    def server(self, *segments):
        for data in segments:
            self.segment(1, data=data)
        return self

    @property
    def opened(self):
        """Which ports of which hosts are expected."""
        found = self.tracker.expectations
        return [(each.destination, each.destination_port) for each in found]


def test_an_honest_client_is_not_hindered():
    control = Control(DEFAULT).server(WELCOME).client(b"USER me\r\n").server(b"230 hi\r\n")
    control.client(b"PORT 10,0,1,2,19,136\r\n")
    assert control.opened == [(packed(INSIDE), 5000)]


def test_bounce():
    """RFC 2577: a client has the server connect to somebody else."""
    for config in (DEFAULT, LAX):
        control = (
            Control(config).server(WELCOME).client(b"USER me\r\n", b"PORT 10,0,1,99,19,136\r\n")
        )
        assert control.opened == []


def test_bounce_by_the_server():
    """A server sends its client to somebody else."""
    for config in (DEFAULT, LAX):
        control = Control(config).server(WELCOME).client(b"USER me\r\n")
        control.server(b"227 Entering Passive Mode (10,0,1,99,19,136)\r\n")
        assert control.opened == []


@pytest.mark.parametrize(("config", "opened"), [(DEFAULT, []), (LAX, [(packed(INSIDE), 22)])])
def test_a_service_is_announced_as_if_it_were_a_transfer(config, opened):
    control = Control(config).server(WELCOME).client(b"USER me\r\n", b"PORT 10,0,1,2,0,22\r\n")
    assert control.opened == opened


@pytest.mark.parametrize(("config", "opened"), [(DEFAULT, []), (LAX, [(packed(INSIDE), 5000)])])
@pytest.mark.parametrize("greeting", [(), (WELCOME,)], ids=["silent", "greeting"])
def test_slipstreaming_ftp(config, opened, greeting):
    """A web page uploads "PORT ..." to the attacker's port 21, who sizes the segments."""
    control = Control(config).server(*greeting).client(UPLOAD, b"PORT 10,0,1,2,19,136\r\n")
    assert control.opened == opened


@pytest.mark.parametrize(("config", "opened"), [(DEFAULT, []), (LAX, [(packed(INSIDE), 5000)])])
def test_slipstreaming_irc(config, opened):
    offer = b"PRIVMSG x :\x01DCC SEND f 167772418 5000 1\x01\r\n"
    control = Control(config, 6667).server(b":irc NOTICE * :hi\r\n").client(UPLOAD, offer)
    assert control.opened == opened


MEDIA = b"v=0\r\nc=IN IP4 10.0.1.2\r\nm=audio 5000 RTP/AVP 0\r\n"
INVITE = (
    b"INVITE sip:x@10.0.2.2 SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: %d\r\n\r\n" % len(MEDIA)
) + MEDIA


@pytest.mark.parametrize(("config", "opened"), [(DEFAULT, 0), (LAX, 2)])
def test_slipstreaming_sip(config, opened):
    """As it was shown in 2020: the upload's segment that begins with a SIP message."""
    assert len(Control(config, 5060).client(UPLOAD, INVITE).opened) == opened


def test_an_honest_telephone_is_not_hindered():
    assert len(Control(DEFAULT, 5060).client(b"\r\n\r\n", INVITE).opened) == 2
    assert len(Control(DEFAULT, 5060).client(b"\r\n\r\n", INVITE, INVITE).opened) == 2


def test_a_browser_that_is_slowed_down_to_one_octet_a_segment():
    octets = [bytes([octet]) for octet in b"OPTIONS / HTTP/1.1\r\n\r\n"]
    control = Control(DEFAULT).server(WELCOME).client(*octets, b"PORT 10,0,1,2,19,136\r\n")
    assert control.opened == []


def test_a_server_that_does_not_greet():
    control = Control(DEFAULT).server(b"HTTP/1.1 200 OK\r\n").client(b"USER me\r\n")
    assert control.client(b"PORT 10,0,1,2,19,136\r\n").opened == []


def test_what_was_expected_goes_when_another_protocol_shows(monkeypatch):
    control = Control(DEFAULT).server(WELCOME).client(b"USER me\r\n", b"PORT 10,0,1,2,19,136\r\n")
    helper = control.tracker._judge.assistant._helpers["ftp"]
    monkeypatch.setattr(helper, "suspects", lambda message: b"HTTP" in message.payload)
    assert control.opened
    assert control.client(UPLOAD).opened == []
    assert next(iter(control.tracker)).helper is None


def test_words_of_the_client_echoed_by_the_server():
    """An error message quotes a 227; small segments bring it to the front (Olsson 2000)."""
    for config in (DEFAULT, LAX):
        control = Control(config).server(WELCOME).client(b"USER me\r\n")
        control.server(b"500 Unknown: ", b"227 Entering Passive Mode (10,0,2,2,19,136)\r\n")
        assert control.opened == []


def test_a_guess_from_outside_the_window():
    control = Control(DEFAULT).server(WELCOME).client(b"USER me\r\n")
    verdict = control.segment(0, data=b"PORT 10,0,1,2,19,136\r\n", shift=1_000_000)
    assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.INVALID)
    assert control.opened == []


def test_a_third_host_uses_what_was_announced_for_another():
    control = Control(DEFAULT).server(WELCOME).client(b"USER me\r\n", b"PORT 10,0,1,2,19,136\r\n")
    stranger = tcp(20, 5000, "SYN", 9, source="10.0.2.66", destination=INSIDE)
    assert control.tracker.process(stranger, 1.0).ct_state is CtState.NEW
    server = tcp(20, 5000, "SYN", 9, source=EVIL, destination=INSIDE)
    assert control.tracker.process(server, 1.0).ct_state is CtState.RELATED


def test_ports_announced_by_the_thousand():
    """One transfer at a time: each announcement takes the place of the one before."""
    control = Control(DEFAULT).server(WELCOME).client(b"USER me\r\n")
    control.client(*(b"PORT 10,0,1,2,%d,0\r\n" % high for high in range(8, 256)))
    assert control.opened == [(packed(INSIDE), 255 * 256)]


def test_a_chain_of_announcements_ends():
    """Client and server by turns announce the next connection."""
    tracker, ends, now = Tracker(config=Config(helpers={2121: "ftp"})), [INSIDE, EVIL], 0.0

    def send(source, destination, sport, dport, flags, seq, ack, data=b""):
        way = {"source": source, "destination": destination, "data": data}
        return tracker.process(tcp(sport, dport, flags, seq, ack, **way), now)

    states, reasons = [], []
    for port in range(3000, 3011):
        (client, server), words = ends, f"PORT {ends[0]},8,73\r\n".replace(".", ",").encode()
        states.append(send(client, server, port, 2121, "SYN", 100, 0).ct_state)
        send(server, client, 2121, port, "SYN,ACK", 200, 101)
        send(client, server, port, 2121, "ACK", 101, 201)
        send(server, client, 2121, port, "PSH,ACK", 201, 101, WELCOME)
        send(client, server, port, 2121, "PSH,ACK", 101, 214, b"USER a\r\n")
        reasons.append(send(client, server, port, 2121, "PSH,ACK", 109, 214, words).reason)
        ends.reverse()
    row = [CtState.NEW, *[CtState.RELATED] * 8]
    assert states == [*row, *row[:2]]
    assert reasons == [*[Reason.OK] * 8, Reason.EXPECTATIONS_FULL, Reason.OK, Reason.OK]


def test_somebody_elses_announcement_is_taken():
    """The same port of the same host can be announced by one connection only."""
    control = Control(LAX).server(WELCOME).client(b"USER me\r\n", b"PORT 10,0,1,2,19,136\r\n")
    control.now += 1
    tracker = control.tracker
    for flags, is_reply, seq, ack, data in (
        ("SYN", 0, 9, 0, b""),
        ("SYN,ACK", 1, 9, 10, b""),
        ("PSH,ACK", 0, 10, 10, b"USER me\r\n"),
        ("PSH,ACK", 0, 19, 10, b"PORT 10,0,1,2,19,136\r\n"),
    ):
        ports, way = ((21, 50_000), (EVIL, INSIDE)) if is_reply else ((50_000, 21), (INSIDE, EVIL))
        packet = tcp(*ports, flags, seq, ack, data=data, source=way[0], destination=way[1])
        verdict = tracker.process(packet, control.now)
    assert verdict.reason is Reason.EXPECTATION_CLASH
    assert len(tracker.expectations) == 1
