"""The contrast between neighbouring rungs (paper, section 3.3): what becomes a label.

For each k: (answer to Lk, ck) is a positive and (answer to Lk-1, ck) a negative; a recipe may take the rungs further up and
down too, which were asked for ck, or not, just as well. Of the ladder "Name a river." / "... without commas" (c1) / "... and
be friendly" (c2):

    Contrast(positive: (answer to L1, no commas), negatives: ((answer to L0, no commas),))
    Contrast(positive: (answer to L2, friendly),  negatives: ((answer to L1, friendly),))

and with `positive_rungs: all_upper` also Contrast((answer to L2, no commas), ()).
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.labels.audit import Cell, Outcome, cell_of
from ifrl_core.records import Conversation, Row, constraint_of, conversation_of, with_history
from ifrl_core.rollouts.shards import TRAIN, answer_in
from ifrl_core.stages.stage import Inputs
from ifrl_core.statistics.by_hash import share_by_hash

Rung = tuple[Row, list[Row]]  # a prompt and its rollouts, one a sample
Verdicts = Callable[[Sequence[Row], str], list[bool | None]]  # what rules say of an answer, by rows of constraints


@dataclass(frozen=True)
class Candidate:
    """A row of the labels table before filters, with what only the audit needs of its rollout."""

    row: Row
    sample: int

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.row["label"], self.row["verdict"])

    @property
    def cell(self) -> Cell:
        return cell_of(self.row, self.sample)

    @property
    def instruction_id(self) -> str:
        return str(self.row.get("instruction_id", ""))

    @property
    def for_training(self) -> bool:
        return bool(self.row["split"] == "train")


@dataclass(frozen=True)
class Contrast:
    """A positive and the negatives it is set against (none for a positive of a further rung)."""

    positive: Candidate
    negatives: tuple[Candidate, ...]

    @property
    def members(self) -> tuple[Candidate, ...]:
        return (self.positive, *self.negatives)


def make_contrasts(config: LabelsConfig, inputs: Inputs, store: ArtifactStore, seed: int) -> Iterator[Contrast]:
    """Every positive with its negatives, before any filter, ladder by ladder. inputs: prompts, rollouts."""
    said = store.manifest(inputs["rollouts"]).config.get("reasoning") or {}  # of the model that answered
    for ladder in ladders(inputs["prompts"], inputs["rollouts"], store):
        yield from _ladder_contrasts(config, ladder, seed, said.get("calls", ""))


def ladders(prompts: ArtifactRef, rollouts: ArtifactRef, store: ArtifactStore) -> Iterator[list[Rung]]:
    """Ladder by ladder: its rungs from L0 up. Both tables share one order."""
    by_prompt = itertools.groupby(store.rows(rollouts), key=lambda row: row["prompt_id"])
    rows = store.rows(prompts, prefix=TRAIN)
    for _, ladder in itertools.groupby(rows, key=lambda row: row["instruction_id"]):
        rungs = []
        for prompt in ladder:
            prompt_id, samples = next(by_prompt)
            assert prompt_id == prompt["prompt_id"], f"rollouts are not in the order of the prompts at {prompt_id}"
            rungs.append((prompt, list(samples)))
        yield rungs


def _ladder_contrasts(config: LabelsConfig, ladder: list[Rung], seed: int, template: str = "") -> Iterator[Contrast]:
    instruction_id = ladder[0][0]["instruction_id"]
    split = "validation" if share_by_hash("labels", seed, instruction_id) < config.validation_share else "train"
    asked = conversation_of(ladder[0][0])
    verdicts = [partial(_verdicts, with_history(asked, rung["messages"]), template) for rung, _ in ladder]
    for level, (prompt, rollouts) in enumerate(ladder[1:], 1):
        lowest = 0 if config.negatives == "all_lower" else level - 1
        for sample in _samples(config, prompt["constraints"], rollouts, verdicts[level]):
            lower = range(level - 1, lowest - 1, -1)
            negatives = tuple(_candidate(ladder[r][1][sample], prompt, 0, split, verdicts[r]) for r in lower)
            yield Contrast(_candidate(rollouts[sample], prompt, 1, split, verdicts[level]), negatives)
        for rung in range(level + 1, len(ladder)) if config.positive_rungs == "all_upper" else ():
            above, further = ladder[rung]
            newest_last = [*above["constraints"][: level - 1], *above["constraints"][level:], prompt["constraints"][-1]]
            for sample in _samples(config, newest_last, further, verdicts[rung]):
                yield Contrast(_candidate(further[sample], prompt, 1, split, verdicts[rung]), ())


def _samples(
    config: LabelsConfig, constraints: Sequence[Row], rollouts: Sequence[Row], verdicts: Verdicts
) -> list[int]:
    """The samples whose answers are positives. Best of n: the last constraint first, then the most of the rung's others.

    The best is chosen by rules, so for a soft constraint it is the sample that follows the hard ones before it.
    """
    if config.positives == "all":
        return list(range(len(rollouts)))

    def satisfied(sample: int) -> tuple[bool, int]:
        outcomes = verdicts(constraints, answer_in(rollouts[sample]))
        return outcomes[-1] is True, sum(verdict is True for verdict in outcomes)

    return [max(range(len(rollouts)), key=satisfied)]  # of equals the first


def _verdicts(asked: Conversation, template: str, constraints: Sequence[Row], answer: str) -> list[bool | None]:
    return verdicts_in(asked, [constraint_of(row) for row in constraints], answer, template)


def _candidate(rollout: Row, prompt: Row, label: int, split: str, verdicts: Verdicts) -> Candidate:
    constraint, answer = prompt["constraints"][-1], answer_in(rollout)
    row = {
        "label_id": f"{rollout['rollout_id']}-c{prompt['level']}",
        "rollout_id": rollout["rollout_id"],
        "constraint": constraint,
        "response": answer,
        "label": label,
        "level": prompt["level"],
        "split": split,
        "verdict": verdicts([constraint], answer)[0],
        "instruction_id": prompt["instruction_id"],
    }
    return Candidate(row, rollout["sample"])


def rungs_of(labels: Iterable[Row]) -> dict[str, int]:
    """The rung of every answer, by rollout id: the highest level that it is a positive of; of one that is no positive, the
    one below its lowest negative. Exact unless the labels of the rungs between were left out."""
    levels: dict[str, tuple[list[int], list[int]]] = {}
    for row in labels:
        levels.setdefault(row["rollout_id"], ([], []))[row["label"]].append(row["level"])
    return {name: max(positive) if positive else min(negative) - 1 for name, (negative, positive) in levels.items()}
