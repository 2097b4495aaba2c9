"""The Linux connection tracker as an importable, deterministic, pure-Python library.

`Tracker.process(packet, now)` gives a `Verdict`: what the packet is (`CtState`, `Direction`), what
the rules decide (`Action`), and why (`Reason`). No I/O, no clock, no privileges.
"""

from statefulinspect.checks import ConfigError
from statefulinspect.config import Config, HelperPolicy, TcpPolicy, Timeouts
from statefulinspect.connection import Connection, Verdict
from statefulinspect.decoding import decode
from statefulinspect.dos import DosPolicy
from statefulinspect.events import Cause, Event, EventKind, FragmentEvent
from statefulinspect.expectation import Expectation
from statefulinspect.flowkey import FlowKey
from statefulinspect.limits import Limits
from statefulinspect.packet import Packet
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.sharding import shard_key
from statefulinspect.terms import Action, CtState, Direction, Reason
from statefulinspect.tracker import Tracker

__all__ = [
    "Action",
    "Cause",
    "Config",
    "ConfigError",
    "Connection",
    "CtState",
    "Direction",
    "DosPolicy",
    "Event",
    "EventKind",
    "Expectation",
    "FlowKey",
    "FragmentEvent",
    "HelperPolicy",
    "Limits",
    "Packet",
    "Reason",
    "Rule",
    "RuleError",
    "Ruleset",
    "TcpPolicy",
    "Timeouts",
    "Trace",
    "Tracker",
    "Verdict",
    "decode",
    "shard_key",
]
