"""Outside benchmarks whose answers rules can grade: a file each behind item.py, by name in table.py."""
