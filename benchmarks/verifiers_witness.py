"""How many generated ladders of hard constraints have a witness: a text that passes every verifier.

    python benchmarks/verifiers_witness.py --ladders 5000

Twice: for the sets that the pairwise rules and the plain contradictions of a set let through (what the rules know), and
for what `sample_constraints` returns (where a set without a witness is never kept). Prints every set without a witness.
"""

import argparse
import random
import time

from ifrl_core.constraints import sampling
from ifrl_core.constraints.satisfy import witness_of

SEEDS = (
    "Describe the life of a lighthouse keeper.",
    "Is it better to walk or to drive to work?",
    "Write a poem about spring",
    "Give me three tips for saving money.",
    "Explain how a bridge carries weight.",
    "Should children learn chess at school?",
)


def ladder(number):
    rng = random.Random(number)
    max_words = rng.choice([40, 60, 100, 200])
    seed = SEEDS[number % len(SEEDS)]
    return sampling.sample_constraints(seed, rng.randint(2, 5), rng, hard_share=1.0, max_words=max_words)


def measure(count):
    """Sets with a witness, those without one, and seconds taken."""
    start, without = time.perf_counter(), []
    for number in range(count):
        constraints = ladder(number)
        if witness_of(constraints) is None:
            without.append(constraints)
    return count - len(without), without, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ladders", type=int, default=5000)
    count = parser.parse_args().ladders
    with_check = measure(count)
    in_earnest = sampling.unmet
    sampling.unmet = lambda constraints, max_words: None
    rules_only = measure(count)
    sampling.unmet = in_earnest
    for name, (good, without, seconds) in (("rules only", rules_only), ("rules and witnesses", with_check)):
        print(f"{name}: {good} of {count} ladders have a witness ({100 * good / count:.2f}%), {seconds:.0f} s")
        for constraints in without:
            print("   ", [(c.type, c.args) for c in constraints])


if __name__ == "__main__":
    main()
