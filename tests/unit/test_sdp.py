"""SDP: which media a description offers, where, and which lines hide others."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, packed
from statefulinspect.helpers.sdp import Medium, read_media

HERE, THERE = packed(CLIENT), packed(SERVER)
CALL = (
    "INVITE sip:bob@10.0.2.2 SIP/2.0\r\n\r\n"
    "v=0\r\no=- 1 1 IN IP4 10.0.9.9\r\ns=-\r\nc=IN IP4 10.0.1.2\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
AUDIO = Medium("audio", 4000, HERE)


def media(text, family=4):
    return read_media(text.encode("latin-1"), family)


def test_a_call_offers_audio():
    assert media(CALL) == [AUDIO]


@pytest.mark.parametrize("kind", ["audio", "video", "image"])
def test_three_kinds_count(kind):
    assert media(CALL.replace("audio", kind)) == [Medium(kind, 4000, HERE)]


@pytest.mark.parametrize("kind", ["text", "application", "AUDIO", "audiox", ""])
def test_others_are_passed_over(kind):
    assert media(CALL.replace("audio", kind)) == []
    assert media(CALL.replace("audio", kind) + "m=video 5000 x\r\n") == [
        Medium("video", 5000, HERE)
    ]


@pytest.mark.parametrize("line", ["m=audio", "m=au-dio 5000", "m=audio\t5000", "m=\r\n", "m=1 5"])
def test_a_line_whose_first_word_is_followed_by_no_space_ends_the_description(line):
    assert media(f"{CALL}{line}\r\nm=video 5000 x\r\n") == [AUDIO]


@pytest.mark.parametrize(
    "line", ["m=audio 0", "m=audio x", "m=audio ", "m=audio  5000", "M=text 5"]
)
def test_what_is_not_wanted_or_has_no_port_is_passed_over(line):
    video = Medium("video", 5000, HERE)
    assert media(f"{CALL}{line}\r\nm=video 5000 x\r\n") == [AUDIO, video]


@pytest.mark.parametrize("port", [1, 80, 65536, 4294967295])
def test_ports_are_given_as_they_stand_there(port):
    assert media(CALL.replace("4000", str(port)))[0].port == port


def test_three_are_read():
    lines = [f"m=audio {port} x\r\n" for port in (0, 5000, 5002, 5004)]
    assert [each.port for each in media(CALL + "".join(lines))] == [4000, 5000, 5002]


class TestAddresses:
    def test_a_medium_has_its_own_or_that_of_all(self):
        text = CALL + "c=IN IP4 10.0.2.2\r\nm=video 5000 x\r\n"
        assert media(text) == [Medium("audio", 4000, THERE), Medium("video", 5000, HERE)]

    def test_one_behind_the_next_medium_is_that_mediums(self):
        text = CALL.replace("c=IN IP4 10.0.1.2\r\n", "") + "m=video 5000 x\r\nc=IN IP4 10.0.1.2\r\n"
        assert media(text) == [Medium("audio", 4000, None), Medium("video", 5000, HERE)]

    @pytest.mark.parametrize(
        "line",
        ["c=IN IP4 host", "c=IN IP6 fd00:1::2", "c=in ip4 10.0.1.2", "c=IN  IP4 10.0.1.2",
         "c=IN IP4  10.0.1.2", "C =IN IP4 10.0.1.2", " c=IN IP4 10.0.1.2", "c=",
         "c=IN IP4\r\n 10.0.1.2"],
    )  # fmt: skip
    def test_these_lines_give_none(self, line):
        assert media(CALL.replace("c=IN IP4 10.0.1.2", line)) == [Medium("audio", 4000, None)]

    @pytest.mark.parametrize(
        "line",
        ["C=IN IP4 10.0.1.2", "c=IN IP4 10.0.1.2/127", "c=x IN IP4 10.0.1.2", "c=IN IP4 010.0.1.2"],
    )
    def test_these_do(self, line):
        assert media(CALL.replace("c=IN IP4 10.0.1.2", line)) == [AUDIO]

    def test_the_first_line_decides_even_if_it_cannot_be_read(self):
        good, bad = "c=IN IP4 10.0.1.2\r\n", "c=IN IP4 host\r\n"
        assert media(CALL.replace(good, bad + good)) == [Medium("audio", 4000, None)]
        assert media(CALL.replace(good, good + bad)) == [AUDIO]
        assert media(CALL + bad) == [AUDIO]

    def test_one_before_the_description_does_not_count(self):
        good = "c=IN IP4 10.0.1.2\r\n"
        assert media(CALL.replace(good, "").replace("v=0", good + "v=0")) == [
            Medium("audio", 4000, None)
        ]

    @pytest.mark.parametrize("connection", ["c=host", "d="])
    @pytest.mark.parametrize("before", ["xxxxxx", "xxxxxxx"])
    def test_addresses_elsewhere_do_not_count(self, before, connection):
        text = f"{before}10.0.1.2 {CALL.replace('c=IN IP4 10.0.1.2', connection)}"
        assert media(text) == [Medium("audio", 4000, None)]

    def test_over_ipv6(self):
        text = CALL.replace("IP4 10.0.1.2", "IP6 fd00:1::2")
        assert media(text, 6) == [Medium("audio", 4000, packed(CLIENT6))]
        assert media(text, 4) == [Medium("audio", 4000, None)]
        assert media(CALL, 6) == [Medium("audio", 4000, None)]


@pytest.mark.parametrize("begin", ["v=1", "V=0", "v=9x"])
def test_a_description_begins_with_a_version(begin):
    assert media(CALL.replace("v=0", begin)) == [AUDIO]


def test_it_may_stand_at_the_very_beginning():
    assert media(CALL[CALL.index("\nv=0") :]) == [AUDIO]


@pytest.mark.parametrize("begin", ["v=", "v=x", "v= 0", "w=0", "x\r\n v=0"])
def test_without_one_there_is_none(begin):
    assert media(CALL.replace("v=0", begin)) == []


def test_media_before_the_version_do_not_count():
    assert media(CALL.replace("v=0", "m=video 5000 x\r\nv=0")) == [AUDIO]
    assert media(CALL.replace("m=audio 4000 RTP/AVP 0\r\n", "")) == []
