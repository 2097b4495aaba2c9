"""Rules that never match: each claim is checked by running the rules on random packets."""

from __future__ import annotations

import operator

from hypothesis import event, given
from hypothesis import strategies as st

from statefulinspect.rules.lint.lint import lint
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.constants import (
    Bits,
    Element,
    Joined,
    Prefix,
    SetLiteral,
    SetRef,
    Span,
    Value,
    Wildcard,
)
from statefulinspect.rules.syntax.expressions import Binary, Concat, Select
from statefulinspect.rules.syntax.objects import NamedSet
from statefulinspect.rules.syntax.stateful import Count, Limit
from statefulinspect.rules.syntax.statements import (
    Assign,
    Decide,
    DecideBy,
    Match,
    Reject,
    UpdateSet,
)
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.rules.words.selectors import SELECTORS

NEVER = {"shadowed", "duplicate", "unreachable", "impossible"}
NUMBERS = {
    "ip saddr": range(6),
    "ip6 saddr": range(4),
    "tcp dport": range(6),
    "udp dport": range(6),
    "th dport": range(6),
    "meta l4proto": (1, 6, 17),
    "ip protocol": (1, 6, 17),
    "meta mark": range(3),
    "ct mark": range(3),
    "ct direction": range(2),
    "icmp type": range(3),
}
MASKS = {
    "ct state": (1, 2, 4, 8, 64),
    "ct status": (1, 2, 4, 8),
    "tcp flags": (1, 2, 4, 16),
}
NAMES = ("eth0", "eth1", "et", "wg0", "")
COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# ---- packets, and what rules do to them, in the plainest way ---------------


@st.composite
def packets(draw):
    """Draw what each selector reads from a packet; what is missing there is not in the dict."""
    family = draw(st.sampled_from((2, 10)))
    protocol = draw(st.sampled_from((1, 6, 17)))
    read = {"meta nfproto": family, "meta l4proto": protocol}
    read |= {f"{each} dport": draw(st.integers(0, 5)) for each in ("th",)}
    read["tcp dport"] = read["udp dport"] = read["th dport"]
    read["icmp type"] = draw(st.integers(0, 2))
    read["tcp flags"] = draw(st.integers(0, 31))
    if family == 2:
        read |= {"ip saddr": draw(st.integers(0, 5)), "ip protocol": protocol}
    else:
        read["ip6 saddr"] = draw(st.integers(0, 3))
    read["meta mark"] = draw(st.integers(0, 2))
    read["meta iifname"] = draw(st.sampled_from(NAMES))
    read["ct state"] = draw(st.sampled_from(MASKS["ct state"]))
    if read["ct state"] not in (1, 64):
        is_new = read["ct state"] == 8
        read["ct status"] = draw(st.sampled_from((0, 8) if is_new else range(16)))
        read["ct direction"] = 0 if is_new else draw(st.integers(0, 1))
        read["ct mark"] = draw(st.integers(0, 2))
    return read


def value_of(left, read):
    """Read the left side; None where there is nothing."""
    if isinstance(left, Binary):
        inner = value_of(left.left, read)
        return None if inner is None else inner & left.right.value
    if isinstance(left, Concat):
        values = tuple(value_of(each, read) for each in left.parts)
        return None if None in values else values
    if any(read.get(text) not in allowed for text, allowed in left.selector.needs):
        return None
    return read.get(left.selector.text)


def is_among(value, constant):
    if isinstance(constant, Joined):
        return all(map(is_among, value, constant.parts))
    if isinstance(constant, Wildcard):
        return value.startswith(constant.start)
    if isinstance(constant, Value):
        return value == constant.value
    first, last = constant.interval
    return first <= value <= last


def passes(match, read, sets):
    value = value_of(match.left, read)
    if value is None:
        return False
    right = match.right
    if match.operator in ("in", "!"):
        mask = right.mask if isinstance(right, Bits) else right.value
        return bool(value & mask) is (match.operator == "in")
    if match.operator in ("<", "<=", ">", ">="):
        return COMPARE[match.operator](value, right.value)
    keys = [right]
    if isinstance(right, SetRef):
        keys = sets[right.name]
    elif isinstance(right, SetLiteral):
        keys = [each.key for each in right.elements]
    return any(is_among(value, key) for key in keys) is (match.operator == "==")


