"""Data types read what nft 1.0.6 reads and show what it shows: its answers, written down here."""

from __future__ import annotations

import calendar
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.words.datatypes import TYPES, interface_pattern
from statefulinspect.rules.words.services import INET_SERVICE, NAMES

SECOND = 1_000_000_000
SYMBOLIC = [(name, word) for name, each in TYPES.items() for word in each.symbols]
PLAIN = [name for name, each in TYPES.items() if each.bits and type(each).__name__ == "DataType"]
BITMASKS = [name for name, each in TYPES.items() if each.is_bitmask]

# type, word, value, as nft prints it
EXAMPLES = """
    nf_proto      ipv4                 2                     ipv4
    nf_proto      7                    7                     7
    ether_type    vlan                 0x8100                8021q
    ether_type    5                    5                     0x0005
    ether_type    0x88cc               0x88cc                0x88cc
    arp_op        0x8                  8                     inrequest
    arp_op        5                    5                     5
    inet_proto    icmpv6               58                    ipv6-icmp
    inet_proto    UDP                  17                    udp
    inet_proto    4                    4                     ipencap
    inet_proto    94                   94                    ipip
    inet_proto    200                  200                   200
    inet_service  ssh                  22                    22
    inet_service  imap                 143                   143
    inet_service  0x50                 80                    80
    inet_service  0X50                 80                    80
    inet_service  010                  8                     8
    inet_service  08                   8                     8
    inet_service  "domain"             53                    53
    ipv4_addr     1.2.3.4              0x01020304            1.2.3.4
    ipv4_addr     010.1.1.1            0x08010101            8.1.1.1
    ipv4_addr     16909060             0x01020304            1.2.3.4
    ipv6_addr     ::                   0                     ::
    ipv6_addr     ::1                  1                     ::1
    ipv6_addr     [::1]                1                     ::1
    ipv6_addr     ::1:2                0x10002               ::0.1.0.2
    ipv6_addr     ::ffff:1.2.3.4       0xffff01020304        ::ffff:1.2.3.4
    ipv6_addr     2001:DB8::           0x20010db8<<96        2001:db8::
    ipv6_addr     1:0:0:2:0:0:0:3      (1<<112)+(2<<64)+3    1:0:0:2::3
    ether_addr    aa:bb:CC:dd:ee:ff    0xaabbccddeeff        aa:bb:cc:dd:ee:ff
    ether_addr    0:1:2:3:4:5          0x102030405           00:01:02:03:04:05
    ether_addr    aa-bb-cc-dd-ee-ff    0xaabbccddeeff        aa:bb:cc:dd:ee:ff
    ether_addr    10                   0x10                  00:00:00:00:00:10
    icmp_type     8                    8                     echo-request
    icmp_type     7                    7                     7
    icmp_code     3                    3                     port-unreachable
    icmpv6_type   mld-listener-reduction  132                mld-listener-done
    icmpv6_code   4                    4                     port-unreachable
    icmpx_code    1                    1                     port-unreachable
    igmp_type     23                   23                    leave-group
    mh_type       3                    3                     home-test
    dscp          be                   0                     cs0
    dscp          2                    2                     0x02
    ecn           2                    2                     ect0
    dccp_pkttype  10                   10                    10
    fib_addrtype  2                    2                     local
    boolean       exists               1                     exists
    boolean       0                    0                     missing
    mark          10                   10                    0x0000000a
    pkt_type      unicast              0                     host
    pkt_type      4                    4                     4
    iface_type    772                  772                   loopback
    uid           root                 0                     0
    gid           1000                 1000                  1000
    realm         0                    0                     "cosmos"
    realm         0x10                 16                    16
    devgroup      default              0                     "default"
    classid       1:2                  0x10002               1:2
    classid       abcd:1               0xabcd0001            abcd:1
    classid       ffff:ffff            0xffffffff            root
    classid       0                    0                     none
    ct_dir        1                    1                     reply
    ct_state      new,established      10                    established,new
    ct_state      24                   24                    new,0x10
    ct_state      0                    0                     0x0
    ct_status     0x30                 0x30                  snat,dnat
    ct_event      5                    5                     new,destroy
    tcp_flag      ack,syn              0x12                  syn,ack
    bitmask       3                    3                     0x3
    ct_label      5                    1<<5                  5
    ct_label      127                  1<<127                127
    ct_label      1,0x2                6                     1,2
    day           "Saturday"           6                     "Saturday"
    day           0                    0                     "Sunday"
    hour          17:00                61200                 "17:00"
    hour          "7:5"                25500                 "07:05"
    hour          17:00:30             61230                 "17:00:30"
    hour          61201                61201                 "17:00:01"
    hour          1h                   3600                  "01:00"
    time          30                   30_000                30s
    time          90s                  90_000                1m30s
    time          1d2h3m4s             93_784_000            1d2h3m4s
    time          1s500ms              1500                  1s500ms
    time          48h30m               174_600_000           2d30m
    time          0                    0                     0s
    instant       "2020-06-06"         1591401600*SECOND     "2020-06-06_00:00:00"
    instant       2020-06-06_17:00     1591462800*SECOND     "2020-06-06_17:00:00"
    instant       2020-6-6_7:00:30     1591426830*SECOND     "2020-06-06_07:00:30"
    instant       1591462800           1591462800*SECOND     "2020-06-06_17:00:00"
    instant       2554-07-21_23:34:33  18446744073*SECOND    "2554-07-21_23:34:33"
    ifname        "eth*"               "eth*"                "eth*"
    ifname        5                    "5"                   "5"
    ifname        "01"                 "01"                  "01"
    ifname        fifteencharsxyz      "fifteencharsxyz"     "fifteencharsxyz"
    iface_index   "lo"                 "lo"                  "lo"
    iface_index   1                    "lo"                  "lo"
    iface_index   eth0.100             "eth0.100"            "eth0.100"
    iface_index   0                    ""                    0
    iface_index   7                    "/7"                  7
    string        ftp                  "ftp"                 "ftp"
    cgroup        5                    5                     5
    integer       99999                99999                 99999
"""
ROWS = [row.split() for row in EXAMPLES.strip().splitlines()]

