"""The naive tracker: a list, a linear scan, no wheel, no ready verdicts. The oracle.

It knows of UDP, ICMP echo and protocols by number what docs/states/request_reply.md says; TCP is
left to the scenarios and to the property of the two ways. It works on words, not on bytes:
(protocol, source, source port, destination, destination port).
"""

from __future__ import annotations

from dataclasses import dataclass

UNANSWERED, ANSWERED, GENERIC, PING = 30, 40, 600, 30


@dataclass
class Entry:
    flow: tuple
    created_at: float
    expires_at: float
    seen_reply: bool = False
    is_assured: bool = False
    packets: tuple = (0, 0)


class NaiveTracker:
    def __init__(self, may_open=lambda _: True) -> None:
        self.entries: list[Entry] = []
        self.may_open = may_open
        self.now = float("-inf")

    def process(self, flow: tuple, now: float) -> str:
        """Answer in one word: new, original, reply, refused or invalid."""
        self.advance(now)
        protocol, source, sport, destination, dport = flow
        back = (protocol, destination, dport, source, sport)
        for entry in self.entries:
            if entry.flow == back:
                return self._seen(entry, is_reply=True)
            if entry.flow == flow:
                return self._seen(entry, is_reply=False)
        if not self.may_open(flow):
            return "refused"
        entry = Entry(flow, self.now, self.now + self._life(flow, "UNREPLIED"), packets=(1, 0))
        self.entries.append(entry)
        return "new"

    def advance(self, now: float) -> None:
        self.now = max(now, self.now)
        self.entries = [entry for entry in self.entries if entry.expires_at > self.now]

    def _seen(self, entry: Entry, *, is_reply: bool) -> str:
        answer = "reply" if is_reply else "original" if entry.seen_reply else "new"
        is_udp = entry.flow[0] == "udp"
        streams = is_udp and entry.seen_reply and (
            entry.is_assured or self.now > entry.created_at + 2
        )  # fmt: skip
        entry.is_assured = streams
        entry.expires_at = self.now + self._life(entry.flow, "STREAM" if streams else "")
        entry.seen_reply = entry.seen_reply or is_reply
        sent, answered = entry.packets
        entry.packets = (sent, answered + 1) if is_reply else (sent + 1, answered)
        return answer

    def _life(self, flow: tuple, state: str) -> float:
        if flow[0] == "udp":
            return ANSWERED if state == "STREAM" else UNANSWERED
        return PING if flow[0] == "ping" else GENERIC
