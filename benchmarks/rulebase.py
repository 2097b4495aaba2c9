"""Which rules are measured, and first packets of connections that meet them; seeded.

The rules are like ClassBench's firewalls (Taylor and Turner 2007): prefixes of all lengths, exact
ports and ranges, TCP and UDP. Addresses are those that a host may have.
"""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

from statefulinspect import Action, Rule
from statefulinspect.rules.syntax.statements import Match
from workloads import SYN, Flow

LENGTHS = (8, 16, 20, 24, 24, 28, 32, 32)
PORTS = (22, 53, 80, 123, 443, 8080)
FIRST_OCTETS = [each for each in range(1, 224) if each != 127]  # of unicast
AT_SOME_RULE = 0.75  # of the packets


def draw_rules(number: int) -> list[Rule]:
    """Draw rules."""
    dice = random.Random(number)
    return [_draw_rule(dice) for _ in range(number)]


def _draw_rule(dice: random.Random) -> Rule:
    low = dice.randrange(1024, 60_000)
    ports = dice.choice([dice.choice(PORTS), (low, low + dice.randrange(1, 5000)), low, (0, 65535)])
    return Rule(
        dice.choice([Action.ACCEPT, Action.DROP]),
        protocol=dice.choice(["tcp", "udp"]),
        source=_draw_prefix(dice),
        destination=_draw_prefix(dice),
        source_port=dice.choice([(0, 65535), (1024, 65535)]),
        destination_port=ports,
    )


def _draw_prefix(dice: random.Random) -> str:
    length = dice.choice(LENGTHS)
    number = dice.choice(FIRST_OCTETS) << 24 | dice.getrandbits(24)
    return f"{ip_address(number >> (32 - length) << (32 - length))}/{length}"


def draw_packets(rules: list[Rule], number: int) -> list[bytes]:
    """Draw first packets of connections, three in four from and to where some rule looks."""
    dice = random.Random(7)
    return [_draw_packet(dice, dice.choice(rules)) for _ in range(number)]


def _draw_packet(dice: random.Random, rule: Rule) -> bytes:
    flow = Flow(dice.getrandbits(24), server_port=dice.choice(PORTS))
    if dice.random() < AT_SOME_RULE:
        looks = [
            each for each in rule.statements if isinstance(each, Match) and "addr" in str(each)
        ]
        flow.client, flow.server = (_within(dice, str(look.right)) for look in looks)
    return flow.tcp(SYN, 1, 0, is_reply=False)


def _within(dice: random.Random, prefix: str) -> bytes:
    network = ip_network(prefix)
    number = int(network.network_address) + dice.getrandbits(
        network.max_prefixlen - network.prefixlen
    )
    return number.to_bytes(4, "big")
