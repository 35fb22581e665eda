"""What is known of soft constraints without asking the reward model: by instruments, and by what hard types say of labels.

gain           satisfaction before and after by instruments, beside the reward model's opinion of the same answers
reward_model   does it rank answers to a soft type as the type's instrument does?
labels         how much more often positives are what was asked than negatives, by kind
corrected      the reward model's AUC in truth (reward_model/quality/corrected.py)

Instruments are crude, so a gain by them is a fraction of the true one; they are independent, so it is none of the reward
model's making.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.evaluation.difference import difference
from ifrl_core.evaluation.held_out import answer_in
from ifrl_core.evaluation.stage import TABLE
from ifrl_core.instruments.instrument import Asked
from ifrl_core.instruments.table import BY_TYPE, in_use, measured, missing
from ifrl_core.labels.contrasts import rungs_of
from ifrl_core.records import Row, constraint_of
from ifrl_core.reward_model.quality.corrected import corrected_figures
from ifrl_core.reward_model.quality.figures import Scored
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.statistics.intervals import Floats, jackknife
from ifrl_core.statistics.noisy_labels import Clusters, excess

MOST_LABELS = 4_000  # that instruments read: the embedding takes some 4 ms a text on 2 cores
SCORES = pa.schema([("of", pa.string()), ("id", pa.string()), ("type", pa.string()), ("score", pa.float64())])


@stage(
    "soft-audit",
    version=1,
    title="Audit of soft constraints",
    inputs=("prompts", "labels", "reward_model", "before", "after"),
    config=lambda recipe: NoConfig(),
    content=lambda config: in_use(),
    seeded=False,
)
def audit_soft(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """Figures as the module says, and `missing`: how to get instruments that are not here. Writes scores.parquet: what the
    instruments say of labels and of held-out answers."""
    work.progress(0, 2, "answers by instruments")
    labels, answers = _labels(inputs["labels"], work.store), _answers(inputs, work.store)
    asked = [_asked(row["constraint"], row["response"]) for row in labels]
    asked += [_asked(row["constraint"], row[side]) for side in ("before", "after") for row in answers]
    found = iter(measured(asked))  # at once: a model is loaded once
    scores = [next(found) for _ in labels]
    before, after = ([next(found) for _ in answers] for _ in range(2))
    answers = [{**row, "instruments": of_both} for row, *of_both in zip(answers, before, after, strict=True)]
    work.writer.write_table("scores.parquet", _table(labels, scores, answers))
    work.progress(1, 2, "figures")
    validation = validation_pairs(inputs, work.store)
    return {
        "gain": gain_figures(answers),
        "reward_model": _ranking(labels, scores, {pair.label_id: pair.rank for pair in validation}),
        "labels": label_figures(labels, scores),
        "corrected": corrected_figures(validation),
        "missing": missing(),
    }


def gain_figures(answers: Sequence[Row]) -> Figures:
    """`instruments` and `reward_model`: difference overall and by type over the same answers, those that both can score."""
    both = [row for row in answers if None not in (*row["instruments"], *row["reward_model"])]
    return {name: _differences(both, name) for name in ("instruments", "reward_model")}


def label_figures(labels: Sequence[Row], scores: Sequence[float | None]) -> Figures:
    """Of labels of measured types, overall, by kind and by type: of a positive and a negative of one constraint, how much
    more often the instrument has the positive higher than lower, with its interval, and how many labels it rests on. (Of
    hard constraints, with verdicts for scores, that is the gap itself.)

    The gap of the labels (P(true | positive) - P(true | negative)) is at least this in expectation: an instrument that errs
    pulls it towards 0.
    """
    rows = [{**row, "score": score} for row, score in zip(labels, scores, strict=True) if score is not None]
    types = {row["constraint"]["type"] for row in rows}
    return {
        "overall": _contrast(rows),
        "by_kind": {kind: _contrast(_of(rows, kind, _kind)) for kind in sorted({_kind(name) for name in types})},
        "by_type": {name: _contrast(_of(rows, name, str)) for name in sorted(types)},
    }


def _labels(ref: ArtifactRef, store: ArtifactStore) -> list[Row]:
    """Soft labels of measured types: the validation ones, then others of whole instructions by hash."""
    rows = [row for row in store.rows(ref) if row["constraint"]["type"] in BY_TYPE]
    sizes: dict[tuple[bool, str], int] = {}
    for row in rows:
        key = (row["split"] != "validation", row["instruction_id"])
        sizes[key] = sizes.get(key, 0) + 1
    chosen, taken = set(), 0
    for key in sorted(sizes, key=lambda key: (key[0], rank_by_hash("soft audit", key[1]))):
        if taken < MOST_LABELS:
            chosen.add(key[1])
            taken += sizes[key]
    return [row for row in rows if row["instruction_id"] in chosen]


def validation_pairs(inputs: Inputs, store: ArtifactStore) -> list[Scored]:
    """What a reward model said of validation labels, each with the rung of its answer; inputs: labels, reward_model."""
    pairs = store.read_table(inputs["reward_model"], "validation.parquet").to_pylist()
    rungs = rungs_of(store.rows(inputs["labels"]))
    wanted = {pair["label_id"] for pair in pairs}
    rollouts = {r["label_id"]: r["rollout_id"] for r in store.rows(inputs["labels"]) if r["label_id"] in wanted}
    return [Scored(**pair, rung=rungs[rollouts[pair["label_id"]]]) for pair in pairs]


def _answers(inputs: Inputs, store: ArtifactStore) -> list[Row]:
    """Every soft constraint of every held-out prompt with the answer before and after, and the reward model's opinions."""
    prompts = {row["prompt_id"]: row["constraints"] for row in store.rows(inputs["prompts"], prefix="part-held_out-")}
    sides = [store.read_table(inputs[side], TABLE).to_pylist() for side in ("before", "after")]
    asked = [
        (place, number)
        for place, row in enumerate(sides[0])
        for number, verdict in enumerate(row["verdicts"])
        if verdict["type"] in BY_TYPE
    ]
    return [
        {
            "type": sides[0][place]["verdicts"][number]["type"],
            "cluster": sides[0][place]["instruction_id"],
            "id": f"{sides[0][place]['prompt_id']}-{sides[0][place]['sample']}",
            "constraint": prompts[sides[0][place]["prompt_id"]][number],
            "before": answer_in(sides[0][place]),
            "after": answer_in(sides[1][place]),
            "reward_model": tuple(rows[place]["verdicts"][number]["probability"] for rows in sides),
        }
        for place, number in asked
    ]


