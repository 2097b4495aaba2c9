"""How a text of nft's language falls into words: the lexer that the parser asks.

It is contextual: a word is a keyword only where the parser can use it as one, which the parser's
state tells; a `# handle 4`, as `nft -a` writes it, is read where a handle may stand and is a
comment elsewhere. The words come out as the `Word` and `Number` that the tree is made of.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Final, Iterator, Mapping, Union  # noqa: UP035 - Python 3.9

from lark import Token
from lark.common import LexerConf
from lark.grammar import Rule
from lark.lexer import Lexer

from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.tree import Number, Seconds, Word
from statefulinspect.rules.language.words import CLASSES, SIGNS
from statefulinspect.rules.words.symbols_notation import read_number
from statefulinspect.rules.words.symbols_time import DURATION_PATTERN, MOST_DIGITS, read_duration

Leaf = Union[Word, Number, Seconds]

_HEX = r"[0-9a-fA-F]{1,4}"
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6 = (
    rf"(?:{_HEX}:){{7}}{_HEX}|(?:{_HEX}:){{6}}{_IPV4}"
    rf"|(?:{_HEX}(?::{_HEX})*)?::(?:(?:{_HEX}:)*(?:{_IPV4}|{_HEX}))?"
)
# A dot behind a digit begins no name: numbers with dots are addresses, if wrong ones.
_NAME = r"(?:[A-Za-z_]|(?<![\w.])\.[\w./-])[\w./-]*"
SCANNER: Final = re.compile(
    rf"""
    (?P<blank>    (?:[ \t\r]|\\\r?\n)+ )
  | (?P<HANDLE>   \#[ \t]*handle[ \t]+\d+[ \t\r]*(?=\n|$) )
  | (?P<comment>  \#[^\n]* )
  | (?P<_NL>      \n )
  | (?P<ADDRESS>  {_IPV4}(?![\w.])
                | (?:[0-9a-fA-F]{{1,2}}:){{5}}[0-9a-fA-F]{{1,2}}(?![\w:])
                | (?:{_IPV6})(?![\w:])
                | \[(?:{_IPV6})\] )
  | (?P<classid>  {_HEX}:{_HEX}(?=[ \t\r\n:;,}}-]) )
  | (?P<ethertype> 8021(?:q|ad)(?!\w) )
  | (?P<DURATION> (?=\d+[dhms]){DURATION_PATTERN}(?![\w.]) )
  | (?P<NUMBER>   0[xX][0-9a-fA-F]+ | \d+ )
  | (?P<word>     {_NAME}(?:\\\*[\w./-]*)*\*? )
  | (?P<QUOTED>   "[^"\n]*" )
  | (?P<VARIABLE> \${_NAME} )
  | (?P<SET_NAME> @{_NAME} )
  | (?P<PREFIX>   /[ \t]*(?:0[xX][0-9a-fA-F]+|\d+)(?![\w.]) )
  | (?P<sign>     ==|!=|<=|>=|<<|>>|[-<>&|^!,.:/+{{}}()\[\]=*;@] )
    """,
    re.VERBOSE | re.ASCII,
)
RAW_BASES: Final = ("@ll", "@nh", "@th", "@ih")


def _quoted(text: str, line: int, column: int) -> Leaf:
    word = Word(text[1:-1], line, column)
    word.is_quoted = True
    return word


def _number(text: str, line: int, column: int) -> Leaf:
    number = read_number(text)
    assert number is not None, "the scanner takes nothing else for a number"
    return Number(number, line, column)


def _duration(text: str, line: int, column: int) -> Leaf:
    milliseconds = read_duration(text)
    if milliseconds is None:
        msg = f"{text!r}: expected a duration of numbers with at most {MOST_DIGITS} digits"
        raise RuleError(msg, line, column)
    if milliseconds % 1000:
        return Seconds(milliseconds / 1000, line, column)
    return Number(milliseconds // 1000, line, column)


READERS: Final[Mapping[str, Callable[[str, int, int], Leaf]]] = {
    "_NL": Word,
    "ADDRESS": lambda text, line, column: Word(text.strip("[]"), line, column),
    "DURATION": _duration,
    "NUMBER": _number,
    "QUOTED": _quoted,
    "VARIABLE": Word,
    "SET_NAME": Word,
    "PREFIX": lambda text, line, column: _number(text[1:].lstrip(), line, column),
    "HANDLE": lambda text, line, column: _number(text.split()[-1], line, column),
}
NUMBERS: Final = frozenset({"NUMBER", "DURATION", "PREFIX", "HANDLE"})
LONGEST_NUMBER: Final = 64  # nft's own have 128 bits at most


class NftLexer(Lexer):
    """Cut a text into the words that the parser can use."""

    __future_interface__ = 2  # lark then gives `lex` the parser's state

    def __init__(self, lexer_conf: LexerConf) -> None:
        self._terminals: dict[str, list[str]] = {}
        for terminal in lexer_conf.terminals:
            self._terminals.setdefault(terminal.pattern.value, []).append(terminal.name)
        for name, words in CLASSES.items():
            for word in words:
                self._terminals.setdefault(word, []).append(name)
        for sign, name in SIGNS.items():
            self._terminals.setdefault(sign, []).append(name)

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
        """Yield the words of a text; at its end a newline, for that ends a command as well."""
        text = getattr(lexer_state.text, "text", lexer_state.text)
        line, start, position, length = 1, 0, 0, len(text)
        while position < length:
            found = SCANNER.match(text, position)
            column = position - start + 1
            if found is None:
                raise _unreadable(text, position, line, column)
            position = found.end()
            kind = found.lastgroup
            assert kind is not None
            if kind == "blank":
                if "\n" in found[0]:  # a line continued behind a backslash
                    line += found[0].count("\n")
                    start = found.start() + found[0].rindex("\n") + 1
                continue
            if kind == "comment" or (kind == "HANDLE" and not can_take("HANDLE", parser_state)):
                continue
            yield self._leaf(kind, found[0], line, column, parser_state)
            if kind == "_NL":
                line, start = line + 1, position
        yield Token("_NL", "\n", position, line, position - start + 1)

    def _leaf(self, kind: str, text: str, line: int, column: int, parser_state: Any) -> Leaf:
        """Make what the parser gets, of the terminal that it can use."""
        if kind in READERS:
            if kind in NUMBERS and len(text) > LONGEST_NUMBER:
                msg = f"{text[:LONGEST_NUMBER]!r}...: expected a number of fewer digits"
                raise RuleError(msg, line, column)
            leaf = READERS[kind](text, line, column)
            leaf.type = "RAW" if text in RAW_BASES and can_take("RAW", parser_state) else kind
            return leaf
        leaf = Word(text, line, column)
        leaf.type = "SIGN" if kind == "sign" else "NAME"
        for name in self._terminals.get(text, ()):
            if can_take(name, parser_state):
                leaf.type = name
                break
        return leaf


def can_take(terminal: str, parser_state: Any) -> bool:
    """Tell whether the parser can use a terminal as its next.

    Its state alone tells too much, for LALR states are merged: so this goes through what the
    parser would do, without doing it.
    """
    states = parser_state.parse_conf.states
    stack = parser_state.state_stack
    action = states[stack[-1]].get(terminal)
    if action is None:
        return False
    stack = stack[:]
    while action is not None and isinstance(action[1], Rule):
        size = len(action[1].expansion)
        if size:
            del stack[-size:]
        stack.append(states[stack[-1]][action[1].origin.name][1])
        action = states[stack[-1]].get(terminal)
    return action is not None


def _unreadable(text: str, position: int, line: int, column: int) -> RuleError:
    """Say what cannot be read, and why if that is plain."""
    if text[position] == '"':
        return RuleError("a quoted string has to end on its line", line, column)
    return RuleError(f"{text[position]!r}: no word of nft begins so", line, column)