class Run:
    """Run a chain on one packet; `matched` are the rules all of whose conditions it met."""

    def __init__(self, table, read, chances):
        self.read = dict(read)
        self.sets = {each.name: [e.key for e in each.elements] for each in table.sets}
        self.chances = chances
        self.matched = []
        self.table = table

    def chain(self, name):
        """Say what becomes of the packet; None if it comes to the end of the chain."""
        for rule in self.table.chain(name).rules:
            decision = self.rule(rule)
            if decision is None or decision == Decide("continue"):
                continue
            if isinstance(decision, Reject) or decision.kind in ("accept", "drop"):
                return decision
            if decision.kind == "return":
                return None
            inner = self.chain(decision.chain)
            if inner is not None or decision.kind == "goto":
                return inner
        return None

    def rule(self, rule):
        """Give what a rule decides; None if it does not match, or decides nothing."""
        decision = None
        for statement in rule.statements:
            if isinstance(statement, (Decide, Reject)):
                decision = statement
            elif isinstance(statement, DecideBy):
                decision = self.by_map(statement)
            if not self.goes_on(statement, decision):
                return None
        self.matched.append(rule.place)
        return decision

    def goes_on(self, statement, decision):
        if isinstance(statement, Match):
            return passes(statement, self.read, self.sets)
        if isinstance(statement, Limit):
            return self.chances()
        if isinstance(statement, Reject) and statement.kind == "tcp reset":
            return self.read["meta l4proto"] == 6
        if isinstance(statement, UpdateSet):
            return self.update(statement)
        if isinstance(statement, Assign):
            self.assign(statement)
        return decision is not None or not isinstance(statement, DecideBy)

    def update(self, statement):
        found = value_of(statement.key, self.read)
        if found is not None:
            self.sets[statement.name].append(Value(found, statement.key.types[0]))
        return found is not None

    def assign(self, statement):
        if statement.target.text in self.read:
            self.read[statement.target.text] = statement.value.value

    def by_map(self, statement):
        value = value_of(statement.key, self.read)
        found = None if value is None else statement.data.elements
        return next((each.data for each in found or () if is_among(value, each.key)), None)


# ---- random rules ----------------------------------------------------------


def value(text, number):
    return Value(number, SELECTORS[text].type)


@st.composite
def constants(draw, text):
    number = draw(st.sampled_from(NUMBERS[text]))
    kind, bits = SELECTORS[text].type, SELECTORS[text].bits
    what = draw(st.sampled_from("vvrp"))
    if what == "r":
        return Span(number, number + draw(st.integers(0, 3)), kind)
    if what == "p":
        return Prefix(number & ~1, bits - 1, bits, kind)
    return value(text, number)


@st.composite
def number_matches(draw):
    text = draw(st.sampled_from(sorted(NUMBERS)))
    left = Select(SELECTORS[text])
    what = draw(st.sampled_from(("plain", "set", "order", "named", "concat")))
    sign = draw(st.sampled_from(("==", "==", "!=")))
    if what == "order":
        number = value(text, draw(st.sampled_from(NUMBERS[text])))
        return Match(left, draw(st.sampled_from(("<", "<=", ">", ">="))), number)
    if what == "named" and text == "ip saddr":
        return Match(left, sign, SetRef(draw(st.sampled_from(("fixed", "open", "grown")))))
    if what == "concat":
        other = draw(st.sampled_from(("ip saddr", "th dport")))
        keys = st.tuples(constants(text), constants(other)).map(Joined)
        elements = tuple(map(Element, draw(st.lists(keys, min_size=1, max_size=3))))
        return Match(Concat((left, Select(SELECTORS[other]))), sign, SetLiteral(elements))
    if what == "set":
        keys = draw(st.lists(constants(text), min_size=1, max_size=3))
        return Match(left, sign, SetLiteral(tuple(map(Element, keys))))
    return Match(left, sign, draw(constants(text)))


@st.composite
def mask_matches(draw):
    text = draw(st.sampled_from(sorted(MASKS)))
    left, kind = Select(SELECTORS[text]), SELECTORS[text].type
    bits = draw(st.lists(st.sampled_from(MASKS[text]), min_size=1, max_size=3, unique=True))
    what = draw(st.sampled_from(("any", "any", "none", "is", "masked", "set")))
    if what in ("any", "none"):
        right = Bits(tuple(bits), kind) if len(bits) > 1 else Value(bits[0], kind)
        return Match(left, "in" if what == "any" else "!", right)
    sign = draw(st.sampled_from(("==", "!=")))
    if what == "masked":
        masked = Binary("&", left, Value(sum(bits), kind))
        return Match(masked, sign, Value(draw(st.sampled_from((0, *bits))), kind))
    if what == "set":
        return Match(left, sign, SetLiteral(tuple(Element(Value(b, kind)) for b in bits)))
    return Match(left, sign, Value(bits[0], kind))


@st.composite
def name_matches(draw):
    text = "meta iifname"
    right = draw(st.sampled_from((*(value(text, name) for name in NAMES[:4]), Wildcard("et"))))
    if draw(st.booleans()):
        right = SetLiteral((Element(right), Element(value(text, "wg0"))))
    return Match(Select(SELECTORS[text]), draw(st.sampled_from(("==", "!="))), right)


