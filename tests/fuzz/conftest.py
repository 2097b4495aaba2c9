"""The fuzzer itself needs atheris, which the tests do without."""

collect_ignore = ["fuzz_process.py"]
