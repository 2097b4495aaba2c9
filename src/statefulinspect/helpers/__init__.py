"""Which helper has which name: they read control connections and announce what is to come."""

from __future__ import annotations

from statefulinspect.config import HelperPolicy
from statefulinspect.helpers.ftp import FtpHelper
from statefulinspect.helpers.model import Helper


def make_helpers(policy: HelperPolicy) -> dict[str, Helper]:
    """Make every helper there is, by its name."""
    helpers: list[Helper] = [FtpHelper(reassembles=policy.reassembles)]
    return {helper.name: helper for helper in helpers}