MARK = SELECTORS["meta mark"]
OTHERS = st.sampled_from(
    [
        Count(),
        Limit(5, "second"),
        Assign(MARK, Value(1, MARK.type)),
        Assign(SELECTORS["ct mark"], Value(2, MARK.type)),
        UpdateSet("add", "grown", Select(SELECTORS["ip saddr"])),
    ]
)
DECISIONS = [Decide(each) for each in ("accept", "drop", "return", "continue")]
DECISIONS += [Decide("jump", "inner"), Decide("goto", "inner"), Reject(), Reject("tcp reset")]
MATCHES = number_matches() | mask_matches() | name_matches()


@st.composite
def maps(draw):
    text = draw(st.sampled_from(("th dport", "ct state", "ip saddr")))
    numbers = (MASKS | NUMBERS)[text]
    keys = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=4, unique=True))
    decided = st.sampled_from(DECISIONS[:6])
    elements = tuple(Element(value(text, key), draw(decided)) for key in keys)
    return DecideBy(Select(SELECTORS[text]), SetLiteral(elements))


@st.composite
def rules(draw, decisions):
    """Draw a rule; few matches, so that rules often lie within each other."""
    statements = draw(st.lists(MATCHES, min_size=draw(st.sampled_from((0, 1, 1, 1))), max_size=2))
    for other in draw(st.lists(OTHERS, max_size=1)):
        statements.insert(draw(st.integers(0, len(statements))), other)
    last = draw(st.sampled_from(decisions) | st.none())
    if last is None and decisions is DECISIONS and draw(st.booleans()):
        last = draw(maps())
    return Rule.of([*statements, *([] if last is None else [last])])


TWISTS = {"==": "!=", "!=": "==", "in": "!", "!": "in"}
OTHER_SELECTORS = {"tcp dport": "udp dport", "udp dport": "th dport", "ip protocol": "meta l4proto"}


def twisted(match):
    """Ask nearly the same: of another header, or the contrary."""
    text = match.left.selector.text if isinstance(match.left, Select) else ""
    if text in OTHER_SELECTORS:
        return Match(Select(SELECTORS[OTHER_SELECTORS[text]]), match.operator, match.right)
    return Match(match.left, TWISTS.get(match.operator, match.operator), match.right)


@st.composite
def wider(draw, drawn):
    """Put before some rules a part of what they ask, or nearly so, and changes in between."""
    found = []
    for rule in draw(st.lists(drawn, min_size=1, max_size=3)):
        matches = [each for each in rule.statements if isinstance(each, Match)]
        if matches and draw(st.booleans()):
            part = draw(st.lists(st.sampled_from(matches), min_size=1, max_size=2))
            part = [twisted(each) if draw(st.sampled_from((0, 0, 1))) else each for each in part]
            part += draw(st.lists(OTHERS, max_size=1)) if draw(st.booleans()) else []
            found.append(Rule.of([*part, draw(st.sampled_from((*DECISIONS[:3], *DECISIONS[4:])))]))
            found += [Rule.of([each]) for each in draw(st.lists(OTHERS, max_size=1))]
        found.append(rule)
    return found


SADDR = SELECTORS["ip saddr"]


def named(name, flags, numbers):
    elements = tuple(Element(value("ip saddr", number)) for number in numbers)
    return NamedSet(
        name=name,
        key="type ipv4_addr",
        types=(SADDR.type,),
        sizes=(32,),
        flags=frozenset(flags),
        elements=elements,
    )


@st.composite
def tables(draw):
    family = draw(st.sampled_from(("inet", "inet", "ip")))
    outer = draw(wider(rules(DECISIONS)))
    inner = draw(st.lists(rules(DECISIONS[:4] + DECISIONS[6:]), max_size=2))
    chains = (
        Chain(name="outer", rules=tuple(outer), type="filter", hook="forward"),
        Chain(name="inner", rules=tuple(inner)),
    )
    sets = (named("fixed", ["constant"], (1, 2)), named("open", [], (1, 3)), named("grown", [], ()))
    return Table(family=family, name="t", chains=chains, sets=sets)


@given(tables(), st.lists(packets(), min_size=20, max_size=40), st.randoms(use_true_random=False))
def test_what_is_said_never_to_match_never_does(table, drawn, random):
    places = {each.place: each for each in lint([table]) if each.kind in NEVER and each.place}
    for kind in {each.kind for each in places.values()}:
        event(kind)
    for read in drawn:
        if table.family == "ip" and read["meta nfproto"] != 2:
            continue
        run = Run(table, read, lambda: random.random() < 0.5)
        run.chain("outer")
        for place in run.matched:
            found = places.get(place)
            is_repeat = found is not None and "right before" in found.message
            is_chain = found is not None and "no hook" in found.message
            assert found is None or is_repeat or is_chain, (found, read)
