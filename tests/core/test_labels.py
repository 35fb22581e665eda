"""Pseudo-labels from hand-made ladders: which pairs, which labels, and what the audit says of them."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.constraints.model import Constraint
from ifrl_core.labels import audit_figures, make_labels
from ifrl_core.schemas import PROMPTS, ROLLOUTS, constraint_row

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
FRIENDLY = Constraint("tone:friendly", "soft", "Be friendly.")
LOWERCASE = Constraint("change_case:english_lowercase", "hard", "Use lowercase only.")
C = (NO_COMMA, FRIENDLY, LOWERCASE)


def ladder(store: ArtifactStore, answers: Sequence[str], *, name: str = "i-1") -> dict[str, ArtifactRef]:
    """The prompts L0..L3 of one instruction and one answer to each."""
    prompts = [
        {
            "prompt_id": f"{name}-L{level}",
            "instruction_id": name,
            "level": level,
            "messages": [{"role": "user", "content": "Say hello."}],
            "constraints": [constraint_row(c) for c in C[:level]],
            "split": "train",
        }
        for level in range(4)
    ]
    rollouts = [
        {
            "rollout_id": f"{name}-L{level}-0",
            "prompt_id": f"{name}-L{level}",
            "sample": 0,
            "text": text,
            "finish_reason": "stop",
            "prompt_tokens": 3,
            "completion_tokens": 5,
        }
        for level, text in enumerate(answers)
    ]
    refs = {}
    for stage, rows, schema, part in (
        ("prompts", prompts, PROMPTS, "part-train-00000.parquet"),
        ("rollouts", rollouts, ROLLOUTS, "part-00000.parquet"),
    ):
        writer = store.writer(stage, 1, stage[0] * 64, {}, {})
        writer.write_table(part, pa.Table.from_pylist(rows, schema=schema))
        refs[stage] = writer.commit({})
    return refs


def test_each_answer_is_a_positive_of_its_own_and_a_negative_of_the_next_constraint(store: ArtifactStore) -> None:
    ref = make_labels(
        LabelsConfig(),
        ladder(
            store,
            ["Hi, you.", "Hi you.", "Dear friend how are you doing today.", "dear friend how are you doing today."],
        ),
        store,
    )
    found = [(r["constraint"]["type"], r["response"], r["label"], r["level"], r["verdict"]) for r in store.rows(ref)]
    assert found == [
        ("punctuation:no_comma", "Hi you.", 1, 1, True),
        ("punctuation:no_comma", "Hi, you.", 0, 1, False),
        ("tone:friendly", "Dear friend how are you doing today.", 1, 2, None),
        ("tone:friendly", "Hi you.", 0, 2, None),
        ("change_case:english_lowercase", "dear friend how are you doing today.", 1, 3, True),
        ("change_case:english_lowercase", "Dear friend how are you doing today.", 0, 3, False),
    ]
    # Four answers make six labels: the middle two serve twice, and none is generated twice.
    assert len({r["rollout_id"] for r in store.rows(ref)}) == 4


def test_the_audit_shows_wrong_positives_apart_from_right_negatives(store: ArtifactStore) -> None:
    ref = make_labels(LabelsConfig(), ladder(store, ["A, b.", "C, d.", "E.", "F."]), store)
    audit = store.manifest(ref).figures["audit"]
    comma = audit["by_type"]["punctuation:no_comma"]
    assert (comma["positives"]["agree"], comma["positives"]["total"]) == (0, 1)  # "C, d." has a comma
    assert (comma["negatives"]["agree"], comma["negatives"]["total"]) == (1, 1)
    assert (audit["overall"]["agreement"]["agree"], audit["overall"]["agreement"]["total"]) == (2, 4)
    assert set(audit["by_level"]) == {"1", "3"}


def test_identical_and_empty_answers_are_left_out_and_counted(store: ArtifactStore) -> None:
    ref = make_labels(LabelsConfig(), ladder(store, ["Same.", "Same.", "  ", "Last."]), store)
    assert store.manifest(ref).figures["dropped"] == {"identical answers": 2, "empty answer": 2}
    assert {(r["level"], r["label"]) for r in store.rows(ref)} == {(2, 0), (3, 1)}


def test_they_may_be_kept(store: ArtifactStore) -> None:
    config = LabelsConfig(drop_identical=False, drop_empty=False)
    ref = make_labels(config, ladder(store, ["Same.", "Same.", "  ", "Last."]), store)
    assert ref.rows == 6


def test_an_instruction_is_on_one_side_of_the_split(store: ArtifactStore) -> None:
    ref = make_labels(LabelsConfig(), ladder(store, ["a", "b", "c", "d"]), store)
    assert len({row["split"] for row in store.rows(ref)}) == 1


def test_audit_figures_by_hand() -> None:
    figures = audit_figures(Counter({("t", 1, 1, True): 3, ("t", 1, 1, False): 1, ("t", 2, 0, False): 4}))
    assert figures["overall"]["agreement"]["rate"] == pytest.approx(7 / 8)
    positives = figures["by_type"]["t"]["positives"]
    assert (positives["agree"], positives["total"]) == (3, 4)
    assert positives["low"] < 0.75 < positives["high"]
    assert figures["by_level"]["2"]["positives"] == {"agree": 0, "total": 0, "rate": None, "low": None, "high": None}
