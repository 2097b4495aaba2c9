"""Limits that fit together."""

from __future__ import annotations

import pytest

from statefulinspect import ConfigError, Limits

COUNTS = [
    "max_connections",
    "max_half_open",
    "max_per_source",
]


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_a_number_from_one_on_or_none(name):
    for value in (1, 1 << 40, None):
        assert getattr(Limits(**{name: value}), name) == value
    for value in (0, -1, 1.0, True, "5"):
        with pytest.raises(ConfigError) as caught:
            Limits(**{name: value})
        expected = f"{name}={value!r}: expected a whole number from 1 on, or None"
        assert str(caught.value) == expected


def test_a_rate_has_bounds():
    for value in (1e-6, 1, 2.5, 1e6, None):
        assert Limits(new_per_second_per_source=value).new_per_second_per_source == value
    for value in (0, 0.9e-6, 1_000_001, True, "5", float("nan")):
        with pytest.raises(ConfigError, match=r"expected a number from 0\.000001 to 1000000, or"):
            Limits(new_per_second_per_source=value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"adaptive_start": 5}, "adaptive_end"),
        ({"adaptive_end": 5}, "adaptive_start"),
        ({"burst_per_source": 5}, "new_per_second_per_source"),
    ],
)
def test_what_goes_together(given, missing):
    (name,) = given
    with pytest.raises(ConfigError) as caught:
        Limits(**given)
    assert str(caught.value) == f"{name}=5: expected {missing}, too"


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"adaptive_start": 10, "adaptive_end": 10, "max_connections": None}, 10),
        ({"adaptive_start": 10, "adaptive_end": 20, "max_connections": 20}, 20),
    ],
)
def test_lives_never_shrink_to_nothing(limits, most):
    with pytest.raises(ConfigError, match=f"expected more than {most}, or nothing would live"):
        Limits(**limits)
    Limits(**{**limits, "adaptive_end": most + 1})
