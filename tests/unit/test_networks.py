"""Which address reaches a whole network."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from statefulinspect import ConfigError
from statefulinspect.networks import broadcast_networks


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/30"])
def test_prefixes_as_text_and_as_objects(prefix):
    network = IPv4Network(prefix)
    assert broadcast_networks([prefix, network]) == (network, network)
    assert broadcast_networks(iter([prefix])) == (network,)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("10.0.0.0/8", r"^networks='10.0.0.0/8': expected several, as in \['10.0.0.0/8'\]$"),
        (None, r"^networks=None: expected several"),
        ([8], r"^network 8: expected a prefix such as"),
        (["10.0.0.1/8"], r"^network '10.0.0.1/8': 10.0.0.1/8 has host bits set$"),
        (["fd00::/8"], r"^network 'fd00::/8': "),
        (["10.0.0.0/31"], r"^network '10.0.0.0/31': has no broadcast address$"),
    ],
)
def test_what_is_refused(given, complaint):
    with pytest.raises(ConfigError, match=complaint):
        broadcast_networks(given)
