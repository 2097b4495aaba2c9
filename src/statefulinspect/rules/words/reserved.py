"""Which words nft keeps for itself: none of them is a name unless it stands in quotes, as data.

nft 1.0.6 was asked of each word that it knows. Where a value may stand it knows some as values.
"""

from __future__ import annotations

from typing import Final

KNOWN_VALUES: Final = frozenset({
    *("ah", "arp", "comp", "dccp", "dnat", "ecn", "esp", "ether", "exists", "icmp", "icmpv6"),
    *("igmp", "ip", "ip6", "missing", "redirect", "reset", "sctp", "snat", "tcp", "udp"),
    *("udplite", "vlan"),
})  # fmt: skip
NO_VALUES: Final = frozenset({
    *("accept", "add", "all", "and", "auto-merge", "bridge", "cgroup", "chain", "comment"),
    *("constant", "continue", "counter", "cpu", "create", "ct", "day", "define", "delete"),
    *("describe", "device", "devices", "drop", "dst", "dup", "dynamic", "element", "elements"),
    *("eq", "expires", "export", "exthdr", "fib", "flags", "flow", "flowtable", "flush"),
    *("frag", "fwd", "gc-interval", "ge", "get", "goto", "gt", "handle", "hbh", "hook", "hour"),
    *("ibriport", "ibrname", "iif", "iifgroup", "iifname", "iiftype", "import", "include"),
    *("index", "inet", "insert", "interval", "ipsec", "jhash", "jump", "le", "limit", "list"),
    *("log", "lshift", "lt", "map", "mark", "masquerade", "meta", "meter", "mh", "monitor"),
    *("ne", "netdev", "nftrace", "not", "notrack", "numgen", "obriport", "obrname", "offload"),
    *("oif", "oifgroup", "oifname", "oiftype", "or", "osf", "pkttype", "policy", "position"),
    *("priority", "queue", "quota", "random", "redefine", "reject", "rename", "replace"),
    *("return", "rshift", "rt", "rt0", "rt2", "rtclassid", "rule", "ruleset", "secmark", "set"),
    *("size", "skgid", "skuid", "socket", "srh", "symhash", "synproxy", "table", "th", "time"),
    *("timeout", "tproxy", "type", "typeof", "undefine", "update", "vmap", "xor", "xt"),
})  # fmt: skip
NO_NAMES: Final = NO_VALUES | KNOWN_VALUES
