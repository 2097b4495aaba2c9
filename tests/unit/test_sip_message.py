"""How SIP messages are written: headers, numbers, contacts, and where messages end."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, packed
from statefulinspect.helpers import sip_message
from statefulinspect.helpers.sip_address import read_address
from statefulinspect.helpers.sip_message import (
    CONTACT,
    CONTENT_LENGTH,
    EXPIRES,
    Contact,
    CSeq,
    find_value,
    read_contacts,
    read_cseq,
    read_expires,
    read_number,
    split_messages,
)

HERE = packed(CLIENT)
ANN = b"<sip:ann@10.0.1.2:5070>"


def value_of(header, octets):
    at = find_value(header, octets)
    return None if at is None else octets[at:]


class TestHeaders:
    @pytest.mark.parametrize(
        "octets",
        [
            b"x\r\nExpires: 60",
            b"x\nExpires: 60",
            b"x\rExpires: 60",
            b"x\r\nEXPIRES: 60",
            b"x\r\nExpires:60",
            b"x\r\nExpires \t:\t 60",
            b"x\r\nExpires:\r\n 60",
            b"x\r\nExpires: \n\t60",
            b"x\r\nExpires:\r\n \t  60",
            b"\nExpires: 60",
            b"x\r\nExpires\r\n : 60",
            b"x\r\n\r\nExpires: 60",
            b"x\r\nexpire: 1\r\nExpires: 60",
        ],
    )
    def test_these_lines_are_the_header(self, octets):
        assert value_of(EXPIRES, octets) == b"60"

    @pytest.mark.parametrize(
        "octets",
        [
            b"Expires: 60",
            b"x\r\n Expires: 60",
            b"x\r\nXExpires: 60",
            b"x\n\nExpires: 60",
            b"x\r\nExpires 60",
            b"x\r\nExpires",
            b"x\r\nExpires:",
            b"x\r\nExpires: \r\n",
            b"x\r\nExpires:\r\n \r\n 60",
            b"x\r\nExpires\r\n \r\n : 60",
        ],
    )
    def test_these_are_not(self, octets):
        assert value_of(EXPIRES, octets) in (None, b"", b"\r\n 60")

    def test_a_line_that_only_begins_so_hides_what_comes_behind(self):
        assert find_value(EXPIRES, b"x\r\nExpiresX: 1\r\nExpires: 60") is None

    @pytest.mark.parametrize(
        ("line", "is_one"),
        [(b"l", True), (b"L", True), (b"ll", False), (b"l\xe9", False), (b"l1", False)],
    )
    def test_short_names_stand_alone(self, line, is_one):
        assert (value_of(CONTENT_LENGTH, b"x\r\n" + line + b": 7") == b"7") is is_one

    def test_a_longer_word_hides_no_short_name(self):
        assert value_of(CONTENT_LENGTH, b"x\r\nll: 1\r\nl: 7") == b"7"
        assert value_of(CONTENT_LENGTH, b"x\r\nl\xe9: 1\r\nl: 7") == b"7"
        assert value_of(CONTACT, b"x\r\nMax-Forwards: 70\r\nm: a") == b"a"


class TestNumbers:
    @pytest.mark.parametrize(
        ("digits", "number"),
        [
            (b"0", 0),
            (b"60x", 60),
            (b"00000000060", 60),
            (b"4294967295", (1 << 32) - 1),
            (b"4294967296", None),
            (b"99999999999", None),
            (b"000000000060", None),
            (b"", None),
            (b"x", None),
            (b"-1", None),
            (b" 1", None),
            (b"\xb2", None),
        ],
    )
    def test_eleven_digits_and_32_bits(self, digits, number):
        assert read_number(b"ab" + digits, 2) == number

    @pytest.mark.parametrize(
        ("header", "cseq"),
        [
            (b"CSeq: 7 INVITE", CSeq(7, 11)),
            (b"cseq:7\tINVITE", CSeq(7, 10)),
            (b"CSeq: 00000000007 INVITE", CSeq(7, 21)),
            (b"CSeq: 7", CSeq(7, 11)),
            (b"CSeq: x", None),
            (b"CSeq: 4294967296 INVITE", None),
            (b"Sequence: 7", None),
        ],
    )
    def test_the_number_of_a_request_and_its_method(self, header, cseq):
        assert read_cseq(b"x\r\n" + header) == cseq

    @pytest.mark.parametrize(
        ("header", "seconds"), [(b"Expires: 60", 60), (b"Expires: x", 0), (b"Via: x", 0)]
    )
    def test_the_lifetime_of_all_contacts(self, header, seconds):
        assert read_expires(b"x\r\n" + header) == seconds


def contacts(text, family=4):
    return list(read_contacts(b"x\r\n" + text + b"\r\n", family))


class TestContacts:
    @pytest.mark.parametrize(
        ("text", "port"),
        [
            (b"sip:ann@10.0.1.2:5070", 5070),
            (b"<sip:ann@10.0.1.2:5070>", 5070),
            (b"<sip:ann@10.0.1.2>", 5060),
            (b"<SIP:10.0.1.2>", 5060),
            (b'"Ann" <sip:ann@10.0.1.2:5070>', 5070),
            (b"<sip:a:b@10.0.1.2:1024>", 1024),
            (b"<sip:ann@010.000.01.2:65535>", 65535),
            (b"<sip:ann@10.0.1.2:05070>", 5070),
            (b"<sip:ann\r\n @10.0.1.2>", None),
            (b"<sip:a@b@10.0.1.2>", None),
            (b"<sip: ann@10.0.1.2>", 5060),
        ],
    )
    def test_where_somebody_can_be_reached(self, text, port):
        found = [(each.address, each.port) for each in contacts(b"Contact: " + text)]
        assert found == ([] if port is None else [(HERE, port)])

    @pytest.mark.parametrize(
        "text",
        [
            b"*",
            b"<tel:1>",
            b"<sips:ann@10.0.1.2>",
            b"<sip:ann@example.org>",
            b"<sip:ann@10.0.1.256>",
            b"<sip:ann@10.0.1>",
            b"<sip:ann@10.0.1.2.3>",
            b"<sip:ann@[10.0.1.2]>",
            b"<sip:ann@10.0.1.2:1023>",
            b"<sip:ann@10.0.1.2:65536>",
            b"<sip:ann@10.0.1.2:005070>",
            b"<sip:ann@10.0.1.2:>",
            b"<sip:ann@10.0.1.2:x>",
        ],
    )
    def test_these_have_no_address(self, text):
        assert contacts(b"Contact: " + text) == []

    def test_something_must_follow(self):
        assert list(read_contacts(b"x\r\nm: sip:10.0.1.2", 4)) == []
        assert list(read_contacts(b"x\r\nm: sip:10.0.1.2:5070", 4)) == []
        assert len(list(read_contacts(b"x\r\nm: sip:10.0.1.2:5070\r", 4))) == 1

    def test_parameters_end_at_the_next_contact(self):
        first, second = contacts(b"m: " + ANN + b";Q=1," + ANN + b";expires=6")
        assert (first.parameters, second.parameters) == (b">;q=1", b">;expires=6\n")

    def test_a_comma_at_the_very_end_separates_nothing(self):
        (at_end,) = read_contacts(b"x\r\nm: " + ANN + b";expires=,", 4)
        assert (at_end.parameters, at_end.lifetime(99)) == (b">;expires=,", None)
        assert contacts(b"m: " + ANN + b";expires=,")[0].lifetime(99) == 99

    def test_several_headers_and_several_in_one(self):
        text = b"m: <sip:10.0.1.2:2001>, <sip:10.0.1.2:2002>\r\nContact: <sip:10.0.1.2:2003>"
        assert [each.port for each in contacts(text)] == [2001, 2002, 2003]

    def test_what_has_no_address_hides_what_follows_in_its_header_only_at_its_beginning(self):
        good, bad = b"<sip:a@10.0.1.2:2001>", b"<sip:ann@home>"
        assert contacts(b"m: " + bad + b"," + good) == []
        assert len(contacts(b"m: " + good + b"," + bad + b"," + good)) == 2
        assert len(contacts(b"m: " + bad + b"\r\nm: " + good)) == 1
        assert len(contacts(b"m: *\r\nm: " + good)) == 1

    def test_a_continued_line_loses_its_first_octet(self):
        assert contacts(b"m: x\r\n <sip:10.0.1.2>") == contacts(b"m: sip:10.0.1.2>")
        assert contacts(b"m: x\r\n sip:10.0.1.2>") == []
        assert contacts(b"m: sip:10.0.1.2\r\n ;expires=60")[0].lifetime(0) == 60

    def test_a_user_stands_on_the_first_line(self):
        (found,) = contacts(b"m: <sip:10.0.1.2;a\r\n xb@10.0.9.9>")
        assert found.address == HERE
        (found,) = contacts(b"m: <sip:10.0.1.2;a b@10.0.9.9>")
        assert found.address == packed("10.0.9.9")

    def test_over_ipv6_between_brackets(self):
        found = Contact(packed(CLIENT6), 5070, b">\n")
        assert contacts(b"m: <sip:ann@[fd00:1::2]:5070>", 6) == [found]
        for host in (
            b"fd00:1::2",
            b"[fd00:1::2",
            b"[fd00:1::2>]",
            b"[]",
            b"10.0.1.2",
            b"(fd00:1::2]",
        ):
            assert contacts(b"m: <sip:ann@" + host + b":5070>", 6) == []

    @pytest.mark.parametrize(
        ("parameters", "tcp", "udp"),
        [
            (b">;expires=6", True, True),
            (b";transport=tcp>", True, False),
            (b";transport=udp", False, True),
            (b";transport=", True, True),
            (b";transport= tcp", False, False),
            (b";transport=tcpx", True, False),
        ],
    )
    def test_the_transport_it_asks_for(self, parameters, tcp, udp):
        contact = Contact(HERE, 5060, parameters)
        assert (contact.may_use(b"tcp"), contact.may_use(b"udp")) == (tcp, udp)

    @pytest.mark.parametrize(
        ("parameters", "lifetime"),
        [
            (b">", 99),
            (b";expires=", 99),
            (b";expires=60", 60),
            (b";q=1;expires=0>", 0),
            (b";expires=x", None),
            (b";expires=4294967296", None),
            (b";expires =60", 99),
        ],
    )
    def test_how_long_it_holds(self, parameters, lifetime):
        assert Contact(HERE, 5060, parameters).lifetime(99) == lifetime

    @pytest.mark.parametrize("number", [30, 300, 3000])
    def test_headers_inside_headers_are_read_in_linear_time(self, monkeypatch, number):
        octets, read = b"\n \nm: <sip:ann@home>" * number, []
        line_at = sip_message._line_at

        def counting(message, at):
            read.append(len(line_at(message, at)))
            return line_at(message, at)

        monkeypatch.setattr(sip_message, "_line_at", counting)
        list(read_contacts(octets, 4))
        assert len(octets) < sum(read) <= (sip_message.OVERLAPPING + 1) * len(octets)

    def test_headers_inside_headers_are_read_up_to_a_bound(self):
        nested = b"x" + b"\n \nm: <sip:10.0.1.2>" * 400
        assert 5 < len(list(read_contacts(nested, 4))) < 20


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            ("10.0.1.2", 8),
            ("010.000.001.00002", 17),
            ("10.0.1.2/24", 8),
            ("10.0.1.2x", 8),
            ("10.0.1.2a", None),
            ("10.0.1.2.", None),
            ("10.0.1.2.3", None),
            ("10.0.1", None),
            ("10.0.1.1002", None),
            ("10.0.1.258", None),
            (".10.0.1.2", None),
            ("", None),
        ],
    )
    def test_ipv4(self, text, end):
        expected = None if end is None else (HERE, end)
        assert read_address(text.encode(), 0, 4) == expected
        assert read_address(b"xy" + text.encode(), 2, 4) == (expected and (HERE, end + 2))

    def test_255_is_the_most(self):
        assert read_address(b"255.255.255.255", 0, 4) == (b"\xff" * 4, 15)
        assert read_address(b"255.255.255.256", 0, 4) is None

    @pytest.mark.parametrize(
        ("text", "end"),
        [
            ("fd00:1::2", 9),
            ("FD00:1::2]", 9),
            ("fd00:1:0:0:0:0:0:2", 18),
            ("0fd00:0001::02", 14),
            ("fd00:00001::00002", 17),
            ("fd00:1::0:2/64", 11),
            ("fd00:1::0.0.0.2", 15),
            ("fd00:1::2%1", 9),
            ("fd00:1::2:", None),
            (":fd00:1::2", None),
            ("fd00:1::0.0.2", None),
            ("fd00:1::0.0.0.256", None),
            ("fd00::1::2", None),
            ("fd00:1:2", None),
            ("10.0.1.2", None),
            ("", None),
        ],
    )
    def test_ipv6(self, text, end):
        expected = None if end is None else (packed(CLIENT6), end)
        assert read_address(text.encode(), 0, 6) == expected

    @pytest.mark.parametrize("text", ["::", "::1", "1::", "::ffff:10.0.1.2"])
    def test_ipv6_with_zeros_left_out(self, text):
        assert read_address(text.encode(), 0, 6) == (packed(text), len(text))


class TestSegments:
    ONE = b"ACK sip:bob\r\nl: 3\r\n\r\nabc"

    def test_content_length_says_where_a_message_ends(self):
        assert list(split_messages(self.ONE)) == [self.ONE]
        assert list(split_messages(self.ONE * 3)) == [self.ONE] * 3

    @pytest.mark.parametrize(
        "rest",
        [b"ab", b"ACK sip:b\r\nl: 0", b"ACK sip:bob\r\n\r\n", b"ACK sip:bob\r\nl: x\r\n\r\n"],
    )
    def test_what_is_not_whole_is_not_read(self, rest):
        assert list(split_messages(self.ONE + rest)) == [self.ONE]
        assert list(split_messages(rest + b"z" * 20)) == []

    @pytest.mark.parametrize(("length", "count"), [(b"0", 1), (b"3", 1), (b"4", 0)])
    def test_all_of_the_body_must_be_there(self, length, count):
        segment = self.ONE.replace(b"l: 3", b"l: " + length)
        assert len(list(split_messages(segment))) == count

    def test_below_eleven_octets_is_no_message(self):
        assert list(split_messages(b"A\nl:0\r\n\r\n")) == []
        assert list(split_messages(b"AB\nl:0\r\n\r\n")) == []
        assert list(split_messages(self.ONE + b"A\nl:0\r\n\r\n")) == [self.ONE]
        assert list(split_messages(b"ABC\nl:0\r\n\r\n")) == [b"ABC\nl:0\r\n\r\n"]
