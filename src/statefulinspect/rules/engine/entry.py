"""What one form of a rule is at work: what is looked up of it, and the steps that are left.

What the index can look up of a rule are the matches before everything else. A rule that only
decides has no steps. One that ends by a verdict map is looked up as an entry for each element, if
that is the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import zip_longest
from typing import Final, Iterator, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.actions import (
    UNSURE,
    Decision,
    Deed,
    Step,
    action_of,
    decision_of,
)
from statefulinspect.rules.engine.conditions import (
    OCTETS,
    Conditions,
    WordCondition,
    conditions_of,
    needs_to_look_up,
)
from statefulinspect.rules.engine.index import FINAL
from statefulinspect.rules.engine.intervals import Pair, complement
from statefulinspect.rules.engine.memory import CounterMemory
from statefulinspect.rules.engine.reading import Sets, counts_on, live_set, may_change
from statefulinspect.rules.engine.scope import LiveScope
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.rule import Form, Rule
from statefulinspect.rules.syntax.constants import Joined, Prefix, Span, Value
from statefulinspect.rules.syntax.expressions import Concat, Select
from statefulinspect.rules.syntax.statements import (
    Assign,
    Decide,
    DecideBy,
    Match,
    Statement,
    looked_at,
    settled_by,
)
from statefulinspect.rules.words.header_parts import EXTENSION_NUMBERS
from statefulinspect.rules.words.selectors import SELECTORS

NAMES_OF_ENDS: Final = ("saddr", "daddr", "proto-src", "proto-dst")
SPREAD_AT_MOST: Final = 64  # elements of a map that are looked up as rules are
ENDS_ALL: Final = FINAL | {"return", "goto"}
AT_THE_HEAD: Final = ("exthdr ", "ip option ", *(f"{header} " for header in EXTENSION_NUMBERS))
# By which a rule has settled already what nft would add; `meta protocol` does not.
SETTLES: Final = {
    "meta nfproto": "meta nfproto",
    **{f"ct {of}l3proto": "meta nfproto" for of in ("", "original ", "reply ")},
    "meta l4proto": "meta l4proto",
    "ip protocol": "meta l4proto",
    "ip6 nexthdr": "meta l4proto",
}


class Entry:
    """Hold one form of a rule: what is looked up of it, and the steps that are left.

    `decided` is what a rule without steps decides. One that `takes_all` at most counts, and lets no
    packet that meets its words go on; what that comes to `is_final` if it is no way to another
    chain. What is looked up has a step only when a trace asks for it: making all of them would take
    most of the time in which ten thousand rules compile.
    """

    __slots__ = ("_asks_ends", "_can_be_tried", "_deeds", "_form", "_scope", "decided", "is_final",
                 "numbers", "rule", "steps", "takes_all", "varies", "words")  # fmt: skip

    def __init__(self, rule: Rule, form: Form, scope: LiveScope) -> None:
        self.rule, self._scope = rule, scope
        more = implied(form)
        self._form = form = (*more, *form) if more else form
        deeds: list[Deed | None] = []
        words: dict[WordCondition, None] = {}  # each is asked for once
        self.numbers: dict[str, Sequence[Pair]] = {}
        is_pure = True  # so far only matches, which may be asked in any order
        for statement in form:
            match = statement if is_pure and isinstance(statement, Match) else None
            found = None if match is None else conditions_of(match)
            is_pure = match is not None and not counts_on(match, scope.sets)
            if found is not None and (
                (scope.changes_state and found.asks_state)
                or (scope.changes_headers and found.reads_headers)
            ):
                found = None
            deeds.append(action_of(statement, scope) if found is None else None)
            if found is not None:
                words.update(dict.fromkeys(found.words))
                self._ask_number(found)
            elif match is not None and not scope.changes_headers:
                words.update(dict.fromkeys(needs_to_look_up(match.left)))
        self.words = tuple(words)
        left = [deed for deed in deeds if deed is not None]
        self.varies = any(deed.varies for deed in left)
        only_counts = all(isinstance(deed.memory, CounterMemory) for deed in left[:-1])
        last = form[-1] if form and only_counts else None
        ending = decision_of(last) if isinstance(last, Decide) else None
        self.decided = ending if len(left) == 1 else None
        self.steps: Sequence[Step] = [deed.step for deed in left] if self.decided is None else ()
        self._can_be_tried = all(deed.can_be_tried for deed in left)
        self._asks_ends = self.decided is None and any(map(_asks_ends, form))
        self._deeds = deeds if self.decided is None else ()
        kind = None if ending is None or self.numbers else ending.kind
        self.takes_all, self.is_final = kind in ENDS_ALL, kind in FINAL

    def spread(self) -> list[Entry]:
        """Give an entry for each element, if all that is to do is to look up a map; else itself."""
        last = self._form[-1] if self._form else None
        if not isinstance(last, DecideBy):
            return [self]
        forms = [(*self._form[:-1], *each) for each in _elements(last, self._scope.sets)]
        entries = [Entry(self.rule, form, self._scope) for form in forms]
        return entries if entries and all(each.decided for each in entries) else [self]

    @property
    def deeds(self) -> list[tuple[Statement, Deed]]:
        """Give every statement and its step."""
        kept = zip_longest(self._form, self._deeds)
        made = [deed or action_of(each, self._scope) for each, deed in kept]
        return list(zip(self._form, made))

    def _ask_number(self, asked: Conditions) -> None:
        """Ask for a number; where the same field is asked for twice, both have to hold."""
        field, pairs = asked.field, asked.pairs
        if field in self.numbers:
            bits = OCTETS[field] * 8
            left_out = [*complement(self.numbers[field], bits), *complement(pairs, bits)]
            pairs = complement(left_out, bits)
        if field:
            self.numbers[field] = pairs

    def run(self, walk: Walk) -> Decision | None:
        """Take the steps that are left; tell how the rule ends, None if it just ends."""
        if walk.is_foretold and not self._can_foretell(walk):
            return UNSURE
        if self.varies:
            walk.varies = True
        for step in self.steps:
            outcome = step(walk)
            if outcome is not None:
                return outcome
        return None

    def _can_foretell(self, walk: Walk) -> bool:
        """Say whether the steps can be tried, and have all that they look at."""
        return self._can_be_tried and not (self._asks_ends and walk.is_fresh)


def _elements(last: DecideBy, sets: Sets) -> Iterator[Form]:
    """Write what a verdict map says as a form for each element; nothing if that is not the same."""
    found = live_set(last.data, sets)
    parts = last.key.parts if isinstance(last.key, Concat) else (last.key,)
    elements = [item.element for item in found]
    keys = [each.key.parts if isinstance(each.key, Joined) else (each.key,) for each in elements]
    kinds = (Value,) if len(parts) > 1 else (Value, Span, Prefix)  # those never overlap
    is_plain = all(isinstance(part, kinds) for key in keys for part in key)
    if len(elements) > SPREAD_AT_MOST or may_change(found) or not is_plain:
        return
    for element, key in zip(elements, keys):
        yield (*(Match(part, "==", value) for part, value in zip(parts, key)), element.data)


def _asks_ends(statement: Statement) -> bool:
    """Say whether a statement looks at the addresses or ports of a connection."""
    return any(
        selector.text.startswith("ct ") and selector.text.endswith(NAMES_OF_ENDS)
        for selector in looked_at(statement)
    )


@lru_cache(maxsize=1024)
def _is_at_the_head(text: str) -> bool:
    return text.startswith(AT_THE_HEAD)


def _may_imply(statement: Statement) -> bool:
    if isinstance(statement, Match) and isinstance(statement.left, Select):  # as nearly all are
        return _is_at_the_head(statement.left.selector.text)
    return any(_is_at_the_head(selector.text) for selector in looked_at(statement))


def implied(form: Form) -> list[Match]:
    """Write what nft adds in front of a rule: the IP version of options and extension headers.

    What other selectors need is asked where they stand, behind a counter in front of them; what
    reject needs, the rule has written already.
    """
    if not any(map(_may_imply, form)):
        return []
    needs: dict[str, int] = {}
    known: set[str] = set()
    for statement in form:
        wanted: dict[str, int] = {}
        targets = [statement.target] if isinstance(statement, Assign) else []
        if isinstance(statement, Match):
            selected, numbers = settled_by(statement)
            known.add(SETTLES.get(selected, "") if numbers else "")
        for selector in (*targets, *looked_at(statement)):
            for text, allowed in selector.needs:
                if selector.text.startswith(AT_THE_HEAD):
                    wanted[text] = min(allowed)
                else:
                    known.add(text)
        needs.update({text: value for text, value in wanted.items() if text not in known})
    chosen = [(SELECTORS[text], value) for text, value in needs.items()]
    return [Match(Select(each), "==", Value(value, each.type)) for each, value in chosen]
