"""Benchmarks: ratios within one run, with the command to repeat it. Nothing here is a test, and nothing is asserted."""
