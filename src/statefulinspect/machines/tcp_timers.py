"""How long a TCP connection lives after its last segment.

Each state has its timeout. Three signs that the ends do not get on cut it short: the same segment
again and again, data that nobody acknowledges, and a window that stays closed.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.config import Config, Timeouts
from statefulinspect.connection import Side
from statefulinspect.machines.side_flags import UNACKNOWLEDGED
from statefulinspect.machines.tcp_table import (
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT,
    LAST_ACK,
    NONE,
    SYN_RECV,
    SYN_SENT,
    SYN_SENT2,
    TIME_WAIT,
    TcpState,
)

SYN_SENT2_TIMEOUT: Final = 120.0  # seconds: the only state without a sysctl in Linux


class TcpTimers:
    """Tell how long to live, by state and by how the ends get on."""

    def __init__(self, config: Config, syn_sent2: float = SYN_SENT2_TIMEOUT) -> None:
        self.by_state = state_timeouts(config.timeouts, syn_sent2)
        self.unacknowledged = config.timeouts.tcp_unacknowledged
        self._repeated = config.timeouts.tcp_max_retrans
        self._max_retrans = config.tcp.max_retrans
        # No acknowledgement has opened a window yet, when a SYN and when its answer are seen.
        self.opening = min(self.by_state[SYN_SENT], self._repeated)
        self.answering = min(self.by_state[SYN_RECV], self._repeated)
        self.unhindered = tuple(map(self._unhindered, self.by_state))
        self.waiting = tuple(map(self._waiting, self.by_state))

    def lifetime(self, side: Side, state: TcpState, *, is_reset: bool = False) -> float:
        """Tell the seconds that a segment of `side` leaves in the state it led to.

        A reset leaves the short life of CLOSE even where it is doubted and the state stays.
        """
        connection = side.connection
        full = self.by_state[state]
        if connection.repeats >= self._max_retrans and full > self._repeated:
            return self._repeated
        if is_reset:
            return self.by_state[CLOSE]
        if (side.flags | side.other.flags) & UNACKNOWLEDGED and full > self.unacknowledged:
            return self.unacknowledged
        if connection.last_window == 0 and full > self._repeated:
            return self._repeated
        return full

    def _unhindered(self, full: float) -> float:
        """Tell what `lifetime` comes to if nothing was repeated, and windows are open."""
        return full if self._max_retrans else min(full, self._repeated)

    def _waiting(self, full: float) -> float:
        """Tell the same while data waits to be acknowledged."""
        unhindered = self._unhindered(full)
        return min(full, self.unacknowledged) if unhindered == full else unhindered


def state_timeouts(timeouts: Timeouts, syn_sent2: float) -> tuple[float, ...]:
    """Lay the timeouts out by state."""
    by_state = {
        NONE: 0.0,
        SYN_SENT: timeouts.tcp_syn_sent,
        SYN_RECV: timeouts.tcp_syn_recv,
        ESTABLISHED: timeouts.tcp_established,
        FIN_WAIT: timeouts.tcp_fin_wait,
        CLOSE_WAIT: timeouts.tcp_close_wait,
        LAST_ACK: timeouts.tcp_last_ack,
        TIME_WAIT: timeouts.tcp_time_wait,
        CLOSE: timeouts.tcp_close,
        SYN_SENT2: syn_sent2,
    }
    return tuple(by_state[state] for state in TcpState)
