"""Benchmarks, one file each behind the shape of benchmark.py, listed in registry.py."""
