"""Which elements that overlap are taken, as nft 1.0.6 and Linux take and refuse them."""

from __future__ import annotations

import pytest

from statefulinspect import RuleError, Ruleset

PORTS, NAMES = "tcp sport . tcp dport", "iifname . tcp dport"
ADDRESSES = "ip saddr . tcp dport"
TAKEN = [
    (ADDRESSES, ["10.0.1.5 . 22", "10.0.1.0/24 . 1-1000"]),
    ("udp sport . udp dport", ["0-65535 . 53", "53 . 0-65535"]),
    ("udp sport . udp dport", ["53 . 0-65535", "0-65535 . 53"]),
    ("meta l4proto . th dport", ["tcp . 22", "tcp . 20-30"]),
    (NAMES, ['"lan0" . 22', '"lan*" . 1-100']),
    (NAMES, ['"lan*" . 1-100', '"la*" . 22']),
    (NAMES, ['"la*" . 22', '"lan*" . 1-100']),
    (NAMES, ['"lan*" . 22', '"la*" . 1-100']),
    (PORTS, ["1-5 . 1-5", "1-5 . 1-5", "2-6 . 9"]),
    (PORTS, ["5 . 5", "1-10 . 1-10", "5 . 5"]),
    ("meta mark . tcp dport", ["0x00000005 . 22", "0x00000001-0x0000000a . 22"]),
    ("ct state . tcp dport", ["new . 22", "new . 1-30"]),
    ("ip saddr . tcp sport . tcp dport", ["10.0.1.5 . 1-9 . 22", "10.0.1.0/24 . 5 . 0-65535"]),
]
REFUSED = [  # the last overlaps the one that is named
    (ADDRESSES, ["10.0.1.0/24 . 1-1000", "10.0.1.5 . 22"], 0),
    (ADDRESSES, ["10.0.1.5 . 22", "10.0.1.0/24 . 1-1000", "10.0.1.200 . 30"], 1),
    ("meta l4proto . th dport", ["tcp . 20-30", "tcp . 22"], 0),
    ("meta l4proto . th dport", ["tcp . 20-30", "tcp . 25-40"], 0),
    ("meta l4proto . th dport", ["tcp . 25-40", "tcp . 20-30"], 0),
    (NAMES, ['"lan*" . 1-100', '"lan0" . 22'], 0),
    (NAMES, ['"la*" . 1-100', '"lan*" . 22-23'], 0),
    ("meta mark . tcp dport", ["0x00000001-0x0000012c . 22", "0x00000100 . 22"], 0),
    ("ip saddr . tcp sport . tcp dport", ["10.0.1.0/24 . 5-9 . 1-99", "10.0.1.5 . 9 . 22"], 0),
]


def parse(rule):
    return Ruleset.parse(
        f"table inet t {{\n chain c {{\n type filter hook forward priority 0\n {rule}\n }}\n}}\n"
    )


@pytest.mark.parametrize(("key", "elements"), TAKEN)
def test_taken_and_printed_in_their_order(key, elements):
    """The text is as good as what it was made of: nft and the library take it again."""
    for word, more in (("", ""), ("vmap ", " : drop")):
        told = ", ".join(each + more for each in elements)
        text = str(parse(f"{key} {word}{{ {told} }} counter"))
        printed = ", ".join(each + more for each in dict.fromkeys(elements))
        assert f"{key} {word}{{ {printed} }}" in text
        assert str(Ruleset.parse(text)) == text


@pytest.mark.parametrize(("key", "elements", "other"), REFUSED)
def test_refused_where_one_begins_or_ends_within_another(key, elements, other):
    with pytest.raises(RuleError) as caught:
        parse(f"{key} {{ {', '.join(elements)} }} drop")
    expected = f"conflicting intervals: {elements[-1]} overlaps {elements[other]}"
    assert caught.value.message == expected


@pytest.mark.parametrize(
    ("more", "is_taken"),
    [
        ("add element inet t s { 10.0.1.5 . 22 }", True),
        ("add element inet t s { 10.0.1.0-10.0.1.255 . 1-1000 }", True),  # the same in other words
        ("add element inet t s { 10.0.1.6 . 22 }", False),
        (
            "delete element inet t s { 10.0.1.5 . 22 }\nadd element inet t s { 10.0.1.5 . 22 }",
            False,
        ),
    ],
)
def test_elements_added_later_come_behind(more, is_taken):
    elements = "10.0.1.5 . 22, 10.0.1.0/24 . 1-1000"
    text = "table inet t {\n set s { type ipv4_addr . inet_service; flags interval\n"
    text += f" elements = {{ {elements} }} }}\n}}\n{more}\n"
    if is_taken:
        assert f"elements = {{ {elements} }}" in str(Ruleset.parse(text))
        return
    with pytest.raises(RuleError, match="conflicting intervals"):
        Ruleset.parse(text)


def test_one_key_in_other_words_is_repeated_and_leads_to_one_thing():
    maps = "tcp dport vmap {{ 1-5 : accept, 1-5 : accept, 7 : drop, 7-7 : {} }}"
    assert "{ 1-5 : accept, 7 : drop }" in str(parse(maps.format("drop")))
    with pytest.raises(RuleError, match="element 7-7: two elements of a map have this key"):
        parse(maps.format("accept"))
