"""How nft writes durations, instants and hours of the day, and the numbers that stand for them.

A duration counts milliseconds, an instant nanoseconds since 1970, an hour of the day seconds since
midnight: the units in which nft hands them to the kernel. nft converts instants and hours from the
local time zone; here they are UTC, for the library knows no zone.
"""

from __future__ import annotations

import re
from typing import Final

from statefulinspect.rules.words.symbols_notation import Notation, read_number

SECOND: Final = 1_000_000_000  # in nanoseconds
DAY: Final = 86_400  # in seconds
LAST_INSTANT: Final = ((1 << 64) - 1) // SECOND  # in the year 2554, in seconds
_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
DURATION_PATTERN: Final = "".join(f"(?:([0-9]+){unit}(?![a-z]))?" for unit in _UNITS)
_DURATION: Final = re.compile(DURATION_PATTERN)
MOST_DIGITS: Final = 8  # of each number in a duration, zeros before it included
_INSTANT: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?: ([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?)?"
)
_HOUR: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?")


def read_duration(text: str) -> int | None:
    """Read 1d2h3m4s5ms, units in this order, as milliseconds; a plain number is of seconds."""
    number = read_number(text)
    if number is not None:
        return number * 1000
    found = _DURATION.fullmatch(text)
    if found is None or not text or any(len(count or "") > MOST_DIGITS for count in found.groups()):
        return None
    return sum(int(count or 0) * unit for count, unit in zip(found.groups(), _UNITS.values()))


def show_duration(milliseconds: int) -> str:
    """Write a duration in the fewest units; none at all is 0s."""
    words = []
    for name, unit in _UNITS.items():
        count, milliseconds = divmod(milliseconds, unit)
        if count:
            words.append(f"{count}{name}")
    return "".join(words) or "0s"


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Count days in the proleptic Gregorian calendar, whose years begin in March here.

    Then the leap day is a year's last, and the days before month m of the year are (153 m + 2) / 5.
    """
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return (
        year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
    )


def _date_of(days: int) -> tuple[int, int, int]:
    """Find year, month and day: the inverse of `_days_since_1970`."""
    year = 1969 + days * 400 // 146_097  # days of 400 years; never too late, and soon right
    while _days_since_1970(year + 1, 1, 1) <= days:
        year += 1
    month = 12
    while _days_since_1970(year, month, 1) > days:
        month -= 1
    return year, month, days - _days_since_1970(year, month, 1) + 1


def _seconds_of_day(hour: int, minute: int, second: int) -> int | None:
    return hour * 3600 + minute * 60 + second if hour < 24 and max(minute, second) < 60 else None


def read_instant(text: str) -> int | None:
    """Read 2020-06-06 17:00:30, without its end if zero, or a number of seconds since 1970."""
    seconds = read_number(text)
    if seconds is None:
        seconds = _read_date(text)
    return seconds * SECOND if seconds is not None and 0 <= seconds <= LAST_INSTANT else None


def _read_date(text: str) -> int | None:
    """Read a date as seconds since 1970."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    days, seconds = _days_since_1970(year, month, day), _seconds_of_day(hour, minute, second)
    if days < 0 or _date_of(days) != (year, month, day) or seconds is None:
        return None
    return days * DAY + seconds


def show_instant(nanoseconds: int) -> str:
    """Write an instant to the second, in UTC."""
    days, seconds = divmod(nanoseconds // SECOND, DAY)
    year, month, day = _date_of(days)
    return f"{year:04}-{month:02}-{day:02} {_clock(seconds)}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def read_hour(text: str) -> int | None:
    """Read 17:00 or 17:00:30, a duration since midnight or a number of seconds, below a day."""
    found = _HOUR.fullmatch(text)
    if found:
        hour, minute, second = (int(part or 0) for part in found.groups())
        return _seconds_of_day(hour, minute, second)
    milliseconds = read_duration(text)
    seconds = DAY if milliseconds is None else milliseconds // 1000
    return seconds if seconds < DAY else None


def show_hour(seconds: int) -> str:
    """Write an hour of the day; its seconds only when there are some."""
    return _clock(seconds) if seconds % 60 else _clock(seconds)[:5]


DURATION: Final = Notation(read_duration, show_duration, "a duration like 1d2h3m4s")
INSTANT: Final = Notation(
    read_instant, show_instant, 'a date from 1970 to 2554 like "2020-06-06 17:00" or its seconds'
)
HOUR: Final = Notation(read_hour, show_hour, 'an hour of the day like "17:00"')
