"""Conversations as text: one packet a line, and what the tracker must answer beside it.

    config: linux
    rules: outbound 10.0.1.0/24
    0.0  >  SYN seq=1000                  =>  new; SYN_SENT 120 unreplied
    0.1  <  SYN,ACK seq=5000 ack=1001     =>  established; SYN_RECV 60
    0.2  >  ACK seq=1001 ack=5001 len=10  =>  established; ESTABLISHED 300 assured
    9.0  <  ACK seq=5001 ack=9999         =>  invalid ACK_ABOVE_SENT

Left of the arrow: seconds, `>` from client to server or `<` back, and the packet. Its first word
is TCP flags, `udp`, `udplite`, `sctp`, `gre`, `icmp`, `proto` (any number) or `error` (an ICMP
error quoting an earlier line); then come key=value words, named after the builders' parameters.
`from=` and `to=` replace the addresses, `family: 6` above the lines makes all of it IPv6, and
`ext=44/hex` puts extension headers, the first of them number 44, before the transport header.
`piece 8-24` before a packet sends these octets of its payload as a fragment (`8-` up to the end),
of the datagram `ident=`; `more=` overrules whether others follow, `fill=` the octets, `ecn=` is the
codepoint, `nth=70` sends as many, of datagrams numbered on.

`rules:` are `outbound` and the inside's prefixes; or `drop` and a destination port, where all else
passes; or `read`, a ct state and the helper for what comes in that state, where all passes.

Right of the arrow, before the semicolon: the action if it is not accept, the ct state, `original`
or `reply` where that is worth saying, and the reason if it is not OK. After it: `gone`, or the
connection's state name (if it has one), whole seconds left, `unreplied` or `assured`, `mark=7` if
it has one, and where that is worth saying `packets=2/1` of both directions, and `expects=1`: how
many expectations there are; `octets=48/0` of both directions; `held=1`: how many fragments go with
this one. `data=` is a payload as text, and `mark_it=7` marks the connection
behind the packet.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

import attrs

import builders
from statefulinspect import Action, Config, Direction, Reason, Rule, Ruleset, Tracker, decode

CONTEXT = (
    "zone",
    "zone_direction",
    "iif",
    "oif",
    "mark_it",
)  # words that `process` takes, not the packet
PIECE = ("ident", "more", "fill", "ecn", "nth")  # words for a fragment, not its datagram
HEX = {
    "hex",
    "bytes",
    "opts",
    "ext",
    "options",
    "data",
}  # words whose value is not a number, whatever it looks like

RULES = {
    "outbound": lambda *prefixes: Ruleset.outbound(inside=list(prefixes)),
    "drop": lambda port: Ruleset(
        [Rule(Action.DROP, destination_port=int(port))], policy=Action.ACCEPT
    ),
    "read": lambda ct_state, helper: Ruleset(
        [Rule(Action.ACCEPT, ct_state=ct_state, helper=helper)], policy=Action.ACCEPT
    ),
}


@dataclass
class Step:
    number: int
    text: str
    at: float
    packet: bytes
    expected: str
    options: dict[str, object] = field(default_factory=dict)


class Conversation:
    """Parse a scenario; `steps` are packets with what is expected of them."""

    def __init__(self, text: str) -> None:
        self.family = 4
        self.config = Config()
        self.rules = Ruleset.default()
        self.steps: list[Step] = []
        self.marks: list[object] = []
        for line in filter(None, map(str.strip, text.splitlines())):
            if not line.startswith("#"):
                self._read(line)

    def _read(self, line: str) -> None:
        head, colon, rest = line.partition(":")
        if colon and head in ("config", "rules", "family"):
            getattr(self, f"_set_{head}")(*rest.split())
        else:
            self._add(line)

    def _set_family(self, number: str) -> None:
        self.family = int(number)

    def _set_config(self, profile: str, *changes: str) -> None:
        config = Config.linux(accounting=True) if profile == "linux" else Config()
        for change in changes:
            path, value = change.split("=")
            if path == "helpers":
                port, _, name = value.partition(":")
                config = attrs.evolve(config, helpers={int(port): name})
                continue
            config = _changed(config, path.split("."), _value(value))
        self.config = config

    def _set_rules(self, kind: str, *words: str) -> None:
        self.rules = RULES[kind](*words)

    def _add(self, line: str) -> None:
        packet, _, expected = line.partition("=>")
        at, arrow, *words = shlex.split(packet)
        cut = words[1] if words[0] == "piece" else ""
        words = words[2:] if cut else words
        pairs = (word.partition("=") for word in words[1:])
        options = {name: value if name in HEX else _value(value) for name, _, value in pairs}
        context = {name: options.pop(name) for name in CONTEXT if name in options}
        mark = context.pop("mark_it", None)
        if "zone_direction" in context:
            context["zone_direction"] = Direction(context["zone_direction"])
        own = {name: options.pop(name) for name in PIECE if name in options}
        wire = self._packet(arrow, words[0], options)
        for sent in _pieces(wire, cut, **own) if cut else [wire]:
            step = Step(len(self.steps) + 1, line, float(at), sent, expected.strip(), context)
            self.steps.append(step)
            self.marks.append(mark)

    def _packet(self, arrow: str, what: str, options: dict[str, object]) -> bytes:
        names = ("CLIENT", "SERVER") if self.family == 4 else ("CLIENT6", "SERVER6")
        ends = [getattr(builders, name) for name in names]
        source, destination = ends if arrow == ">" else ends[::-1]
        options["source"] = options.pop("from", source)
        options["destination"] = options.pop("to", destination)
        if "options" in options:
            options["options"] = bytes.fromhex(str(options["options"]))
        if "ext" in options:
            first, _, walked = str(options.pop("ext")).partition("/")
            options["extensions"] = int(first), bytes.fromhex(walked)
        maker = getattr(self, f"_{what.replace('-', '_')}", None)
        if maker is not None:
            return maker(arrow, options)
        return self._tcp(arrow, what, options)

    def _ports(self, arrow: str, options: dict[str, object], server: int) -> None:
        ports = (1000, server) if arrow == ">" else (server, 1000)
        for name, port in zip(("sport", "dport"), ports):
            options.setdefault(name, port)

    def _payload(self, options: dict[str, object]) -> None:
        """Make `data` of a text with escapes, and of so many zeros behind it."""
        data = str(options.pop("data", "")).encode().decode("unicode_escape").encode("latin-1")
        options["data"] = data + bytes(options.pop("len", 0))

    def _tcp(self, arrow, flags, options):
        self._ports(arrow, options, 80)
        self._payload(options)
        options["window"] = options.pop("win", 65535)
        options["options"] = bytes.fromhex(str(options.pop("opts", "")))
        return builders.tcp(flags=flags, **options)

    def _udp(self, arrow, options):
        self._ports(arrow, options, 53)
        self._payload(options)
        options["length"] = options.pop("says", None)
        return builders.udp(**options)

    def _udplite(self, arrow, options):
        self._ports(arrow, options, 53)
        options["data"] = bytes(options.pop("len", 0))
        return builders.udplite(**options)

    def _sctp(self, arrow, options):
        self._ports(arrow, options, 80)
        options["tail"] = bytes(options.pop("tail", 0))
        return builders.sctp(**options)

    def _gre(self, _, options):
        options["call_id"] = options.pop("call", None)
        return builders.gre(**options)

    def _icmp(self, _, options):
        options["id_"], options["type_"] = options.pop("id", 7), options.pop("type")
        return builders.icmp(**options)

    def _error(self, _, options):
        quoted = self.steps[options.pop("quoting") - 1].packet
        options["type_"] = options.pop("type", 3 if self.family == 4 else 1)
        return builders.icmp_error(quoted, **options)

    def _proto(self, _, options):
        payload = bytes.fromhex(str(options.pop("hex", "")))
        options["protocol"] = options.pop("number")
        return builders.ip(payload=payload, **options)

    def _hex(self, _, options):
        return bytes.fromhex(str(options["bytes"]))

    def _dns(self, arrow, options):
        return self._udp(arrow, {"len": 33, **options})

    def play(self) -> Tracker:
        """Send every packet through a new tracker and compare the answers."""
        tracker = Tracker(self.rules, self.config)
        for step in self.steps:
            verdict = tracker.process(step.packet, step.at, **step.options)
            tracker.check()
            zone = {name: step.options[name] for name in CONTEXT[:2] if name in step.options}
            connection = tracker.find(step.packet, **zone)
            if decode(step.packet).fragment_at:
                connection = verdict.connection
            answer = describe(verdict, connection, step.at, step.expected)
            if "expects=" in step.expected:
                answer += f" expects={len(tracker.expectations)}"
            if "held=" in step.expected:
                answer += f" held={len(verdict.held)}"
            if self.marks[step.number - 1] is not None and connection is not None:
                connection.mark = self.marks[step.number - 1]
            assert answer == step.expected, f"line {step.number}: {step.text}\n  got {answer}"
        return tracker


def describe(verdict, connection, at: float, expected: str) -> str:
    """Write an answer in the words of the right side, as far as the expectation goes."""
    words = [] if verdict.action is Action.ACCEPT else [verdict.action.value]
    if verdict.action is Action.DROP and verdict.ct_state.value == "invalid":
        words = []  # goes without saying
    words.append(verdict.ct_state.value)
    if any(word in expected.split(";", maxsplit=1)[0] for word in ("original", "reply")):
        words.append(verdict.direction.value if verdict.direction else "nowhere")
    if verdict.reason is not Reason.OK:
        words.append(verdict.reason.name)
    if ";" not in expected:
        return " ".join(words)
    entry = describe_entry(connection, at)
    if connection is not None and connection.mark:
        entry += f" mark={connection.mark}"
    if connection is not None and "packets=" in expected:
        entry += " packets={}/{}".format(*(connection.count(way).packets for way in Direction))
    if connection is not None and "octets=" in expected:
        entry += " octets={}/{}".format(*(connection.count(way).octets for way in Direction))
    return f"{' '.join(words)}; {entry}"


def describe_entry(connection, at: float) -> str:
    if connection is None:
        return "gone"
    words = [connection.state_name] if connection.state_name else []
    words.append(str(connection.seconds_left(at)))
    words += ["assured"] if connection.is_assured else []
    words += [] if connection.seen_reply else ["unreplied"]
    return " ".join(words)


def _value(text: str) -> object:
    if text in ("yes", "no"):
        return text == "yes"
    try:
        return int(text, 0)
    except ValueError:
        return text


def _pieces(whole, cut, *, ident=1, nth=1, fill=None, **words):
    start, _, stop = cut.partition("-")
    start, stop = int(start), int(stop) if stop else None
    if fill is not None:
        words["data"] = bytes([fill]) * ((stop or len(whole)) - start)
    return [
        builders.piece(whole, start, stop, id_=ident + number, **words) for number in range(nth)
    ]


def _changed(record, path: list[str], value):
    """Make a copy of a frozen record with one field, however deep, replaced."""
    name, *deeper = path
    return attrs.evolve(
        record, **{name: _changed(getattr(record, name), deeper, value) if deeper else value}
    )


def scenarios(text: str) -> dict[str, str]:
    """Split a file into scenarios: a line `== T01. title` begins one."""
    found: dict[str, str] = {}
    title = None
    for line in text.splitlines():
        if line.startswith("== "):
            title = line[3:].strip()
            found[title] = ""
        elif title is not None:
            found[title] += line + "\n"
    return found
