"""Fuzzing with coverage: what bytes mean (`target`), seeds (`seeds`), the run (`fuzz_process`)."""