REFUSED = """
    inet_service  65536            inet_service  nosuch         inet_service  SSH
    inet_service  -1               inet_service  +5             inet_service  0o10
    inet_service  5_0              inet_service  ٣              ipv4_addr     4294967296
    dscp          64               dscp          AF11           ecn           4
    ipv4_addr     1.2.3            ipv4_addr     1.2.3.256      ipv4_addr     0x0a.1.1.1
    ipv4_addr     ::1              ipv4_addr     1.2.3.4.5      ipv4_addr     localhost
    ipv6_addr     1                ipv6_addr     0x10           ipv6_addr     fe80::1%lo
    ipv6_addr     1::2::3          ether_addr    aa:bb:cc       ether_addr    0xaabbccddeeff
    ether_addr    aa:bb-cc:dd:ee:ff                             ether_addr    256
    ether_type    65536            ether_type    IP             nf_proto      256
    inet_proto    256              inet_proto    Tcp            inet_proto    nonsense
    icmp_type     256              icmpv6_type   mldv2-listener-report
    tcp_flag      0x100            tcp_flag      SYN            tcp_flag      syn,,ack
    ct_state      NEW              ct_state      bogus          ct_label      128
    ct_label      0x80             ct_label      foo            ct_label      1,
    mark          0x100000000      mark          -1             mark          foo
    uid           4294967296       uid           nosuchuser     classid       1:10000
    classid       1:               classid       :5             classid       1:0x2
    day           7                day           saturday       day           Sat
    hour          24:00            hour          17:60          hour          86400
    time          1m1h             time          1w             time          50d
    time          4294968          time          s              iface_index   4294967296
    time          000000001s       time          1s100000000ms
    instant       30s              instant       2020-02-30     instant       2020-13-01
    instant       1969-12-31       instant       2020-06-06_24:00
    instant       18446744074      instant       2020-06-06_17:60
    ifname        ""               ifname        "*"            ifname        sixteencharsxyz1
    ifname        a"b              iface_index   eth*           iface_index   ""
    dccp_pkttype  16               boolean       2              verdict       accept
"""
REFUSED_PAIRS = list(zip(REFUSED.split()[::2], REFUSED.split()[1::2]))


