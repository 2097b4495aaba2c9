"""Hypothesis profiles: `dev` by default, another one by HYPOTHESIS_PROFILE=ci or =nightly."""

from __future__ import annotations

import os

from hypothesis import settings

for name, examples in {"dev": 50, "ci": 200, "nightly": 2000}.items():
    settings.register_profile(name, max_examples=examples, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
