"""How good a model is, and what training changed.

benchmarks/   one file each: what is asked, what answers come to, how two models compare
stage         asks one model; comparison: before against after, with intervals (difference)
"""