def spaced(word: str) -> str:
    """Rows end words at spaces, so a date is joined with `_` there."""
    return word.replace("_", " ") if word.count("-") == 2 else word


@pytest.mark.parametrize(("name", "word", "value", "shown"), ROWS)
def test_examples(name, word, value, shown):
    expected = eval(value, {"SECOND": SECOND})  # rows hold arithmetic
    assert TYPES[name].read(spaced(word)) == expected
    assert TYPES[name].show(expected) == spaced(shown)


@pytest.mark.parametrize(("name", "word"), REFUSED_PAIRS)
def test_refused(name, word):
    with pytest.raises(RuleError, match=f"^{name} '"):
        TYPES[name].read(spaced(word))


@pytest.mark.parametrize(("name", "word"), SYMBOLIC)
def test_symbols_read_and_show(name, word):
    kind = TYPES[name]
    value = kind.read(word)
    assert value == kind.symbols[word]
    assert kind.read(kind.show(value)) == value
    assert kind.read(f'"{word}"') == value


@pytest.mark.parametrize("name", [*PLAIN, "classid", "ipv4_addr"])
@given(data=st.data())
def test_numbers_read_back(name, data):
    kind = TYPES[name]
    top = (1 << kind.bits) - 1 if kind.highest is None else kind.highest
    value = data.draw(st.integers(0, top))
    assert kind.read(value) == kind.read(hex(value)) == kind.read(kind.show(value)) == value
    with pytest.raises(RuleError):
        kind.read(data.draw(st.integers(top + 1, top << 70)))


@pytest.mark.parametrize("name", BITMASKS)
@given(data=st.data())
def test_bitmasks_read_back(name, data):
    kind = TYPES[name]
    value = data.draw(st.integers(name == "ct_label", (1 << (kind.bits or 8)) - 1))
    assert kind.read(kind.show(value)) == value


@given(st.integers(0, (1 << 128) - 1) | st.integers(0, (1 << 49) - 1))
def test_ipv6_addresses_read_back(value):
    shown = TYPES["ipv6_addr"].show(value)
    assert TYPES["ipv6_addr"].read(shown) == value == int(ipaddress.IPv6Address(shown))


@given(st.integers(0, (1 << 48) - 1))
def test_ethernet_addresses_read_back(value):
    assert TYPES["ether_addr"].read(TYPES["ether_addr"].show(value)) == value


@given(st.integers(0, (1 << 32) - 1))
def test_durations_read_back(value):
    assert TYPES["time"].read(TYPES["time"].show(value)) == value


@given(st.integers(0, 86399))
def test_hours_read_back(value):
    assert TYPES["hour"].read(TYPES["hour"].show(value)) == TYPES["hour"].read(value) == value


