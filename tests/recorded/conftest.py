"""Keep pytest, which looks for doctests in every module, away from what needs Linux."""

collect_ignore = ["draw.py", "record.py"]
