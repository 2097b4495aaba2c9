"""How much a tracker keeps at most: connections, expectations, fragments, and of whom."""

from __future__ import annotations

from typing import Any, Final

import attrs

from statefulinspect.checks import ConfigError, count_or_none, rate_or_none, whole_number

NEEDS: Final = {
    "adaptive_start": "adaptive_end",
    "adaptive_end": "adaptive_start",
    "burst_per_source": "new_per_second_per_source",
}


@attrs.frozen(kw_only=True)
class Limits:
    """Hold how much the tracker keeps at most; None means without bound.

    `max_connections`: once there are as many, a new one takes the place of the oldest that is not
    assured; if all are, it is dropped (`Reason.TABLE_FULL`). `max_half_open`: how many may be
    unassured at once; one more takes the place of the oldest. `max_per_source`: how many
    connections one source may have opened, an IPv6 source being all of its /64
    (`Reason.SOURCE_FULL`). `new_per_second_per_source`: how fast it may open more, at most
    `burst_per_source` at once, a second's worth if that is not given (`Reason.SOURCE_TOO_FAST`).

    From `adaptive_start` connections on, lives are shortened as in pf: in proportion to how far
    the number is from `adaptive_end`, where they would be none.

    `max_expectations` bounds what helpers have announced. `max_fragment_octets` is how much memory
    the held fragments of each IP version may take before further ones are dropped; each counts for
    800 octets more than it has, and a datagram for 200. `max_fragment_distance` is how far apart
    two fragments of an IPv4 datagram may be, counted in fragments of their source, before it is
    begun anew; 0 means any distance.

    The defaults are Linux's (`nf_conntrack_max` of a machine with much memory,
    `nf_conntrack_expect_max`, `ipfrag_high_thresh`, `ipfrag_max_dist`); what Linux does not have is
    None. ConfigError for what is out of range, or does not fit together.

    >>> Limits(max_connections=10_000, max_per_source=100).max_half_open is None
    True
    >>> Limits(adaptive_start=6_000)
    Traceback (most recent call last):
    ...
    statefulinspect.checks.ConfigError: adaptive_start=6000: expected adaptive_end, too
    """

    max_connections: int | None = attrs.field(default=262_144, validator=count_or_none)
    max_half_open: int | None = attrs.field(default=None, validator=count_or_none)
    max_per_source: int | None = attrs.field(default=None, validator=count_or_none)
    new_per_second_per_source: float | None = attrs.field(default=None, validator=rate_or_none)
    burst_per_source: int | None = attrs.field(default=None, validator=count_or_none)
    adaptive_start: int | None = attrs.field(default=None, validator=count_or_none)
    adaptive_end: int | None = attrs.field(default=None, validator=count_or_none)
    max_expectations: int = attrs.field(default=4096, validator=whole_number(1, 1 << 31))
    max_fragment_octets: int = attrs.field(default=1 << 22, validator=whole_number(1, 1 << 40))
    max_fragment_distance: int = attrs.field(default=64, validator=whole_number(0, 1 << 31))

    def __attrs_post_init__(self) -> None:
        """Refuse limits that do not fit together."""
        for name, needed in NEEDS.items():
            if getattr(self, name) is not None and getattr(self, needed) is None:
                msg = f"{name}={getattr(self, name)}: expected {needed}, too"
                raise ConfigError(msg)
        most = max(self.adaptive_start or 0, self.max_connections or 0)
        if self.adaptive_end is not None and self.adaptive_end <= most:
            given = f"adaptive_end={self.adaptive_end}"
            msg = f"{given}: expected more than {most}, or nothing would live"
            raise ConfigError(msg)

    @property
    def looks_at_sources(self) -> bool:
        """Say whether anything depends on who opens a connection."""
        return (self.max_per_source, self.new_per_second_per_source) != (None, None)

    @classmethod
    def linux(cls, **changes: Any) -> Limits:
        """Make the limits of Linux 6.18, with any field changed by name."""
        return cls(**changes)
