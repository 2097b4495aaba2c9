"""Ask rules alone about a packet, without a tracker: by the index, and by a trace."""

from __future__ import annotations

from statefulinspect.config import Config
from statefulinspect.judge import Judge
from statefulinspect.rules.engine.path import decide
from statefulinspect.rules.engine.trace import Recorder
from statefulinspect.rules.engine.walk import walk_of


class RuleJudge:
    """Hold compiled rules; `judge` gives the action and the rule that decided."""

    def __init__(self, ruleset):
        self.filter = Judge(ruleset, Config()).filter

    def judge(self, packet, ct_state, recorder=None):
        walk = walk_of(packet, 0.0)
        walk.ct_bits, walk.is_tracked, walk.listener = ct_state.bit, True, recorder
        action = decide(self.filter.paths[packet.hook].tracked.get(packet.family, ()), walk)
        return action, walk.rule

    def traced(self, packet, ct_state):
        recorder = Recorder()
        answer = self.judge(packet, ct_state, recorder)
        recorder.undo()
        return answer
