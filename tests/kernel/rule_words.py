"""What a rule can look at, and words of each type for and against it, after nft(8).

A selector stands under its kind; each kind has three good words in rising order, one that is
too large, one of another type, and what it is masked with.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """Words for a kind of selector; `many` has more good ones, each tried alone."""

    first: str
    second: str
    third: str
    large: str
    wrong: str
    many: tuple[str, ...] = ()
    length: int = 0  # of a prefix


WORDS = {
    "one": Words("0", "1", "1", "2", "ssh"),
    "two": Words("1", "2", "3", "4", "ssh"),
    "three": Words("1", "2", "7", "8", "ssh"),
    "nibble": Words("1", "5", "15", "16", "ssh", ("0xf", "0x10", "017")),
    "five": Words("1", "5", "31", "32", "ssh"),
    "octet": Words("1", "5", "255", "256", "ssh", ("0x0a", "010", "0"), 4),
    "dscp": Words("cs1", "af21", "ef", "64", "cs8", ("0x20", "cs0", "lephb", "46", "be", "va"), 3),
    "ecn": Words("ect1", "ect0", "ce", "4", "ect2", ("not-ect", "0", "3")),
    "thirteen": Words("1", "5", "8191", "8192", "ssh"),
    "short": Words("1", "5", "65535", "65536", "ssh", ("0xffff", "0", "1.2.3.4", '"5"'), 8),
    "twenty": Words("1", "5", "1048575", "1048576", "ssh"),
    "long": Words("1", "5", "4294967295", "4294967296", "ssh", ("0xffffffff", "0"), 24),
    "huge": Words("1", "5", "18446744073709551615", "18446744073709551616", "ssh", ("500",)),
    "protocol": Words("icmp", "tcp", "udp", "256", "tpc", ("6", "47", "255", "gre", "ipv6-icmp",
        "vrrp", "esp", "ah", "comp", "dccp", "sctp", "udplite", "igmp", "icmpv6", "ospf", "TCP")),
    "port": Words("22", "80", "443", "65536", "ssh2", ("ssh", "domain", "0", "0x16", "https",
        "http-alt", "ftp-data", "65535", '"ssh"', "x11", "ircd", "1.2"), 8),
    "ipv4": Words("10.0.0.1", "10.0.0.5", "192.168.1.1", "10.0.0.256", "::1", ("0.0.0.0",
        "255.255.255.255", "1", "0x0a000001", "10.0.1", "10.0.0.0/0", "10.0.0.0/33",
        "10.0.0.7/24", "10.0.0.0/32", "10.0.0.1/24-10.0.0.9"), 24),
    "ipv6": Words("2001:db8::1", "2001:db8::5", "fe80::1", "1::2::3", "10.0.0.1", ("::",
        "::ffff:10.0.0.1", "2001:DB8::A", "::/0", "::1/129", "2001:db8::5/64", "1:2:3:4:5:6:7:8",
        "::1/128", "2001:db8:0:0:1:0:0:1"), 64),
    "tcp_flag": Words("fin", "syn", "ack", "256", "sny", ("0x12", "syn,ack", "fin | syn", "0",
        "urg", "psh", "rst", "ecn", "cwr", "syn / syn,ack", "fin,syn / fin,syn,rst,ack", "255")),
    "packet_type": Words("request", "response", "ack", "16", "sny", ("data", "dataack", "closereq",
        "close", "reset", "sync", "syncack", "7")),
    "icmp_type": Words("echo-reply", "echo-request", "timestamp-reply", "256", "nd-redirect",
        ("destination-unreachable", "source-quench", "redirect", "time-exceeded", "42",
         "parameter-problem", "info-request", "router-advertisement", "address-mask-reply")),
    "icmp_code": Words("net-unreachable", "host-unreachable", "host-prohibited", "256",
        "no-route", ("prot-unreachable", "port-unreachable", "frag-needed", "admin-prohibited",
        "net-prohibited", "7")),
    "icmpv6_type": Words("destination-unreachable", "echo-request", "nd-redirect", "256",
        "redirect", ("packet-too-big", "nd-neighbor-solicit", "mld-listener-query",
        "mld2-listener-report", "router-renumbering",
        "ind-neighbor-advert", "mld-listener-reduction", "mld-listener-done", "135")),
    "icmpv6_code": Words("no-route", "admin-prohibited", "addr-unreachable", "256",
        "net-unreachable", ("port-unreachable", "policy-fail", "reject-route", "3")),
    "igmp_type": Words("membership-query", "membership-report-v1", "leave-group", "256",
        "echo-request",
        ("membership-report-v2", "membership-report-v3", "0x11", "17")),
    "mh_type": Words("binding-refresh-request", "binding-update", "handover-acknowledge",
        "256", "echo-request", ("home-test-init", "experimental-mobility-header", "6",
        "binding-error", "home-agent-switch-message")),
    "ether_type": Words("ip", "arp", "ip6", "65536", "ipx", ("vlan", "8021q", "8021ad", "0x800")),
    "state": Words("established", "related", "new", "4294967296", "nwe", ("invalid", "untracked",
        "8", "new,established", "established | new", "0", "! new", "! new,established", "0x40",
        "established,related / established,related,new")),
    "status": Words("expected", "seen-reply", "assured", "4294967296", "asured", ("snat", "dnat",
        "confirmed", "dying", "snat,dnat", "! dnat", "256", "0", "assured | snat")),
    "direction": Words("original", "original", "reply", "256", "orignal", ("0", "1", "2")),
    "event": Words("new", "related", "destroy", "4294967296", "nwe", ("new,destroy",)),
    "label": Words("1", "5", "127", "128", "nolabel", ("0", "1,5", "1 | 5")),
    "duration": Words("1s", "1m30s", "1d2h", "4294968s", "ssh", ("5", "500ms", "0s", "1h", "90m",
        "60s", "24h", "4294967s", "1d1h1m1s", "30m1h", '"1h"', "1w", "100ms", "00000001s",
        "000000001s", "1s123456789ms")),
    "mark": Words("1", "0x5", "0xffffffff", "0x100000000", "ssh", ("010", "0", '"5"'), 24),
    "name": Words("eth0", '"eth1"', '"wlan0"', '"sixteen-letters-"', '""', ('"fifteen-letters"',
        '"eth*"', "eth*", '"*"', '"a b"', '"a/b"', "5", '"eth\\*"', "lo", "eth0.5", "tcp", "ip")),
    "index": Words("lo", '"lo"', "1", "4294967296", "nosuch", ("0", '"lo*"')),
    "link": Words("ether", "ppp", "loopback", "65536", "ethr", ("ipip", "ipip6", "sit", "ipgre",
        "768", "1")),
    "devgroup": Words("default", "5", "10", "4294967296", "nosuch", ("0", '"default"')),
    "realm": Words("default", "5", "10", "4294967296", "nosuch", ("0", '"default"')),
    "user": Words("root", "5", "1000", "4294967296", "nosuch", ("0", '"root"')),
    "classid": Words("1:1", "1:2", "1:ffff", "1:10000", "ssh", ("none", "root", "0", "1", ":1",
        "1:", "ffff:fff1", "0x10001")),
    "pkttype": Words("unicast", "multicast", "broadcast", "256", "anycast", ("host", "other", "0",
        "5")),
    "family": Words("ipv4", "ipv4", "ipv6", "256", "ip6", ("2", "10", "7", "ip")),
    "boolean": Words("missing", "exists", "exists", "2", "exist", ("0", "1", "true", "false")),
    "instant": Words('"2024-01-01"', '"2024-02-01 10:00"', '"2024-03-01 10:00:05"',
        '"2024-13-01 10:00"', "ssh", ("1704067200", '"2024-01-01 25:00"', '"2024-02-30"')),
    "day": Words('"Monday"', '"Tuesday"', '"Saturday"', "7", '"Funday"', ("0", "6", "Sunday",
        '"monday"', '"Mon"', "1")),
    "hour": Words('"09:00"', '"17:00"', '"18:00:05"', '"25:00"', '"ssh"', ('"00:00"', '"24:00"',
        '"9:05"', '"22:00"-"06:00"', "3600", '"00:00:00"', '"23:59:59"', "09:00")),
}  # fmt: skip

SELECTORS = {
    "one": ["frag more-fragments", "@th,0,1", "@nh,7,1"],
    "two": ["frag reserved2"],
    "three": ["gre version"],
    "five": ["gre flags", "@nh,3,5"],
    "nibble": ["ip version", "ip hdrlength", "ip6 version", "tcp doff", "tcp reserved",
        "tcp option mptcp subtype", "@nh,0,4"],
    "octet": ["ip ttl", "ip6 hoplimit", "igmp mrt", "ah hdrlength", "comp flags",
        "hbh hdrlength", "rt hdrlength", "rt type", "rt seg-left", "srh last-entry", "srh flags",
        "frag reserved", "dst hdrlength", "mh hdrlength", "mh reserved",
        "tcp option eol kind", "tcp option nop kind", "tcp option maxseg kind",
        "tcp option maxseg length", "tcp option window kind", "tcp option window count",
        "tcp option sack-perm kind", "tcp option sack kind", "tcp option sack length",
        "tcp option sack0 kind", "tcp option sack1 kind",
        "tcp option timestamp kind", "tcp option timestamp length", "tcp option fastopen kind",
        "tcp option mptcp length", "tcp option md5sig kind", "tcp option @5,8,8",
        "tcp option @2,0,8", "ip option lsrr type", "ip option lsrr length", "ip option rr ptr",
        "ip option ssrr ptr", "ip option ra length", "sctp chunk data type",
        "sctp chunk data flags", "sctp chunk abort flags", "@nh,64,8", "@th,104,8"],
    "dscp": ["ip dscp", "ip6 dscp"],
    "ecn": ["ip ecn", "ip6 ecn"],
    "thirteen": ["frag frag-off"],
    "short": ["ip length", "ip id", "ip frag-off", "ip checksum", "ip6 length", "tcp window",
        "tcp checksum", "tcp urgptr", "udp length", "udp checksum", "udplite csumcov",
        "udplite checksum", "icmp checksum", "icmp id", "icmp sequence",
        "icmp mtu", "icmpv6 checksum", "icmpv6 id", "icmpv6 sequence", "icmpv6 max-delay",
        "igmp checksum", "ah reserved", "comp cpi", "srh tag", "mh checksum",
        "tcp option maxseg size", "tcp option mss size", "ip option ra value",
        "sctp chunk data length", "sctp chunk data stream", "sctp chunk data ssn",
        "sctp chunk init num-outbound-streams", "sctp chunk init-ack num-inbound-streams",
        "sctp chunk sack num-gap-ack-blocks", "sctp chunk sack num-dup-tsns", "ct zone",
        "ct original zone", "ct reply zone", "@th,16,16", "@nh,0,16", "@ih,0,16"],
    "twenty": ["ip6 flowlabel"],
    "long": ["tcp sequence", "tcp ackseq", "sctp vtag", "sctp checksum", "icmp gateway",
        "icmpv6 parameter-problem", "icmpv6 mtu", "ah spi", "ah sequence", "esp spi",
        "esp sequence", "frag id", "tcp option sack left", "tcp option sack0 left",
        "tcp option sack1 left", "tcp option sack2 right", "tcp option sack3 right",
        "tcp option timestamp tsval", "tcp option timestamp tsecr", "ip option lsrr addr",
        "ip option rr addr", "sctp chunk data tsn", "sctp chunk data ppid",
        "sctp chunk init init-tag", "sctp chunk init a-rwnd", "sctp chunk init-ack initial-tsn",
        "sctp chunk sack cum-tsn-ack", "sctp chunk shutdown cum-tsn-ack",
        "sctp chunk ecne lowest-tsn", "sctp chunk cwr lowest-tsn", "sctp chunk asconf seqno",
        "sctp chunk asconf-ack seqno", "sctp chunk forward-tsn new-cum-tsn",
        "meta length", "meta cpu", "cpu", "meta cgroup", "@nh,96,32", "@th,32,32"],
    "huge": ["ct bytes", "ct packets", "ct avgpkt", "ct original bytes", "ct reply packets",
        "ct original avgpkt", "@nh,64,64", "@nh,64,128"],
    "protocol": ["ip protocol", "ip6 nexthdr", "ah nexthdr", "comp nexthdr", "hbh nexthdr",
        "rt nexthdr", "frag nexthdr", "dst nexthdr", "mh nexthdr", "meta l4proto",
        "ct protocol", "ct original protocol", "ct reply protocol"],
    "port": ["tcp sport", "tcp dport", "udp sport", "udp dport", "udplite dport", "sctp sport",
        "sctp dport", "dccp dport", "th sport", "th dport",
        "ct original proto-src", "ct reply proto-dst"],
    "ipv4": ["ip saddr", "ip daddr", "igmp group", "ct original ip saddr", "ct reply ip daddr"],
    "ipv6": ["ip6 saddr", "ip6 daddr", "icmpv6 taddr", "icmpv6 daddr", "rt0 addr[1]", "rt2 addr",
        "srh sid[1]", "ct original ip6 saddr", "ct reply ip6 daddr"],
    "tcp_flag": ["tcp flags"],
    "packet_type": ["dccp type"],
    "icmp_type": ["icmp type"],
    "icmp_code": ["icmp code"],
    "icmpv6_type": ["icmpv6 type"],
    "icmpv6_code": ["icmpv6 code"],
    "igmp_type": ["igmp type"],
    "mh_type": ["mh type"],
    "ether_type": ["meta protocol", "gre protocol"],
    "state": ["ct state"],
    "status": ["ct status"],
    "direction": ["ct direction"],
    "event": ["ct event"],
    "label": ["ct label"],
    "duration": ["ct expiration"],
    "mark": ["meta mark", "mark", "ct mark"],
    "name": ["iifname", "meta oifname", "meta iifname", "ct helper", "meta sdifname",
        "meta ibrname"],
    "index": ["iif", "meta oif", "meta sdif"],
    "link": ["iiftype", "meta oiftype"],
    "devgroup": ["iifgroup", "meta oifgroup"],
    "realm": ["rtclassid", "meta rtclassid"],
    "user": ["skuid", "meta skgid"],
    "classid": ["meta priority"],
    "pkttype": ["pkttype", "meta pkttype"],
    "family": ["meta nfproto", "ct l3proto", "ct original l3proto"],
    "boolean": ["exthdr hbh", "exthdr rt", "exthdr frag", "exthdr dst", "exthdr mh", "exthdr rt0",
        "exthdr srh", "tcp option sack-perm", "tcp option timestamp", "tcp option maxseg",
        "tcp option 254", "tcp option 2", "tcp option 300", "ip option ra", "ip option lsrr",
        "sctp chunk data",
        "sctp chunk cookie-ack", "meta secpath", "meta ipsec"],
    "instant": ["meta time", "time"],
    "day": ["meta day", "day"],
    "hour": ["meta hour", "hour"],
}  # fmt: skip

# What there is not, or not for the library: of each, one line.
STRANGE = """
fib saddr . iif oif exists
fib daddr type local
fib daddr oif lo
fib saddr mark oifname eth0
socket transparent 1
socket mark 5
socket wildcard 1
osf name "Linux"
osf ttl loose name "Linux"
rt classid 5
rt mtu 1500
rt ip nexthop 10.0.0.1
rt ip6 nexthop ::1
rt ipsec exists
ipsec in reqid 5
ipsec out ip saddr 10.0.0.1
jhash ip saddr mod 2 0
symhash mod 2 0
numgen inc mod 2 0
numgen random mod 2 0
numgen inc mod 2 offset 5 6
numgen inc mod 2 vmap { 0 : accept, 1 : drop }
meta random 5
meta random < 2147483648
meta secmark 5
meta iifkind "vlan"
meta oifkind "vlan"
meta ibrpvid 5
meta broute 1
ct id 5
ct secmark 5
ct count 5
ct timeout 5
ether saddr 00:11:22:33:44:55
ether type ip
vlan id 5
vlan pcp 3
arp operation request
arp saddr ip 10.0.0.1
vxlan vni 5
udp dport 4789 vxlan ip saddr 10.0.0.1
gre ip saddr 10.0.0.1
geneve vni 5
gretap ip saddr 10.0.0.1
dccp option 5 exists
ct saddr 10.0.0.1
ct daddr 10.0.0.1
ct original saddr 10.0.0.1
ct original saddr ::1
ct reply daddr 10.0.0.1
ct proto-src 5
ct original proto-src 5
ct original state new
ct original mark 5
ct original ip version 4
meta nftrace 1
meta nosuch 5
tcp nosuch 5
tcp dprot 22
ct stat new
tcp dport ssh2
acept
meta dport 22
ip sadr 10.0.0.1
tcp option nosuch exists
tcp option maxseg nosuch 5
ip option nosuch exists
sctp chunk nosuch exists
sctp chunk data nosuch 5
exthdr nosuch exists
frag nosuch 5
@th,16 5
@xx,0,16 5
@th,0,0 5
@th,0,129 5
@th,70000,8 5
@ll,0,48 5
@th,16,16 22-80
iif exists
tcp exists
udp
tcp dport
tcp dport { 22
tcp dport 22 }
22
ip
tcp dport 22 udp dport 22
ip saddr 10.0.0.1 ip6 saddr ::1
udp dport 5 tcp flags syn
meta l4proto tcp udp dport 53
meta l4proto { tcp, udp } th dport 53
meta l4proto udp th dport 53
ip protocol tcp udp dport 53
ip protocol tcp tcp dport 53
ip6 nexthdr tcp tcp dport 5
meta nfproto ipv4 ip6 saddr ::1
meta nfproto ipv4 ip saddr 10.0.0.1
icmp type echo-request icmp id 5
icmp type redirect icmp id 5
icmp id 5 icmp type echo-reply
icmpv6 type nd-neighbor-solicit icmpv6 taddr fe80::1
icmp type echo-request icmpv6 type echo-request
icmp type { echo-request, echo-reply } icmp id 5
meta l4proto icmp icmp type echo-request
meta l4proto ipv6-icmp icmpv6 type echo-request
meta l4proto 6 tcp dport 5
meta l4proto != tcp tcp dport 5
meta l4proto != tcp udp dport 5
ip version 4 ip6 version 6
ip protocol icmp icmp type echo-request
ip6 nexthdr icmpv6 icmpv6 type echo-request
ip6 nexthdr icmp icmp type echo-request
meta protocol ip ip saddr 10.0.0.1
meta protocol ip6 ip saddr 10.0.0.1
meta protocol ip icmp type echo-request
meta protocol { ip, ip6 } tcp dport 5
ct original l3proto ipv4 ct original saddr 10.0.0.1
meta l4proto tcp ct original proto-dst 5
tcp dport 5 ct original proto-dst 5
meta nfproto ipv4 ct original saddr 10.0.0.1
ip saddr 10.0.0.1 ct original saddr 10.0.0.1
"""[1:-1].split("\n")