@given(st.integers(0, (1 << 64) // SECOND - 1))
def test_instants_are_utc_and_read_back(seconds):
    shown = TYPES["instant"].show(seconds * SECOND + 5)
    assert TYPES["instant"].read(shown) == seconds * SECOND
    fields = shown.strip('"').replace("-", " ").replace(":", " ").split()
    assert calendar.timegm(tuple(map(int, fields))) == seconds


@pytest.mark.parametrize(
    ("days", "date"),
    [
        (-1, "1969-12-31"),
        (-366, "1968-12-31"),
        (-146_097, "1570-01-01"),
        (146_097 * 10**6, "400001970-01-01"),
        (146_097 * 10**298, f"4{'0' * 296}1970-01-01"),
    ],
    ids=["a day before 1970", "1968", "1570", "late", "as late as can be"],
)
def test_a_trace_may_show_any_instant(days, date):
    """A tracker takes whatever time it is told; 400 years have 146,097 days."""
    seconds = days * 86_400
    assert TYPES["instant"].show(seconds * SECOND) == f'"{date} 00:00:00"'


def _is_name(text):
    return '"' not in text and text != "*" and len(text.encode()) <= 15


@given(st.text(min_size=1, max_size=15).filter(_is_name))
def test_names_read_back(text):
    value = TYPES["ifname"].read(f'"{text}"')
    assert TYPES["ifname"].read(TYPES["ifname"].show(value)) == value


@given(st.sampled_from(sorted(TYPES)), st.text() | st.integers())
def test_words_are_read_or_refused(name, word):
    try:
        value = TYPES[name].read(word)
    except RuleError as error:
        assert str(error).startswith(f"{name} {word!r}: expected ")  # noqa: PT017 - it may be read
    else:
        assert isinstance(value, (int, str))


def test_the_selector_may_tell_the_width():
    assert TYPES["integer"].read("4095", 12) == 4095
    with pytest.raises(RuleError, match=r"^integer '4096': expected 0 to 4095$"):
        TYPES["integer"].read("4096", 12)
    assert TYPES["boolean"].read("2", 8) == 2  # meta ipsec is 8 bits wide
    assert TYPES["boolean"].show(2) == "2"
    assert TYPES["time"].read("50d", 64) == 50 * 86_400_000  # as timeouts of sets are


def test_no_label_at_all_has_no_number():
    assert TYPES["ct_label"].show(0) == "0x0"


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("ct_dir", "x", "ct_dir 'x': expected 0 to 255 or one of original, reply"),
        ("day", "7", "day '7': expected 0 to 6 or one of Sunday, Monday, Tuesday, Wednesday, "
                     "Thursday, Friday, Saturday"),
        ("inet_service", "htttp", "inet_service 'htttp': expected 0 to 65535 or a name like http, "
                                  "https"),
        ("inet_service", "%", "inet_service '%': expected 0 to 65535 or a name like tcpmux, echo"),
        ("mark", "x", "mark 'x': expected 0 to 4294967295"),
        ("integer", "x", "integer 'x': expected a number"),
        ("ipv4_addr", "host", "ipv4_addr 'host': expected an IPv4 address"),
        ("classid", "x", "classid 'x': expected a handle like 1:ff, a number up to 0xffffffff or "
                         "one of none, root"),
        ("ct_label", "x", "ct_label 'x': expected the number of a label, 0 to 127"),
        ("ifname", '""', "ifname '\"\"': expected 1 to 15 octets, not only a *"),
        ("string", "", "string '': expected some text"),
        ("iface_index", "eth*", "iface_index 'eth*': expected the name of an interface"),
        ("verdict", "x", "verdict 'x': expected a verdict, like accept"),
    ],
)  # fmt: skip
def test_errors_say_what_is_expected(name, word, message):
    with pytest.raises(RuleError) as caught:
        TYPES[name].read(word)
    assert str(caught.value).startswith(message)


def test_errors_of_numbers():
    with pytest.raises(RuleError, match=r"^dscp 64: expected 0 to 63 or one of cs0, cs1, "):
        TYPES["dscp"].read(64)
    with pytest.raises(RuleError):
        TYPES["mark"].read("9" * 10_000)


def test_wildcards_of_interface_names():
    assert interface_pattern("eth*") == ("eth", True)
    assert interface_pattern(r"eth\*") == ("eth*", False)
    assert interface_pattern("eth0") == ("eth0", False)


def test_well_known_services():
    wanted = {"ssh": 22, "ntp": 123, "bootps": 67, "tftp": 69, "snmp": 161, "ldap": 389,
              "imaps": 993, "submission": 587, "sip": 5060, "rpcbind": 111, "sunrpc": 111,
              "microsoft-ds": 445, "netbios-ns": 137, "mdns": 5353, "ms-sql-s": 1433,
              "mysql": 3306, "postgresql": 5432, "redis": 6379, "kerberos": 88, "ipp": 631,
              "syslog": 514, "isakmp": 500, "openvpn": 1194}  # fmt: skip
    assert {name: INET_SERVICE[name] for name in wanted} == wanted
    assert all(0 < port < 65536 for port in INET_SERVICE.values())


def test_no_name_is_written_twice():
    assert sum(len(names.split()) for names in NAMES.values()) == len(INET_SERVICE)
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.parametrize("name", ["dscp", "pkt_type", "icmpv6_type", "ether_type", "inet_proto"])
def test_the_first_of_several_names_is_printed(name):
    first = {}
    for word, number in TYPES[name].symbols.items():
        first.setdefault(number, word)
    assert {number: TYPES[name].show(number) for number in first} == first
