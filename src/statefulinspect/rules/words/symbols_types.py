"""How words are read as values and values shown as words: one class for each kind of data type.

`datatypes` lists the types themselves. Values are whole numbers, in the byte order in which people
write them, except names of interfaces and helpers: those are text.
"""

from __future__ import annotations

from typing import ClassVar, Final, Mapping, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.errors import RuleError, near, near_first
from statefulinspect.rules.words.symbols_notation import M32, Notation, octets_in, read_number

Scalar = Union[int, str]
MANY_SYMBOLS: Final = 60  # more are too many to list in an error
NO_VALUE: Final = Notation(lambda _: None, str, "a verdict, like accept or jump other")


def unquoted(text: str) -> str:
    """Take away the double quotes around a word, if it has them."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


@attrs.frozen(eq=False)
class DataType:
    """Read and show whole numbers, of which some have names."""

    is_bitmask: ClassVar[bool] = False

    name: str
    bits: int = 0  # 0 where the selector tells
    symbols: Mapping[str, int] = attrs.field(factory=dict, repr=False, kw_only=True)
    number_form: str = attrs.field(default="{}", repr=False, kw_only=True)
    prints_symbols: bool = attrs.field(default=True, repr=False, kw_only=True)
    quotes: bool = attrs.field(default=False, repr=False, kw_only=True)
    highest: int | None = attrs.field(default=None, repr=False, kw_only=True)
    _words: Mapping[int, str] = attrs.field(init=False, repr=False)

    @_words.default
    def _first_names(self) -> Mapping[int, str]:
        return {number: word for word, number in reversed(list(self.symbols.items()))}

    def read(self, word: str | int, bits: int | None = None) -> Scalar:
        """Turn a word of a rule into its value, at most `bits` wide; raise `RuleError` if none.

        >>> DataType("nf_proto", 8, symbols={"ipv4": 2}).read("ipv4")
        2
        """
        value = self._value(unquoted(str(word)))
        if value is None or not self._fits(value, bits or self.bits):
            msg = f"{self.name} {word!r}: expected {self._expected(str(word), bits or self.bits)}"
            raise RuleError(msg)
        return value

    def show(self, value: Scalar) -> str:
        """Write a value as `nft list ruleset` prints it.

        >>> DataType("mark", 32, number_form="0x{:08x}").show(10)
        '0x0000000a'
        """
        word = self._words.get(value) if self.prints_symbols and isinstance(value, int) else None
        if word is None:
            return self.number_form.format(value)
        return f'"{word}"' if self.quotes else word

    def _value(self, text: str) -> Scalar | None:
        return self.symbols[text] if text in self.symbols else read_number(text)

    def _fits(self, value: Scalar, bits: int) -> bool:
        limit = self._limit(bits)
        return isinstance(value, int) and (limit is None or value <= limit)

    def _limit(self, bits: int) -> int | None:
        if self.highest is not None:
            return self.highest
        return (1 << bits) - 1 if bits else None

    def _expected(self, word: str, bits: int) -> str:
        limit = self._limit(bits)
        numbers = "a number" if limit is None else f"0 to {limit}"
        return self._with_symbols(numbers, unquoted(word))

    def _with_symbols(self, otherwise: str, word: str) -> str:
        """Name the words that would do; of very many, those that look like the one given."""
        known = list(self.symbols)
        if len(known) > MANY_SYMBOLS:
            known = near(word.lower(), known) or known[:8]
            return f"{otherwise} or a name like {', '.join(known)}"
        known = near_first(word.lower(), known)
        return f"{otherwise} or one of {', '.join(known)}" if known else otherwise


class BitmaskType(DataType):
    """Read and show sets of bits; `x a,b` matches when any of the bits named is set."""

    is_bitmask = True

    def show(self, value: Scalar) -> str:
        """Write the bits, lowest first, with commas between."""
        return ",".join(self._bit_words(value))

    def _value(self, text: str) -> Scalar | None:
        bits = 0
        for word in text.split(","):
            bit = super()._value(word.strip())
            if not isinstance(bit, int):
                return None
            bits |= bit
        return bits

    def _bit_words(self, value: Scalar) -> list[str]:
        assert isinstance(value, int)
        if not value or not self.symbols:
            return [f"{value:#x}"]
        bits = [1 << place for place in range(value.bit_length()) if value >> place & 1]
        return [self._words.get(bit, f"{bit:#x}") for bit in bits]


class LabelType(BitmaskType):
    """Read and show connection labels: the number 5 stands for the bit 1 << 5.

    nft reads further names from connlabel.conf; here labels have only numbers.
    """

    def _value(self, text: str) -> Scalar | None:
        """Read numbers of bits; those beyond the last give a value that does not fit."""
        numbers = [read_number(word.strip()) for word in text.split(",")]
        value = 0
        for number in numbers:
            if number is None:
                return None
            value |= 1 << min(number, self.bits)
        return value

    def _expected(self, word: str, bits: int) -> str:  # noqa: ARG002 - the labels are always 128
        return f"the number of a label, 0 to {self.bits - 1}"

    def _bit_words(self, value: Scalar) -> list[str]:
        assert isinstance(value, int)
        return [str(place) for place in range(value.bit_length()) if value >> place & 1] or ["0x0"]


@attrs.frozen(eq=False)
class WrittenType(DataType):
    """Read and show numbers that have a notation of their own: addresses and times."""

    notation: Notation = attrs.field(default=NO_VALUE, repr=False, kw_only=True)

    def show(self, value: Scalar) -> str:
        """Write a number in the notation of the type."""
        assert isinstance(value, int)
        text = self._words.get(value) or self.notation.show(value)
        return f'"{text}"' if self.quotes else text

    def _value(self, text: str) -> Scalar | None:
        return self.symbols[text] if text in self.symbols else self.notation.read(text)

    def _expected(self, word: str, bits: int) -> str:  # noqa: ARG002 - the notation tells the range
        return self._with_symbols(self.notation.expects, unquoted(word))


class TextType(DataType):
    """Read and show text, one octet shorter than the field that ends it with a zero octet."""

    def show(self, value: Scalar) -> str:
        """Write text in double quotes."""
        return f'"{value}"'

    def _value(self, text: str) -> Scalar | None:
        return text

    def _fits(self, value: Scalar, bits: int) -> bool:
        length = octets_in(str(value))
        return (
            length > 0
            and (not bits or length < bits // 8)
            and value != "*"
            and '"' not in str(value)
        )

    def _expected(self, word: str, bits: int) -> str:  # noqa: ARG002 - any word is refused alike
        return f"1 to {bits // 8 - 1} octets, not only a *" if bits else "some text"


class InterfaceType(TextType):
    """Read and show interfaces that nft knows by index; here they have only names.

    Two numbers mean the same everywhere: 1 is lo, and 0 is no interface, whose name is empty. Any
    other number, which nft prints once the interface is gone, is none that a packet could come by.
    """

    def read(self, word: str | int, bits: int | None = None) -> Scalar:  # noqa: ARG002 - see super
        """Turn the name or number of an interface into a name; a number gets a slash in front."""
        text = unquoted(str(word))
        number = read_number(text)
        if number in (0, 1):
            return "lo" if number else ""
        if number is not None and number <= M32:
            return f"/{number}"  # no name of an interface has a slash
        if number is not None or "*" in text or "/" in text or not self._fits(text, 128):
            msg = f"{self.name} {word!r}: expected the name of an interface, or a number"
            raise RuleError(msg)
        return text

    def show(self, value: Scalar) -> str:
        """Write the name in double quotes; no interface is 0."""
        text = str(value)
        return text[1:] if text[:1] == "/" else super().show(text) if text else "0"
