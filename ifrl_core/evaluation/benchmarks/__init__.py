"""Benchmarks, one file each behind the protocol of evaluation/suite/benchmark.py, listed in table.py."""
