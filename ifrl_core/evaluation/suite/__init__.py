"""Outside benchmarks: what one is (benchmark.py), and the stages of its rows, answers and judgements."""
