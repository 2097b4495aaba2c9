"""What one rule is: statements in their order, and where it stands.

A rule made of keywords is written in nft's statements at once. Where nft needs several rules for
it, because its addresses are of both IP versions say, these are its forms.
"""

from __future__ import annotations

from typing import Callable, Iterable, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.rules import fields
from statefulinspect.rules.fields import Prefixes, Several
from statefulinspect.rules.keywords import forms_of
from statefulinspect.rules.syntax.constants import quoted
from statefulinspect.rules.syntax.statements import Decide, Reject, Statement, UseObject
from statefulinspect.terms import ACCEPT, DROP, Action, CtState

Form = tuple[Statement, ...]


class Place(NamedTuple):
    """Tell where a rule stands; `line` is that of the text, or of an included `file`, or None."""

    family: str
    table: str
    chain: str
    number: int
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        """Write it as nft does in a trace, with the line behind."""
        file = f" of {self.file}" if self.file else ""
        line = "" if self.line is None else f", line {self.line}{file}"
        return f"{self.family} {self.table} {self.chain} rule {self.number}{line}"


class Rule:
    """State what becomes of packets: by keywords, or by nft statements.

    Keywords are fields to match, each one value or a list of alternatives, and the action.
    `protocol`: number or name; `source`, `destination`: prefixes; `source_port`,
    `destination_port`: a port or (first, last), which only TCP, UDP, UDP-Lite and SCTP have;
    `icmp_type`: number or nftables' name; `iif`, `oif`: interface names, `mark`: as given to
    `process`. `helper` is no field to match: it names who reads the connections that the rule lets
    begin. Wrong values raise `RuleError` here, never while packets are judged, and so do fields
    that no packet can have together.

    >>> print(Rule(Action.ACCEPT, ct_state="new", protocol="tcp", destination_port=[22, (80, 89)]))
    ct state new tcp dport { 22, 80-89 } accept
    """

    __slots__ = ("comment", "forms", "handle", "place")

    def __init__(  # noqa: PLR0913 - each is a keyword that a rule may have
        self,
        action: Action,
        *,
        ct_state: Several[CtState | str] | None = None,
        iif: Several[str] | None = None,
        oif: Several[str] | None = None,
        source: Prefixes | None = None,
        destination: Prefixes | None = None,
        protocol: Several[int | str] | None = None,
        source_port: Several[int | tuple[int, int]] | None = None,
        destination_port: Several[int | tuple[int, int]] | None = None,
        icmp_type: Several[int | str] | None = None,
        mark: Several[int] | None = None,
        helper: str | None = None,
    ) -> None:
        keywords = {
            "ct_state": fields.ct_states(ct_state),
            "iif": fields.interfaces(iif),
            "oif": fields.interfaces(oif),
            "source": fields.prefixes(source),
            "destination": fields.prefixes(destination),
            "protocol": fields.protocols(protocol),
            "source_port": fields.port_ranges(source_port),
            "destination_port": fields.port_ranges(destination_port),
            "icmp_type": fields.icmp_types(icmp_type),
            "mark": fields.marks(mark),
            "helper": fields.helper(helper),
        }
        self.forms: tuple[Form, ...] = forms_of(action, keywords)
        self.comment = ""
        self.handle: int | None = None
        self.place: Place | None = None

    @classmethod
    def of(
        cls,
        statements: Iterable[Statement],
        *,
        comment: str = "",
        handle: int | None = None,
        place: Place | None = None,
    ) -> Rule:
        """Make a rule of nft statements; `place` is given to it by its ruleset otherwise."""
        rule = cls.__new__(cls)
        rule.forms = (tuple(statements),)
        rule.comment, rule.handle, rule.place = comment, handle, place
        return rule

    def copied(self) -> Rule:
        """Make another rule that says the same, and knows its place in the text."""
        rule = Rule.__new__(Rule)
        rule.forms, rule.comment = self.forms, self.comment
        rule.handle, rule.place = self.handle, self.place
        return rule

    @property
    def statements(self) -> Form:
        """Give the statements, of the first form if there are several."""
        return self.forms[0]

    @property
    def action(self) -> Action | None:
        """Tell what the rule decides of every packet that it matches; None if that depends."""
        last = self.statements[-1] if self.statements else None
        if isinstance(last, Reject):
            return Action.REJECT
        return {"accept": ACCEPT, "drop": DROP}.get(last.kind) if isinstance(last, Decide) else None

    @property
    def resets(self) -> bool:
        """Tell whether it answers packets with a TCP reset."""
        last = self.statements[-1] if self.statements else None
        return isinstance(last, Reject) and last.kind == "tcp reset"

    @property
    def helper(self) -> str | None:
        """Name the ct helper that the rule sets; None if it sets none, or a map tells it."""
        uses = [each for each in self.statements if isinstance(each, UseObject)]
        names = [each.name for each in uses if each.kind == "ct helper"]
        return names[-1] if names and isinstance(names[-1], str) else None

    def __str__(self) -> str:
        """Write the rule as nft does, one line for each form."""
        return self.written(str)

    def written(self, write: Callable[[Statement], str]) -> str:
        """Write the rule, each statement as it is told."""
        comment = f" comment {quoted(self.comment)}" if self.comment else ""
        return "\n".join(" ".join(map(write, form)) + comment for form in self.forms)

    def __repr__(self) -> str:
        """Show the nft text."""
        return f"Rule({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same, wherever they stand."""
        if not isinstance(other, Rule):
            return NotImplemented
        return self.forms == other.forms and self.comment == other.comment

    def __hash__(self) -> int:
        """Hash what the rule says."""
        return hash(self.forms)
