"""SIP: what calls and registrations announce, who may, and what ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import CLIENT, CLIENT6, SERVER, SERVER6, TCP, UDP, packed, tcp, udp
from statefulinspect import Config, CtState, Reason, Tracker
from statefulinspect.helpers.model import Helper, Message, Policy
from statefulinspect.helpers.sip import Progress, SipHelper
from statefulinspect.helpers.statements import (
    NOTHING,
    Activate,
    Announce,
    AnnouncePair,
    Refuse,
    Remember,
    Renew,
    Withdraw,
)

HELPER = SipHelper()
HERE, THERE = packed(CLIENT), packed(SERVER)
KEPT = Renew(3600.0)
MEDIA_GONE = Withdraw(("audio", "video", "image"))
CALLS_GONE = Withdraw(("signalling",))

SDP = "v=0\r\nc=IN IP4 10.0.1.2\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER_SDP = SDP.replace("10.0.1.2", "10.0.2.2").replace("4000", "6000")
INVITE = "INVITE sip:bob@10.0.2.2 SIP/2.0\r\nCSeq: 7 INVITE\r\n\r\n" + SDP
RINGING = "SIP/2.0 183 Session Progress\r\nCSeq: 7 INVITE\r\n\r\n" + ANSWER_SDP
BUSY = "SIP/2.0 486 Busy Here\r\nCSeq: 7 INVITE\r\n\r\n"
BYE = "BYE sip:bob@10.0.2.2 SIP/2.0\r\nCSeq: 8 BYE\r\n\r\n"
REGISTER = (
    "REGISTER sip:10.0.2.2 SIP/2.0\r\nCSeq: 3 REGISTER\r\n"
    "Contact: <sip:ann@10.0.1.2:5070>;expires=600\r\n\r\n"
)
GRANTED = REGISTER.replace("REGISTER sip:10.0.2.2 SIP/2.0", "SIP/2.0 200 OK")
REGISTERED = Progress(register=3, registered=(HERE, 5070))


def message(text, is_reply=0, memory=None, protocol=UDP, client=CLIENT, server=SERVER):
    """Make what one side of a fresh control connection says."""
    make = {TCP: lambda *ports, **ends: tcp(*ports, "SYN", **ends), UDP: udp}[protocol]
    opened = make(1000, 5060, source=client, destination=server)
    connection = Tracker().process(opened, 0.0).connection
    connection.helper_memory = HELPER.begin() if memory is None else memory
    side = connection.reply_side if is_reply else connection.original_side
    payload = text.encode("latin-1") if isinstance(text, str) else text
    return Message(side, payload, 1, 0.0)


def say(text, is_reply=0, memory=None, **ends):
    """Let either side say something; give what follows, but for the connection being kept."""
    outcome = HELPER.read(message(text, is_reply, memory, **ends))
    said = outcome.before if isinstance(outcome, Refuse) else outcome
    assert said[0] == KEPT
    if isinstance(outcome, Refuse):
        assert outcome.reason is Reason.HELPER_MALFORMED
        return [*said[1:], "refused"]
    return said[1:]


def pair(port, kind="audio", to=HERE, source=THERE):
    first, second = (
        Announce(UDP, to, number, source=source, kind=kind, may_be_known=True)
        for number in (port & ~1, port | 1)
    )
    return AnnouncePair(first, second, told_port=port)


def calls(port=5070, to=HERE, source=THERE, protocol=UDP):
    return Announce(
        protocol, to, port, source=source, kind="signalling",
        is_permanent=True, is_inactive=True, helper="sip",
    )  # fmt: skip


def test_what_it_is():
    assert isinstance(HELPER, Helper)
    assert (HELPER.name, HELPER.protocols, HELPER.families) == ("sip", {6, 17}, {4, 6})
    assert HELPER.policies == {
        "signalling": Policy(1, 180.0),
        "audio": Policy(4, 180.0),
        "video": Policy(4, 180.0),
        "image": Policy(2, 180.0),
    }
    assert HELPER.begin() == Progress(invite=0, register=0, registered=None)


class TestAnything:
    def test_silence_keeps_nothing(self):
        assert HELPER.read(message("")) == NOTHING

    @pytest.mark.parametrize(
        "text", ["x", "\0" * 40, "OPTIONS sip:b SIP/2.0\r\n\r\n", "MESSAGE x y"]
    )
    def test_all_else_keeps_the_control_connection(self, text):
        assert HELPER.read(message(text)) == [KEPT]

    def test_below_eleven_octets_is_no_message(self):
        assert say("SIP/2.0 20") == []
        assert say("SIP/2.0 200") == ["refused"]

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK", "ACK", "BYE", "REGISTER"])
    def test_requests_lack_no_number(self, method):
        assert say(f"{method} sip:bob@10.0.2.2 SIP/2.0\r\n\r\n") == ["refused"]
        assert say(f"{method.lower()} sip:bob@10.0.2.2 SIP/2.0\r\n\r\n") == ["refused"]

    @pytest.mark.parametrize(
        "start",
        ["CANCEL sip:b", "INVITEX sip:b", "INVITE 1sip:b", "INVITE  sip:b", " INVITE sip:b"],
    )
    def test_these_are_not_read(self, start):
        assert say(f"{start} SIP/2.0\r\n\r\n") == []

    def test_answers_lack_neither_code_nor_number(self):
        assert say("SIP/2.0 200 OK\r\n\r\n") == ["refused"]
        for code in ("", "x", "0", "000000000200", "4294967296"):
            assert say(f"SIP/2.0 {code} OK\r\nCSeq: 1 OPTIONS\r\n\r\n") == ["refused"]
        for code in ("200", "1", "0200", "99999"):
            assert say(f"SIP/2.0 {code} OK\r\nCSeq: 1 OPTIONS\r\n\r\n") == []
        assert say("sip/2.0 x\r\n\r\n") == ["refused"]
        assert say("SIP/3.0 x\r\n\r\n") == []


class TestCalls:
    def test_the_caller_says_where_to_send(self):
        assert say(INVITE) == [MEDIA_GONE, pair(4000), Remember(Progress(invite=7))]

    def test_so_does_the_called_one(self):
        assert say(RINGING, 1) == [pair(6000, to=THERE, source=HERE)]
        assert say(RINGING.replace("183", "200"), 1) == [pair(6000, to=THERE, source=HERE)]

    @pytest.mark.parametrize("method", ["UPDATE", "PRACK", "ACK"])
    def test_others_may_change_it(self, method):
        assert say(INVITE.replace("INVITE", method)) == [pair(4000)]

    @pytest.mark.parametrize("method", ["UPDATE", "PRACK", "invite"])
    def test_and_what_answers_those(self, method):
        text = RINGING.replace("INVITE", method)
        assert say(text, 1) == [pair(6000, to=THERE, source=HERE)]

    @pytest.mark.parametrize("method", ["ACK", "BYE", "OPTIONS", "XINVITE", ""])
    def test_other_answers_are_not_read(self, method):
        assert say(RINGING.replace("INVITE", method), 1) == []
        assert say(BUSY.replace("INVITE", method), 1, Progress(invite=7)) == []

    def test_the_pair_is_an_even_port_and_the_next(self):
        (even,) = say(INVITE.replace("4000", "4001"))[1:-1]
        assert (even.first.destination_port, even.second.destination_port) == (4000, 4001)
        assert even.told_port == 4001

    def test_each_medium_has_its_own(self):
        text = INVITE + "m=video 5000 x\r\nm=image 5002 x\r\n"
        kinds = [pair(4000), pair(5000, "video"), pair(5002, "image")]
        assert say(text)[1:-1] == kinds

    def test_another_host_is_passed_over(self):
        assert say(INVITE.replace("10.0.1.2", "10.0.1.3")) == [
            MEDIA_GONE, Remember(Progress(invite=7)),
        ]  # fmt: skip
        assert say(INVITE, 1)[1:-1] == []
        mixed = INVITE + "c=IN IP4 10.0.9.9\r\nm=video 5000 x\r\n"
        assert say(mixed)[1:-1] == [pair(5000, "video")]

    @pytest.mark.parametrize("port", [1, 80, 1023, 65536])
    def test_ports_are_free_ones(self, port):
        assert say(INVITE.replace("4000", str(port))) == [MEDIA_GONE, "refused"]

    @pytest.mark.parametrize("port", [1024, 65535])
    def test_of_all_the_free_ones(self, port):
        assert say(INVITE.replace("4000", str(port)))[1] == pair(port)

    def test_a_medium_lacks_no_address(self):
        assert say(INVITE.replace("c=", "d=")) == [MEDIA_GONE, "refused"]
        assert say(INVITE.replace("c=", "d=").replace("4000", "0"))[-1] != "refused"

    def test_what_stands_before_the_wrong_medium_counts(self):
        assert say(INVITE + "m=video 80 x\r\n") == [MEDIA_GONE, pair(4000), "refused"]

    def test_over_ipv6(self):
        text = INVITE.replace("IP4 10.0.1.2", "IP6 fd00:1::2")
        said = say(text, client=CLIENT6, server=SERVER6)
        assert said[1] == pair(4000, to=packed(CLIENT6), source=packed(SERVER6))

    def test_bye_ends_it(self):
        assert say(BYE) == say(BYE, 1) == say(BYE + SDP) == [MEDIA_GONE]

    @pytest.mark.parametrize("code", [1, 99, 300, 302, 486, 600])
    def test_a_refusal_of_the_latest_invite_ends_it(self, code):
        answer = BUSY.replace("486", str(code))
        assert say(answer, 1, Progress(invite=7)) == [MEDIA_GONE]
        assert say(answer, 1, Progress(invite=6)) == []

    @pytest.mark.parametrize("code", [100, 199, 200, 299])
    def test_no_other_answer_does(self, code):
        assert say(BUSY.replace("486", str(code)), 1, Progress(invite=7)) == []

    def test_a_new_invite_keeps_what_is_registered(self):
        memory = Progress(invite=1, register=3, registered=(HERE, 5070))
        remembered = Remember(Progress(invite=7, register=3, registered=(HERE, 5070)))
        assert say(INVITE, memory=memory)[-1] == remembered


class TestRegistrations:
    def test_calls_wait_until_they_are_granted(self):
        assert say(REGISTER) == [calls(), Remember(REGISTERED)]
        assert say(GRANTED, 1, REGISTERED) == [Activate("signalling", 600)]

    def test_over_the_same_transport(self):
        text = REGISTER.replace("\r\n\r\n", "\r\nl: 0\r\n\r\n")
        assert say(text, protocol=TCP) == [calls(protocol=TCP), Remember(REGISTERED)]
        text = REGISTER.replace(">;", ";transport=TCP>;")
        assert say(text) == []
        text = text.replace("\r\n\r\n", "\r\nl: 0\r\n\r\n")
        assert say(text, protocol=TCP)[0] == calls(protocol=TCP)
        for other in ("udp", "tc", "t"):
            assert say(text.replace("TCP", other), protocol=TCP) == []
        assert say(REGISTER.replace(">;", ";transport=ud>;")) == []

    def test_only_the_senders_own_address(self):
        assert say(REGISTER.replace("10.0.1.2:", "10.0.1.3:")) == []
        assert say(REGISTER, 1) == []
        assert say(REGISTER.replace("10.0.1.2:", "10.0.2.2:"), 1)[0] == calls(to=THERE, source=HERE)

    def test_only_the_first_contact_counts(self):
        other = "Contact: <sip:ann@10.0.9.9>\r\n"
        assert say(REGISTER.replace("Contact", other + "Contact")) == []
        assert say(REGISTER.replace("\r\n\r\n", f"\r\n{other}\r\n"))[0] == calls()

    @pytest.mark.parametrize("text", ["Contact: *", "Via: x", "Contact: <sip:ann@home>"])
    def test_without_contact_it_asks_for_nothing(self, text):
        asked = f"REGISTER sip:x SIP/2.0\r\nCSeq: 3 REGISTER\r\n{text}\r\n\r\n"
        assert say(asked) == []

    def test_the_lifetime_of_all_contacts_holds_too(self):
        text = REGISTER.replace(";expires=", "\r\nExpires: ")
        assert say(text) == [calls(), Remember(REGISTERED)]
        assert say(text.replace("600", "0")) == [Remember(Progress(register=3))]

    def test_nobody_is_to_call_any_more(self):
        text = REGISTER.replace("600", "0")
        assert say(text) == [Remember(Progress(register=3))]
        assert say(text, memory=REGISTERED) == [Remember(REGISTERED)]

    def test_its_lifetime_can_be_read(self):
        assert say(REGISTER.replace("600", "soon")) == ["refused"]

    def test_who_is_called_does_not_register(self):
        called = message(REGISTER)
        called.connection.master = message("").connection
        assert HELPER.read(called) == [KEPT]

    def test_an_invite_counts_apart(self):
        memory = Progress(invite=7)
        remembered = Remember(Progress(invite=7, register=3, registered=(HERE, 5070)))
        assert say(REGISTER, memory=memory)[-1] == remembered

    def test_only_the_latest_is_answered(self):
        assert say(GRANTED, 1, Progress(register=2, registered=(HERE, 5070))) == []

    @pytest.mark.parametrize("code", [1, 99, 300, 401, 600])
    def test_a_refusal_ends_it(self, code):
        assert say(GRANTED.replace("200", str(code)), 1, REGISTERED) == [CALLS_GONE]

    @pytest.mark.parametrize("code", [100, 199])
    def test_a_provisional_answer_does_not(self, code):
        assert say(GRANTED.replace("200", str(code)), 1, REGISTERED) == []

    @pytest.mark.parametrize("code", [200, 299])
    def test_all_of_these_grant(self, code):
        answer = GRANTED.replace("200", str(code))
        assert say(answer, 1, REGISTERED) == [Activate("signalling", 600)]

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [("600", "0"), ("5070", "5071"), ("10.0.1.2", "10.0.2.2"), ("Contact", "Via"),
         (">", ";transport=tcp>"), (";expires=600", "")],
    )  # fmt: skip
    def test_these_grant_nothing(self, was, becomes):
        assert was in GRANTED
        assert say(GRANTED.replace(was, becomes), 1, REGISTERED) == [CALLS_GONE]

    def test_the_answers_lifetime_can_be_read(self):
        assert say(GRANTED.replace("600", "soon"), 1, REGISTERED) == ["refused"]

    def test_the_answer_lists_all_contacts(self):
        others = "Contact: <sip:ann@10.0.9.9>, <sip:ann@10.0.1.2:5080>;expires=9\r\nContact"
        listed = GRANTED.replace("Contact", others)
        assert say(listed, 1, REGISTERED) == [Activate("signalling", 600)]
        ended = listed.replace("expires=9", "expires=0")
        assert say(ended, 1, REGISTERED) == [CALLS_GONE]

    def test_the_answers_lifetime_of_all_contacts_holds_too(self):
        answer = GRANTED.replace(";expires=", "\r\nExpires: ")
        assert say(answer, 1, REGISTERED) == [Activate("signalling", 600)]

    def test_methods_are_written_any_way(self):
        assert say(GRANTED.replace("REGISTER", "register"), 1, REGISTERED) == [
            Activate("signalling", 600)
        ]


class TestSegments:
    BYE = BYE.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")
    WRONG = BYE.replace("CSeq: 8", "l: 0")

    def test_each_message_of_a_segment_is_read(self):
        assert say(self.BYE * 3, protocol=TCP) == [MEDIA_GONE] * 3

    def test_over_udp_a_datagram_is_one(self):
        assert say(self.BYE * 3) == [MEDIA_GONE]

    def test_what_is_not_whole_is_not_read(self):
        assert say(BYE, protocol=TCP) == []
        assert say(self.BYE + self.BYE[:-1], protocol=TCP) == [MEDIA_GONE]

    def test_up_to_the_first_that_is_refused(self):
        assert say(self.BYE + self.WRONG + self.BYE, protocol=TCP) == [MEDIA_GONE, "refused"]

    def test_a_message_knows_what_those_before_it_said(self):
        def over_tcp(text):
            head, _, body = text.partition("\r\n\r\n")
            return f"{head}\r\nl: {len(body)}\r\n\r\n{body}"

        said = say(over_tcp(REGISTER) + over_tcp(INVITE) + over_tcp(BUSY), protocol=TCP)
        assert said[0] == calls(protocol=TCP)
        assert said[-2:] == [
            Remember(Progress(invite=7, register=3, registered=(HERE, 5070))), MEDIA_GONE,
        ]  # fmt: skip


class Telephones:
    """Two control connections between the same hosts, over UDP or TCP, and what is expected."""

    def __init__(self, *protocols):
        self.tracker = Tracker(config=Config.linux(helpers={5060: "sip"}))
        self.protocols = protocols
        for number, protocol in enumerate(protocols):
            for packet in self.handshake(number) if protocol == TCP else ():
                self.tracker.process(packet, 0.0)

    def handshake(self, number):
        back = {"source": SERVER, "destination": CLIENT}
        yield tcp(1000 + number, 5060, "SYN", 1)
        yield tcp(5060, 1000 + number, "SYN,ACK", 1, 2, **back)
        yield tcp(1000 + number, 5060, "ACK", 2, 2)

    def say(self, number, text):
        if self.protocols[number] == UDP:
            packet = udp(1000 + number, 5060, text.encode())
        else:
            head, _, body = text.partition("\r\n\r\n")
            data = f"{head}\r\nl: {len(body)}\r\n\r\n{body}".encode()
            packet = tcp(1000 + number, 5060, "PSH,ACK", 2, 2, data=data)
        verdict = self.tracker.process(packet, 1.0)
        self.tracker.check()
        return verdict.reason

    def come(self, port):
        packet = udp(7, port, source=SERVER, destination=CLIENT)
        return self.tracker.process(packet, 2.0).ct_state

    @property
    def expected(self):
        return {
            each.destination_port: (each.master.original.source_port - 1000, each.kind)
            for each in self.tracker.expectations
        }


class TestTheSameMediaOnTwoConnections:
    AUDIO0 = (0, "audio")

    def test_are_expected_once(self):
        both = Telephones(UDP, UDP)
        assert both.say(0, INVITE) is both.say(1, INVITE) is Reason.OK
        assert both.expected == {4000: self.AUDIO0, 4001: self.AUDIO0}

    @pytest.mark.parametrize(
        ("protocols", "port", "left"),
        [
            ((UDP, UDP), 4000, {4000: AUDIO0}),
            ((TCP, TCP), 4000, {4000: AUDIO0}),
            ((TCP, UDP), 4000, {4000: AUDIO0, 4001: (1, "audio")}),
            ((UDP, UDP), 4001, {4000: AUDIO0, 4001: (1, "audio")}),
        ],
    )
    def test_not_at_all_if_the_first_is_known_over_the_same_transport(self, protocols, port, left):
        both = Telephones(*protocols)
        both.say(0, INVITE)
        assert both.come(4001) is CtState.RELATED
        assert both.say(1, INVITE.replace("4000", str(port))) is Reason.OK
        assert both.expected == left

    @pytest.mark.parametrize(
        ("port", "left"),
        [(4000, {4000: (1, "audio"), 4001: AUDIO0}), (4001, {4001: AUDIO0})],
    )
    def test_the_port_as_it_was_told_decides(self, port, left):
        both = Telephones(UDP, UDP)
        both.say(0, INVITE)
        assert both.come(4000) is CtState.RELATED
        assert both.say(1, INVITE.replace("4000", str(port))) is Reason.OK
        assert both.expected == left

    def test_as_another_kind_are_known_each_for_itself(self):
        both = Telephones(UDP, UDP)
        both.say(0, INVITE)
        both.come(4001)
        assert both.say(1, INVITE.replace("audio", "video")) is Reason.OK
        assert both.expected == {4000: self.AUDIO0, 4001: (1, "video")}

    def test_calls_are_nobody_elses(self):
        both = Telephones(UDP, UDP)
        assert both.say(0, REGISTER) is Reason.OK
        assert both.say(1, REGISTER) is Reason.EXPECTATION_CLASH
        assert both.expected == {5070: (0, "signalling")}


WORDS = st.sampled_from(
    [
        *(b"INVITE sip:b\r\n", b"REGISTER sip:b\r\n", b"SIP/2.0 200 OK\r\n", b"ACK x\r\n"),
        *(b"\r\nCSeq: 3 ", b"INVITE", b"REGISTER", b"\r\nExpires: 9", b"\r\nl: 0", b"\r\n\r\n"),
        *(b"\r\nm: ", b"<sip:a@10.0.1.2:", b"5070>", b";expires=6", b"transport=udp", b",", b"\n "),
        *(b"\r\nv=0", b"\r\nc=IN IP4 10.0.1.2", b"\r\nc=IN IP4 10.0.9.9", b"\r\nm=audio 4000 "),
        *(b"\r\nm=video 80 ", b"\xff", b" "),
    ]
)


@pytest.mark.parametrize("protocol", [TCP, UDP])
@given(
    octets=st.binary() | st.lists(WORDS | st.binary(max_size=3), max_size=40).map(b"".join),
    is_reply=st.integers(0, 1),
)
def test_any_octets_announce_only_what_the_grammar_allows(protocol, octets, is_reply):
    read = message(octets, is_reply, REGISTERED, protocol)
    outcome = HELPER.read(read)
    said = outcome.before if isinstance(outcome, Refuse) else outcome
    assert len(said) <= 1 + len(octets) // 3
    pairs = [each for each in said if isinstance(each, AnnouncePair)]
    alone = [each for each in said if isinstance(each, Announce)]
    for each in [*alone, *(one for two in pairs for one in (two.first, two.second))]:
        assert (each.destination, each.source) == (read.sender, read.receiver)
        assert b".".join(b"%d" % octet for octet in read.sender) in octets
        assert 1024 <= each.destination_port <= 65535
        assert each.is_permanent == each.is_inactive == (each.kind == "signalling")
    for each in pairs:
        assert each.second.destination_port == each.first.destination_port + 1
        assert b"%d" % each.told_port in octets
    for each in alone:
        assert each.destination_port == 5060 or b"%d" % each.destination_port in octets
