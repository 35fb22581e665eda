"""What writer evolving draws by rollouts that a store has, judged by rollouts that it did not see: no model is asked.

    python benchmarks/evolving_draws.py [FINGERPRINT ...]

Of each rollouts artifact (none named: all of the store, IFRL_ROOT) a half of the ladders is what the writer sees, and the
other half says how often each type passes; then the other way round. A row: hard types and answers, types outside the
band, and of hard constraints as the catalog drew them and as the writer does their mean worth, and how often 8 answers to
one of them all pass or all fail (p^8 + (1-p)^8 at the pass rate p of its type).
"""

import argparse
import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

from policy_ablation import print_row

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig
from ifrl_core.evolving.seen import Seen, judged
from ifrl_core.evolving.taste import Learnable, worth, write
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.labels.contrasts import ladders
from ifrl_core.records import Constraint, constraint_of, conversation_of
from ifrl_core.report.text import fixed
from ifrl_core.settings import store_root

ROLLOUTS = 8  # of a group
Drawn = list[Constraint]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fingerprints", nargs="*")
    store = ArtifactStore(store_root())
    named = parser.parse_args().fingerprints or [path.name for path in Path(store_root(), "rollouts").iterdir()]
    head = (
        "rollouts",
        "hard types",
        "answers",
        "out of band",
        "worth, even",
        "evolving",
        "flat of 8, even",
        "evolving",
    )
    print_row(head)
    print_row(["---"] * len(head))
    for name in named:
        if ref := store.find("rollouts", name):
            print_row(row(ref, store))


def row(rollouts: ArtifactRef, store: ArtifactStore) -> list[str]:
    prompts = found(store, rollouts, "prompts")
    config = instructions_of(found(store, prompts, "instructions"), store)
    halves: tuple[list, list] = ([], [])
    for number, ladder in enumerate(ladders(prompts, rollouts, store)):
        halves[number % 2].append(ladder)
    even, evolving, outside = [], [], []
    for mine, other in itertools.permutations(halves):
        seen, truth = seen_of(mine), seen_of(other)
        outside.append(sum(not config.evolving.low <= truth.of_type(t) <= config.evolving.high for t in truth.types()))
        taste = Learnable(seen, config.evolving)
        for ladder in mine:
            asked = conversation_of(ladder[0][0])
            request = SeedRequest(ladder[0][0]["instruction_id"], asked.request, asked)
            even += rates(list(map(constraint_of, ladder[-1][0]["constraints"])), truth)
            evolving += rates(write(request, config, taste, random.Random(request.seed_id)), truth)
    types = len(seen_of([*halves[0], *halves[1]]).types())
    measures: list[Callable[[float], float]] = [lambda p: worth(p, config.evolving), flat]
    cells = [fixed(fmean(map(measure, drawn)), 3) for measure in measures for drawn in (even, evolving)]
    return [rollouts.fingerprint[:8], str(types), str(rollouts.rows), fixed(fmean(outside), 1), *cells]


def flat(rate: float) -> float:
    return rate**ROLLOUTS + (1 - rate) ** ROLLOUTS


def rates(drawn: Drawn, truth: Seen) -> Iterator[float]:
    """Pass rates of the hard constraints whose types the other half asked."""
    return (truth.of_type(item.type) for item in drawn if item.kind == "hard" and truth.answers(item.type)[0])


def seen_of(of_half: list) -> Seen:
    seen = Seen()
    for ladder in of_half:
        for prompt, answers in ladder[1:]:
            constraints = [constraint_of(item) for item in prompt["constraints"]]
            for answer in answers:
                seen.add(constraints, judged(conversation_of(ladder[0][0]), constraints, answer, ""))
    return seen


def found(store: ArtifactStore, ref: ArtifactRef, name: str) -> ArtifactRef:
    stage, _, fingerprint = store.manifest(ref).inputs[name].partition("/")
    made = store.find(stage, fingerprint)
    assert made is not None, f"{stage} {fingerprint} is gone"
    return made


def instructions_of(ref: ArtifactRef, store: ArtifactStore) -> InstructionsConfig:
    """What the instructions were drawn with, for writer evolving."""
    said = json.loads(json.dumps(store.manifest(ref).config))
    kept = {name: value for name, value in said.items() if name in InstructionsConfig.model_fields}
    return InstructionsConfig.model_validate(kept | {"writer": "evolving"})


if __name__ == "__main__":
    main()