def _asked(constraint: Mapping[str, Any], response: str) -> Asked:
    known = constraint_of(constraint)
    return Asked(known.type, known.args, response)


def _differences(rows: Sequence[Row], of: str) -> Figures:
    pairs = [
        {"type": row["type"], "cluster": row["cluster"], "before": row[of][0], "after": row[of][1]} for row in rows
    ]
    types = sorted({pair["type"] for pair in pairs})
    return {
        "overall": difference(pairs),
        "by_type": {name: difference([pair for pair in pairs if pair["type"] == name]) for name in types},
    }


def _ranking(labels: Sequence[Row], scores: Sequence[float | None], ranks: Mapping[str, float]) -> Figures:
    """By type and within types: the AUC of the reward model on validation answers, true being what the instrument puts above
    the type's median."""
    rows = [
        {**row, "score": score}
        for row, score in zip(labels, scores, strict=True)
        if score is not None and row["label_id"] in ranks
    ]
    types = sorted({row["constraint"]["type"] for row in rows})
    for name in types:
        part = _of(rows, name, str)
        middle = sorted(row["score"] for row in part)[(len(part) - 1) // 2]
        for row in part:
            row["high"] = int(row["score"] > middle)

    def auc_of(part: Sequence[Row]) -> Figures:
        values = [ranks[row["label_id"]] for row in part]
        above = excess(
            values, [row["high"] for row in part], _clusters(part), [row["constraint"]["type"] for row in part]
        )
        return _interval(above, 0.0, 1.0, len(part))

    return {"within_types": auc_of(rows), "by_type": {name: auc_of(_of(rows, name, str)) for name in types}}


def _contrast(rows: Sequence[Row]) -> Figures:
    strata = [(row["instruction_id"], row["level"]) for row in rows]
    above = excess([row["score"] for row in rows], [row["label"] for row in rows], _clusters(rows), strata)
    return _interval(above, -1.0, 2.0, len(rows))


def _interval(above: Floats, low: float, scale: float, pairs: int) -> Figures:
    """An AUC on an axis that begins at `low` and is `scale` long, with its interval by the jackknife over clusters; nulls
    where it is not defined."""
    whole = above[-1] if len(above) else float("nan")
    if len(above) < 3 or not all(abs(value) <= 1 for value in above):  # NaN compares false
        return {"mean": None, "low": None, "high": None, "units": len(above) - 1, "pairs": pairs}
    found = jackknife(float(whole), above[:-1], reach=0.5).interval()
    placed = {name: low + scale * (0.5 + getattr(found, name)) for name in ("mean", "low", "high")}
    return {**placed, "units": found.units, "pairs": pairs}


def _clusters(rows: Sequence[Row]) -> Clusters:
    return Clusters.of([row["instruction_id"] for row in rows])


def _of(rows: Sequence[Row], name: str, of: Callable[[str], str]) -> list[Row]:
    return [row for row in rows if of(row["constraint"]["type"]) == name]


def _kind(type_id: str) -> str:
    """The part of a type before its colon, as in the audit of labels."""
    return type_id.partition(":")[0]


def _table(labels: Sequence[Row], scores: Sequence[float | None], answers: Sequence[Row]) -> pa.Table:
    rows = [
        {"of": "label", "id": row["label_id"], "type": row["constraint"]["type"], "score": score}
        for row, score in zip(labels, scores, strict=True)
    ]
    for place, side in enumerate(("before", "after")):
        rows += [
            {"of": side, "id": row["id"], "type": row["type"], "score": row["instruments"][place]} for row in answers
        ]
    return pa.Table.from_pylist(rows, schema=SCORES)
