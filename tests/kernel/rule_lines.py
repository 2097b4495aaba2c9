"""Lines of rules, right ones and wrong ones: every selector in every form, and every statement.

Each is asked in a table of each family, which has the sets, objects and chains it speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernel.rule_words import SELECTORS, STRANGE, WORDS, Words

FAMILIES = ("ip", "ip6", "inet")
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
OWN_TYPE = {"ip": "ipv4_addr", "ip6": "ipv6_addr", "inet": "ipv4_addr"}
# What a table has, if its line speaks of it.
PARTS = {
    "ports": "set ports { type inet_service; elements = { 22, 80 }; }",
    "spans": "set spans { type inet_service; flags interval; elements = { 22-80 }; }",
    "addresses": "set addresses { type ADDRESS; }",
    "seen": "set seen { type ADDRESS; size 100; flags dynamic,timeout; timeout 5s; }",
    "met": "set met { type ADDRESS; size 100; flags dynamic; }",
    "fixed": "set fixed { type ADDRESS; flags constant; elements = { ONE }; }",
    "pairs": "set pairs { type ADDRESS . inet_service; size 100; flags dynamic; }",
    "verdicts": "map verdicts { type inet_service : verdict; elements = { 22 : accept }; }",
    "marks": "map marks { type inet_service : mark; size 100; flags dynamic; }",
    "asked": "counter asked { }",
    "tallies": 'map tallies { type inet_service : counter; elements = { 22 : "asked" }; }',
    "volume": "quota volume { over 5 mbytes }",
    "slow": "limit slow { rate 5/second }",
    "other": "chain other { }",
    "based": "chain based { type filter hook HOOK priority 5; }",
}
MEANT = {"tallies": {"asked"}}


def parts_of(line: str, family: str, hook: str) -> str:
    """Give what the table needs for the line."""
    words = set(re.findall(r"\w+", line))
    words |= {needed for word in words for needed in MEANT.get(word, ())}
    found = "\n  ".join(text for name, text in PARTS.items() if name in words)
    one = "::1" if family == "ip6" else "10.0.0.1"
    return found.replace("ADDRESS", OWN_TYPE[family]).replace("ONE", one).replace("HOOK", hook)


def framed(line: str, family: str = "inet", hook: str = "forward", kind: str = "filter") -> str:
    """Give the ruleset that has the line."""
    return f"""table {family} t {{
  {parts_of(line, family, hook)}
  chain c {{
    type {kind} hook {hook} priority 0; policy accept;
    {line}
  }}
}}
"""


def forms_of(selector: str, words: Words) -> Iterator[str]:
    """Write every form of a comparison with a selector."""
    one, two, three, large, wrong, many, length = words
    for form in FORMS:
        yield form.format(
            s=selector, one=one, two=two, three=three, large=large, wrong=wrong, length=length or 3
        )
    for each in many:
        yield f"{selector} {each}"
        yield f"{selector} != {each}"
        yield f"{selector} {{ {each} }}"
        yield f"{selector} {{ {each}, {three} }}"


FORMS = """
{s} {one}
{s} == {one}
{s} != {one}
{s} < {two}
{s} <= {two}
{s} > {two}
{s} >= {two}
{s} {one}-{two}
{s} != {one}-{two}
{s} < {one}-{two}
{s} {two}-{one}
{s} {one}-{one}
{s} {one}-{large}
{s} {one}-{wrong}
{s} {{ {one} }}
{s} {{ {one}, {two} }}
{s} {{ {one}, {two}, }}
{s} == {{ {one}, {two} }}
{s} != {{ {one}, {two} }}
{s} < {{ {one}, {two} }}
{s} {{ {one}-{two}, {three} }}
{s} != {{ {one}-{two}, {three} }}
{s} {{ {two}-{one} }}
{s} {{ {one}, {one} }}
{s} {{ {one}-{two}, {one} }}
{s} {{ {one}-{three}, {one}-{two} }}
{s} {{ }}
{s} {{ {one}, {large} }}
{s} {{ {one}, {wrong} }}
{s} {{ {one} : accept }}
{s} {{ {one} . {two} }}
{s} {{ {one} timeout 5s }}
{s} {{ {one} counter }}
{s} {{ * }}
{s} {one},{two}
{s} != {one},{two}
{s} == {one},{two}
{s} {{ {one},{two} }}
{s} ! {one}
{s} {large}
{s} != {large}
{s} {wrong}
{s} != {wrong}
{s} "{wrong}"
{s} -1
{s} *
{s}
{s} {one} {two}
{s} {one}/{length}
{s} != {one}/{length}
{s} < {one}/{length}
{s} {{ {one}/{length} }}
{s} {{ {one}/{length}, {three} }}
{s} {one}/200
{s} & {two} == {one}
{s} & {two} != {one}
{s} & {two} {one}
{s} and {two} == {one}
{s} & {two} != 0
{s} & {two} == 0
{s} & {two} > 0
{s} & {large} == 0
{s} & {wrong} == 0
{s} & {two} == {{ {one}, {two} }}
{s} & {two} {one}-{two}
{s} & ({one} | {two}) == {one}
{s} & ({one} | {two}) == {one} | {two}
({s} & ({one} | {two})) != {one}
{s} | {one} == {two}
{s} ^ {one} == {two}
{s} ^ {one} != {two}
{s} << 1 == {two}
{s} >> 1 == {one}
{s} >> 1 & 1 == 1
{s} << 200 == {two}
{s} & {two} ^ {one} == {two}
{s} & {two} | {one} == {two}
{s} {one} | {two}
{s} == {one} | {two}
{s} {one} & {two}
{s} == ({one} | {two})
{s} {one} / {two}
{s} {one} / {one},{two}
{s} != {one} / {one},{two}
{s} {{ {one} | {two}, {three} }}
{s} . tcp dport {{ {one} . 22 }}
{s} . tcp dport {{ {one} . 22, {two} . 80-90 }}
{s} . tcp dport {{ {one}-{two} . 22 }}
{s} . tcp dport != {{ {one} . 22 }}
{s} . tcp dport {one} . 22
{s} . tcp dport {{ {one} . 22 . 3 }}
{s} . tcp dport {{ {one} }}
{s} . tcp dport {{ {one} . ssh2 }}
{s} . tcp dport {{ {large} . 22 }}
{s} . tcp dport {{ {one} . 22, {one} . 22 }}
{s} . tcp dport {{ {one}/{length} . 22 }}
{s} . tcp dport vmap {{ {one} . 22 : accept }}
tcp dport . {s} {{ 22 . {one} }}
{s} . {s} {{ {one} . {two} }}
{s} & {two} . tcp dport {{ {one} . 22 }}
{s} vmap {{ {one} : accept, {two} : drop }}
{s} vmap {{ {one} : accept, {one} : drop }}
{s} vmap {{ {one} : accept, {one} : accept }}
{s} vmap {{ {one}-{two} : accept, {three} : drop }}
{s} vmap {{ {one}-{two} : accept, {one} : drop }}
{s} vmap {{ {one} : jump other, * : drop }}
{s} vmap {{ {one} : jump nosuch }}
{s} vmap {{ {one} : 5 }}
{s} vmap {{ {one} }}
{s} vmap {{ {large} : accept }}
{s} vmap {{ {wrong} : accept }}
{s} vmap @verdicts
{s} @ports
{s} != @spans
{s} @addresses
{s} @nosuch
{s} & {two} vmap {{ {one} : accept }}
meta mark set {s}
meta mark set {s} map {{ {one} : 1, {two} : 2 }}
meta mark set {s} map {{ {one} : 1, {one} : 2 }}
meta mark set {s} map {{ {one} : ssh }}
meta mark set {s} map @marks
ct mark set {s} and 5
{s} set {one}
{s} set {large}
{s} set {wrong}
{s} set meta mark
{s} set tcp dport map {{ 22 : {one} }}
{s} set {s} and {one}
{s} tcp dport
{s} {s}
{s} $nosuch
add @seen {{ {s} }}
counter name {s} map {{ {one} : "asked" }}
meter m {{ {s} limit rate 5/second }}
"""[1:-1].split("\n")


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


STATEMENTS = _lines("""
accept
drop
continue
return
queue
acept
accept drop
accept counter
continue counter drop
continue drop counter
counter accept
jump other
goto other
jump nosuch
goto nosuch
jump based
jump c
jump "other"
jump drop
jump { tcp dport 22 accept; counter drop; }
goto { accept; } comment "x"
jump { }
jump { jump other; }
jump { goto { accept; }; }
reject
reject with tcp reset
reject with tcp rst
reject with icmp port-unreachable
reject with icmp type port-unreachable
reject with icmp host-unreachable
reject with icmp net-prohibited
reject with icmp 3
reject with icmp 300
reject with icmp no-route
reject with icmpv6 port-unreachable
reject with icmpv6 type no-route
reject with icmpv6 net-unreachable
reject with icmpx port-unreachable
reject with icmpx type admin-prohibited
reject with icmpx host-unreachable
reject with icmpx no-route
reject with icmpx net-unreachable
reject with icmpx 2
reject with icmpx 4
reject with nosuch
reject drop
reject counter
tcp dport 22 reject with tcp reset
udp dport 53 reject with tcp reset
meta l4proto tcp reject with tcp reset
meta l4proto udp reject with tcp reset
meta l4proto { tcp, udp } reject with tcp reset
meta l4proto != tcp reject with tcp reset
ip protocol tcp reject with tcp reset
ip protocol udp reject with tcp reset
meta nfproto ipv4 reject with icmp host-unreachable
meta nfproto ipv4 reject with icmpv6 no-route
meta nfproto ipv6 reject with icmpv6 no-route
meta nfproto ipv4 reject
meta nfproto ipv4 reject with icmpx no-route
ip saddr 10.0.0.1 reject with icmp host-unreachable
ip saddr 10.0.0.1 reject with icmpv6 no-route
ip saddr 10.0.0.1 reject with icmpx no-route
ip saddr 10.0.0.1 reject with icmpx port-unreachable
ip saddr 10.0.0.1 reject
ip6 saddr ::1 reject with icmp host-unreachable
ip6 saddr ::1 reject with icmpv6 no-route
ip6 saddr ::1 reject
icmp type echo-request reject with icmp host-unreachable
icmp type echo-request reject with icmpv6 no-route
limit rate 5/second
limit rate 5/minute
limit rate 5/hour
limit rate 5/day
limit rate 5/week
limit rate 5/month
limit rate 5/seconds
limit rate 5 / second
limit rate 5
limit rate 0/second
limit rate over 5/second
limit rate until 5/second
limit rate 5/second burst 5 packets
limit rate 5/second burst 1 packets
limit rate 5/second burst 0 packets
limit rate 5/second burst 5
limit rate 5/second burst 5 bytes
limit rate 5/second burst 5000000000 packets
limit rate 4294967295/second
limit rate 4294967296/second
limit rate 1000000000/second
limit rate 1000000001/second
limit rate 5 bytes/second
limit rate 5 kbytes/second
limit rate 5 mbytes/second
limit rate 5 gbytes/second
limit rate 5 packets/second
limit rate 0 bytes/second
limit rate 5 kbytes / second
limit rate 5 mbytes/second burst 5 kbytes
limit rate 5 mbytes/second burst 5 packets
limit rate 5 mbytes/second burst 0 bytes
limit rate over 5 mbytes/minute burst 100 bytes
limit rate over 10 kbytes/day
limit rate 1024 bytes/second
limit rate 1048576 bytes/second
limit rate 1500 bytes/second
limit rate 1536 kbytes/second
limit rate 18446744073709551615 bytes/second
limit rate 18446744073709551615 kbytes/second
limit 5/second
limit name "slow"
limit name "nosuch"
limit name slow
limit name "asked"
quota 5 bytes
quota 5 kbytes
quota 5 mbytes
quota 5 gbytes
quota 5
quota 0 bytes
quota over 5 mbytes
quota until 5 mbytes
quota over 5 mbytes used 1 mbytes
quota 5 mbytes used 500 kbytes
quota 5 mbytes used 9 mbytes
quota 1024 bytes
quota 1500 bytes
quota 1048576 bytes
quota 18446744073709551615 bytes
quota 18446744073709551616 bytes
quota name "volume"
quota name "nosuch"
counter
counter packets 5
counter packets 5 bytes 100
counter bytes 100
counter bytes 100 packets 5
counter packets -1
counter packets 18446744073709551615 bytes 18446744073709551615
counter packets 18446744073709551616 bytes 0
counter name "asked"
counter name asked
counter name "nosuch"
counter name "volume"
counter name tcp dport map { 22 : "asked", 80 : "asked" }
counter name tcp dport map { 22 : "asked", 80 : "nosuch" }
counter name tcp dport map @tallies
counter name tcp dport map @marks
counter name tcp dport map @nosuch
counter counter
counter comment "x"
accept comment "x"
accept comment x
accept comment "a b c"
accept comment ""
accept comment "x" comment "y"
comment "x" accept
comment "x"
log
log prefix "x"
log prefix x
log prefix "x: "
log prefix ""
log level warn
log level emerg
log level alert
log level crit
log level err
log level notice
log level info
log level debug
log level audit
log level warning
log level 4
log level nosuch
log level audit prefix "x"
log level audit flags all
log group 1
log group 0
log group 65535
log group 65536
log group 1 level info
log group 1 flags all
log group 1 prefix "x"
log group 1 prefix "x" snaplen 100
log group 1 queue-threshold 5
log group 1 queue-threshold 65536
log group 1 snaplen 4294967295
log group 1 snaplen 4294967296
log snaplen 100
log queue-threshold 5
log flags all
log flags tcp sequence
log flags tcp options
log flags tcp sequence,options
log flags tcp nosuch
log flags tcp
log flags ip options
log flags skuid
log flags ether
log flags nosuch
log flags skuid flags ether
log flags skuid,ether
log flags tcp sequence flags ip options
log flags all prefix "x" level debug
log prefix "x" level info flags skuid
log prefix "x" prefix "y"
log level info level debug
log group 1 group 2
log accept
log prefix "x" accept
log nosuch
meta mark set 5
meta mark set 0xffffffff
meta mark set 0x100000000
meta mark set ssh
meta mark set meta mark and 5
meta mark set meta mark & 0xff | 0x100
meta mark set meta mark or 5
meta mark set meta mark xor 5
meta mark set mark and 0xffff0000 or 5
meta mark set meta mark << 8
meta mark set ct mark
meta mark set ct mark and 0xff
meta mark set meta mark or ct mark
meta mark set tcp dport
meta mark set ip dscp
meta mark set ct zone
meta mark set meta length
meta mark set meta priority
meta mark set meta cpu
meta mark set numgen inc mod 2
meta mark set numgen inc mod 2 offset 100
meta mark set numgen inc mod 2 map { 0 : 1, 1 : 2 }
meta mark set numgen inc mod 0
meta mark set jhash ip saddr mod 2
meta mark set symhash mod 2
meta mark set tcp dport map { 22 : 5, 80 : 6 }
meta mark set tcp dport map { 22-80 : 5 }
meta mark set tcp dport map { 22 : 5, * : 6 }
meta mark set tcp dport map { 22 : 5, 22 : 6 }
meta mark set tcp dport map @marks
meta mark set tcp dport map @verdicts
meta mark set udp dport map @marks
meta mark set ip saddr map @marks
meta mark set tcp dport map { 22 : accept }
meta mark set ip saddr . tcp dport map { 10.0.0.1 . 22 : 5 }
meta mark set { 5 }
meta mark set 5-6
meta mark set 1,2
meta mark set 1 | 2
meta mark set @ports
meta mark set
mark set 5
mark set mark
meta priority set 1:1
meta priority set none
meta priority set root
meta priority set 5
meta priority set 0x10002
meta priority set tcp dport map { 22 : 1:1 }
meta nftrace set 1
meta nftrace set 0
meta nftrace set 2
nftrace set 1
meta pkttype set unicast
meta pkttype set broadcast
meta pkttype set 5
pkttype set host
meta secmark set 5
meta secmark set "x"
meta broute set 1
meta length set 5
meta iifname set "x"
meta l4proto set tcp
meta cgroup set 5
meta skuid set 0
ct mark set 5
ct mark set 0x100000000
ct mark set meta mark
ct mark set mark
ct mark set ct mark or 5
ct mark set ct mark and 0xff or 0x100
ct mark set tcp dport map { 22 : 5 }
ct mark set ct original bytes
ct zone set 5
ct zone set 65535
ct zone set 65536
ct zone set mark
ct zone set meta mark
ct zone set iifname map { "eth0" : 5 }
ct zone set iif map { "lo" : 5 }
ct zone set tcp dport map { 22 : 5 }
ct original zone set 5
ct reply zone set 5
ct event set new
ct event set new,destroy
ct event set new or destroy
ct event set new | related | destroy | reply | assured | protoinfo | helper | mark | seqadj | label
ct event set 0
ct event set nosuch
ct label set 5
ct label set 127
ct label set 128
ct label set nosuch
ct label set 1,2
ct label set 1 or 2
ct state set new
ct status set dnat
ct helper set "ftp"
ct helper set "nosuch"
ct timeout set "nosuch"
ct expectation set "nosuch"
ct bytes set 5
ct expiration set 5s
ct count 5
ct count over 5
ct count until 5
ct count 0
ct count over 4294967295
ct count over 4294967296
ct count over
notrack
notrack accept
notrack counter
notrack 5
ct state new notrack
add @seen { ip saddr }
add @seen { ip6 saddr }
add @seen { tcp dport }
add @seen { ip saddr timeout 5s }
add @seen { ip saddr timeout 5s } accept
add @seen { ip saddr timeout 1d2h3m4s }
add @seen { ip saddr expires 5s }
add @seen { ip saddr timeout 5s limit rate 3/second }
add @seen { ip saddr limit rate over 3/second burst 2 packets }
add @seen { ip saddr counter }
add @seen { ip saddr quota 5 bytes }
add @seen { ip saddr ct count over 5 }
add @seen { ip saddr limit rate 3/second counter }
add @seen { ip saddr comment "x" }
add @seen { ip saddr log }
add @seen { ip saddr accept }
add @seen { ip saddr, ip daddr }
add @seen { 10.0.0.1 }
add @seen { ip saddr : 5 }
add @seen { ip saddr & 255.255.255.0 }
add @seen { ip6 saddr & ffff:: }
add @seen { }
add @seen
add @met { ip saddr }
add @met { ip6 saddr }
add @met { ip saddr timeout 5s }
add @met { ip6 saddr timeout 5s }
update @met { ip saddr }
update @met { ip6 saddr counter }
delete @met { ip saddr }
delete @met { ip6 saddr }
update @seen { ip saddr }
update @seen { ip saddr timeout 10s }
update @seen { ip saddr limit rate 3/second }
update @seen { ip6 saddr timeout 10s }
delete @seen { ip saddr }
delete @seen { ip6 saddr }
create @seen { ip saddr }
add @addresses { ip saddr }
add @addresses { ip6 saddr }
add @fixed { ip saddr }
add @fixed { ip6 saddr }
add @spans { tcp dport }
add @ports { tcp dport }
add @nosuch { tcp dport }
add @pairs { ip saddr . tcp dport }
add @pairs { ip saddr }
add @pairs { ip6 saddr . tcp dport }
add @pairs { ip saddr . 22 }
add @pairs { ip saddr . tcp dport . 5 }
add @marks { tcp dport : 5 }
add @marks { tcp dport : meta mark }
add @marks { tcp dport : ct mark }
add @marks { tcp dport : 0x100000000 }
add @marks { tcp dport : ssh }
add @marks { tcp dport : numgen inc mod 5 }
add @marks { tcp dport }
update @marks { tcp dport : 5 }
update @marks { tcp dport timeout 5s : 5 }
delete @marks { tcp dport : 5 }
delete @marks { tcp dport }
add @verdicts { tcp dport : accept }
set add ip saddr @seen
set add ip6 saddr @seen
set update ip saddr timeout 5s @seen
set delete ip saddr @seen
meter m { ip saddr limit rate 5/second }
meter m { ip saddr timeout 5s limit rate 5/second }
meter m { ip6 saddr limit rate over 5/second burst 3 packets }
meter m size 100 { ip saddr limit rate 5/second }
meter m size 0 { ip saddr limit rate 5/second }
meter m { ip saddr . tcp dport limit rate 5/second }
meter m { tcp dport counter }
meter m { tcp dport ct count over 5 }
meter m { tcp dport quota 5 bytes }
meter m { tcp dport }
meter m { tcp dport log }
meter m { ip saddr timeout 5s ct count over 5 }
meter m { ip saddr and 255.255.255.0 counter }
meter m { ct mark & 0xff . tcp dport counter }
iifname accept
iifname counter drop
iifname _br0 accept
iifname tcp
meter ports { tcp dport counter }
flow table m { ip saddr counter }
ip saddr @addresses accept
ip saddr != @addresses accept
ip6 saddr @addresses accept
ip saddr @seen
ip saddr @ports
ip saddr . tcp dport @pairs
ip saddr . tcp dport != @pairs
ip6 saddr . tcp dport @pairs
tcp dport @pairs
tcp dport . ip saddr @pairs
tcp dport @verdicts
tcp dport @marks
tcp dport vmap @verdicts
tcp dport vmap @marks
tcp dport vmap @ports
tcp dport vmap @nosuch
tcp dport . tcp sport vmap @verdicts
udp dport vmap @verdicts
th dport vmap @verdicts
tcp dport vmap { 22 : accept, 80 : drop, 443 : jump other, 5 : goto other, 6 : return }
tcp dport vmap { 7 : continue }
tcp dport vmap { 22 : reject }
tcp dport vmap { 22 : queue }
tcp dport vmap { 22 : accept comment "x" }
tcp dport vmap { 22 counter : accept }
tcp dport vmap { 22 comment "x" : accept }
tcp dport { 22 comment "x" }
tcp dport { 22, 80 } counter
tcp dport { 22, 80-90, 85-100 }
tcp dport { 22-23, 24-25 }
tcp dport { 22, 23, 24 }
tcp dport { ssh, http, 22 }
tcp dport { 0-65535 }
tcp dport 0-65535
tcp dport != 0-65535
ip saddr { 10.0.0.0/8, 10.1.0.0/16 }
ip saddr { 10.0.0.0/24, 10.0.1.0/24 }
ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.0/24 }
ip saddr { 10.0.0.1-10.0.0.9, 10.0.0.5-10.0.0.20 }
ip saddr { 10.0.0.0-10.0.0.255 }
ip saddr 10.0.0.0-10.0.0.255
ip saddr 10.0.0.0/255.255.255.0
ip saddr & 255.255.255.0 == 10.0.0.0
ip saddr & 255.0.255.0 == 10.0.5.0
ip saddr & 0.0.0.255 == 1
ip6 saddr & ffff:: == fe80::
ip6 saddr & ::ffff == ::1
ip saddr . ip daddr { 10.0.0.1 . 10.0.0.2 }
ip saddr . ip6 daddr { 10.0.0.1 . ::1 }
ip saddr . ip daddr vmap { 10.0.0.0/24 . 10.0.0.2 : accept, 10.0.1.0/24 . 10.0.0.1-10.0.0.9 : drop }
ip saddr . tcp dport . meta mark { 10.0.0.1 . 22 . 5 }
ip saddr . udp dport . tcp dport { 10.0.0.1 . 22 . 5 }
iifname . tcp dport { "eth0" . 22 }
iifname . tcp dport { "eth*" . 22 }
iifname { "eth0", "wlan*" }
iifname { "eth*", "eth0" }
iifname { "eth*", "eth0*" }
iifname vmap { "eth0" : accept, "wlan*" : drop }
iif . oif { "lo" . "lo" }
iif lo accept
oif "lo" accept
oif != lo drop
oifname "lo" accept
oifname != { "lo", "eth0" } drop
ct state established,related accept
ct state { established, related } accept
ct state vmap { established : accept, related : accept, invalid : drop }
ct state != { established, related }
ct state != established,related
ct state ! established
ct state & (established | related) != 0
ct state and new == new
ct state invalid,untracked drop
ct state new,new
ct state new tcp dport 22 accept
ct status dnat,snat
ct status != dnat
ct status ! dnat
ct status & dnat == dnat
ct status & (dnat | snat) != 0
tcp flags syn
tcp flags & (fin|syn|rst|ack) == syn
tcp flags & (fin | syn | rst | ack) != syn
tcp flags & syn == 0
tcp flags & syn != 0
tcp flags ! syn
tcp flags ! syn,ack
tcp flags syn,ack
tcp flags == syn,ack
tcp flags == syn | ack
tcp flags != syn,ack
tcp flags == 0
tcp flags 0
tcp flags != 0
tcp flags syn / fin,syn,rst,ack
tcp flags != syn / fin,syn,rst,ack
tcp flags ! syn / fin,syn,rst,ack
tcp flags == syn / fin,syn,rst,ack
tcp flags { syn, ack }
tcp flags { syn, syn | ack }
tcp flags & (syn|ack) == { syn, syn | ack }
tcp flags & (fin | syn | rst | psh | ack | urg) == fin | psh | urg
tcp flags & (fin | syn | rst | psh | ack | urg) < fin
tcp flags & (fin|syn) == (fin|syn)
tcp flags != (fin|syn)
tcp flags & fin,syn == fin,syn
tcp flags & syn vmap { syn : accept }
tcp flags vmap { syn : accept, syn | ack : drop }
tcp flags fin,syn,rst,psh,ack,urg,ecn,cwr
tcp flags & ack|rst == ack
tcp flags >= syn
tcp option maxseg size set 1460
tcp option maxseg size set rt mtu
tcp option maxseg size set 65536
tcp option maxseg size 1-500
tcp option window count set 5
tcp option timestamp tsval set 5
tcp flags syn tcp option maxseg size set rt mtu
reset tcp option sack-perm
reset tcp option maxseg
reset tcp option 5
reset tcp option maxseg size
reset ip option lsrr
tcp dport set 22
tcp dport set tcp sport
tcp dport set 65536
tcp dport set tcp dport map { 22 : 80 }
tcp sport set 5 tcp dport set 6
tcp dport 22 tcp dport set 80
udp dport set 53
ip saddr set 10.0.0.1
ip daddr set 10.0.0.1
ip saddr set ip daddr
ip6 saddr set ::1
ip ttl set 64
ip ttl set 256
ip6 hoplimit set 64
ip dscp set cs1
ip dscp set 64
ip dscp set ip dscp
ip6 dscp set af21
ip ecn set ce
ip6 flowlabel set 5
ip version set 4
ip hdrlength set 5
ip id set 0
ip protocol set tcp
ip frag-off set 0
ip length set 5
ip checksum set 5
tcp flags set syn
tcp window set 5
tcp checksum set 5
tcp doff set 5
icmp type set echo-reply
icmp id set 5
@th,16,16 set 22
@nh,0,4 set 5
@th,16,16 set tcp sport
@ll,0,16 set 5
frag id set 5
hbh hdrlength set 5
ip option ra value set 5
sctp chunk data tsn set 5
snat to 10.0.0.1
dnat to 10.0.0.1
masquerade
redirect
redirect to :80
queue num 5
queue num 0-3 bypass
queue to 5
dup to 10.0.0.1
fwd to lo
tproxy to :80
synproxy mss 1460 wscale 7
synproxy name "nosuch"
secmark name "nosuch"
xt match "x"
last
last used never
tcp dport 22 accept;
tcp dport 22 accept; tcp dport 80 accept
tcp dport 22 ; accept
tcp dport 22, accept
tcp dport 22 accept # note
tcp dport = 22
tcp dport === 22
tcp dport ! 22
tcp dport not 22
tcp dport eq 22
tcp dport ne 22
tcp dport gt 22
tcp dport le 22
not tcp dport 22
!tcp dport 22
(tcp dport) 22
(tcp dport 22)
tcp  dport  22
TCP dport 22
tcp.dport 22
tcp dport {22,80}
tcp dport{22,80}
tcp dport {22 ,80} accept
tcp dport [22]
tcp dport '22'
tcp dport 22 and udp dport 53
tcp dport 22 || 80
add rule inet t asked accept
rule accept
policy drop
policy drop;
policy acept;
type filter hook input priority 0;
chian x { }
flags interval
comment "x";
define x = 5
include "/nosuch"
""")

# What nft lets stand at some hooks only.
AT_HOOKS = re.compile(
    r"^(reject|notrack|iif|oif|meta (iif|oif|sdif|skuid|skgid|mark|pkttype)|skuid|jump|ct |"
    r"tcp option|queue|log|synproxy|rt |fib|socket|tproxy|snat|masquerade)"
)


def selector_lines() -> Iterator[tuple[str, str, str]]:
    """Give family, hook and line of every selector in every form."""
    for kind, selectors in SELECTORS.items():
        for selector in selectors:
            for line in forms_of(selector, WORDS[kind]):
                for family in FAMILIES:
                    yield family, "forward", line


def fits(line: str, hook: str) -> bool:
    """Tell whether the line is to be asked at the hook."""
    return hook == "forward" or bool(AT_HOOKS.match(line))


def statement_lines() -> Iterator[tuple[str, str, str]]:
    """Give family, hook and line of every statement, and of what is strange."""
    for line in (*STATEMENTS, *STRANGE):
        for family in FAMILIES:
            yield from ((family, hook, line) for hook in HOOKS if fits(line, hook))
