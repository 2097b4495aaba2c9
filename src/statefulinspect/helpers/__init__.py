"""Which helper has which name; and all that the author of another one needs.

Helpers read control connections and announce what is to come. The NetBIOS one is not among those
made by name, for it has to be told the networks: give `Config.helpers` the object.
"""

from __future__ import annotations

from statefulinspect.config import HelperPolicy
from statefulinspect.helpers.amanda import AmandaHelper
from statefulinspect.helpers.ftp import FtpHelper
from statefulinspect.helpers.irc import IrcHelper
from statefulinspect.helpers.model import EndingHelper, Helper, Message, Policy, WaryHelper
from statefulinspect.helpers.netbios_ns import NetbiosNsHelper
from statefulinspect.helpers.pptp import PptpHelper
from statefulinspect.helpers.sane import SaneHelper
from statefulinspect.helpers.sip import SipHelper
from statefulinspect.helpers.statements import (
    ANY,
    NOTHING,
    Activate,
    Announce,
    AnnouncePair,
    Outcome,
    Refuse,
    Remember,
    Renew,
    Withdraw,
)
from statefulinspect.helpers.tftp import TftpHelper

__all__ = [
    "ANY",
    "NOTHING",
    "Activate",
    "Announce",
    "AnnouncePair",
    "EndingHelper",
    "FtpHelper",
    "Helper",
    "Message",
    "NetbiosNsHelper",
    "Outcome",
    "Policy",
    "Refuse",
    "Remember",
    "Renew",
    "WaryHelper",
    "Withdraw",
    "make_helpers",
]


def make_helpers(policy: HelperPolicy) -> dict[str, Helper]:
    """Make every helper that has nothing to be told, by its name."""
    helpers: list[Helper] = [
        FtpHelper(reassembles=policy.reassembles),
        TftpHelper(),
        IrcHelper(),
        AmandaHelper(),
        SaneHelper(),
        PptpHelper(),
        SipHelper(),
    ]
    return {helper.name: helper for helper in helpers}
