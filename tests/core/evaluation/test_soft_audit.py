"""The audit of soft constraints on a made-up run whose answers an instrument can read: hedged ones and sure ones."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import LabelsConfig, NoConfig
from ifrl_core.evaluation.soft_audit import audit_soft
from ifrl_core.evaluation.stage import TABLE
from ifrl_core.labels.stage import make_labels
from ifrl_core.records import PROMPTS, Constraint, Row, constraint_row
from ifrl_core.reward_model.quality.figures import Scored
from tests.core.ladders import ladders

CAUTIOUS = Constraint("tone:certainty", "soft", "Write with cautious wording.", {"certainty": "with cautious wording"})
BRIEF = Constraint("length:a", "soft", "Be brief.")  # of a type that no instrument measures
HEDGED, SURE = "It may perhaps be so, and it could depend.", "It is certainly so, and it must always be."
NAMES = [f"i-{number}" for number in range(24)]


def written(store: ArtifactStore, stage: str, name: str, rows: Sequence[Row], schema: Any = None) -> ArtifactRef:
    writer = store.writer(stage, 1, fingerprint(stage, 1, {"rows": len(rows), "name": name}, {}), {}, {})
    writer.write_table(name, pa.Table.from_pylist(list(rows), schema=schema))
    return writer.commit({})


def evaluation(store: ArtifactStore, stage: str, texts: Sequence[str], probability: float) -> ArtifactRef:
    verdict = {
        "type": CAUTIOUS.type,
        "kind": "soft",
        "text": CAUTIOUS.text,
        "verdict": None,
        "probability": probability,
    }
    rows = [
        {
            "prompt_id": f"{name}-h",
            "instruction_id": name,
            "sample": 0,
            "text": text,
            "answer_start": 0,
            "verdicts": [verdict],
        }
        for name, text in zip(NAMES, texts, strict=True)
    ]
    return written(store, stage, TABLE, rows)


@pytest.fixture
def inputs(store: ArtifactStore) -> dict[str, ArtifactRef]:
    """Half of the ladders ask for caution first, half second; an answer is hedged once it is asked for, save one in four."""
    made: dict[str, list[ArtifactRef]] = {}
    refs: dict[str, ArtifactRef] = {}
    for first in (True, False):
        order = (CAUTIOUS, BRIEF) if first else (BRIEF, CAUTIOUS)
        names = NAMES[:12] if first else NAMES[12:]
        answers = {
            name: [SURE, *(HEDGED if place % 4 and (rung or first) else SURE for rung in range(2))]
            for place, name in enumerate(names)
        }
        answers = {name: [f"{text} {rung}" for rung, text in enumerate(of)] for name, of in answers.items()}
        made[str(first)] = [*ladders(store, answers, constraints=order).values()]
    parts = [make_labels(LabelsConfig(), {"prompts": p, "rollouts": r}, store) for p, r in made.values()]
    labels = [row for ref in parts for row in store.rows(ref)]
    refs["labels"] = written(store, "labels", "part-00000.parquet", labels)
    pairs = [
        Scored(
            row["label_id"],
            row["constraint"]["type"],
            "soft",
            row["level"],
            row["label"],
            None,
            score,
            score,
            row["instruction_id"],
        )
        for row in labels
        if row["split"] == "validation"
        for score in [0.9 if "perhaps" in row["response"] else 0.2]
    ]
    columns = [{name: value for name, value in vars(pair).items() if name != "rung"} for pair in pairs]
    refs["reward_model"] = written(store, "reward-model", "validation.parquet", columns)
    prompts = [
        {"prompt_id": f"{name}-h", "instruction_id": name, "level": 1, "constraints": [constraint_row(CAUTIOUS)]}
        for name in NAMES
    ]
    refs["prompts"] = written(store, "prompts", "part-held_out-00000.parquet", prompts, PROMPTS)
    refs["before"] = evaluation(store, "evaluation", [SURE] * 24, 0.5)
    refs["after"] = evaluation(store, "evaluation-2", [HEDGED if place % 3 else SURE for place in range(24)], 0.6)
    return refs


def test_instruments_say_what_labels_the_reward_model_and_the_gain_are_worth(
    store: ArtifactStore, inputs: dict[str, ArtifactRef]
) -> None:
    ref = audit_soft(NoConfig(), inputs, store)
    found = store.manifest(ref).figures
    gain = found["gain"]["instruments"]["by_type"]["tone:certainty"]
    assert gain["n"] == 24
    assert gain["low"] > 20  # two of three answers turned from sure to hedged
    assert found["gain"]["reward_model"]["overall"]["mean"] == pytest.approx(10)
    contrast = found["labels"]["by_kind"]["tone"]
    assert 0 < contrast["low"] < contrast["mean"] < 1
    assert contrast["mean"] == pytest.approx(0.75, abs=0.05)  # one in four positives is no better than a negative
    assert found["reward_model"]["by_type"]["tone:certainty"]["mean"] == 1.0
    assert found["corrected"]["soft"]["within_rungs"]["auc"] is None  # no hard type says what labels are worth
    rows = store.read_table(ref, "scores.parquet").to_pylist()
    assert {row["of"] for row in rows} == {"label", "before", "after"}
    assert all(row["type"] == "tone:certainty" for row in rows)
