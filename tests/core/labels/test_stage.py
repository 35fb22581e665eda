"""Pseudo-labels from hand-made ladders: which pairs, which labels, and what the audit says of them."""

from collections.abc import Sequence

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.labels.contrasts import rungs_of
from ifrl_core.labels.stage import make_labels
from tests.core.ladders import ladders


def ladder(store: ArtifactStore, answers: Sequence[str]) -> dict[str, ArtifactRef]:
    """The prompts L0..L3 of one instruction and one answer to each."""
    return ladders(store, {"i-1": answers})


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
    assert rungs_of(store.rows(ref)) == {f"i-1-L{rung}-0": rung for rung in range(4)}


def test_the_audit_shows_wrong_positives_apart_from_right_negatives(store: ArtifactStore) -> None:
    ref = make_labels(LabelsConfig(), ladder(store, ["A, b.", "C, d.", "E.", "F."]), store)
    audit = store.manifest(ref).figures["audit"]
    comma = audit["by_type"]["punctuation:no_comma"]
    assert (comma["positives"]["agree"], comma["positives"]["total"]) == (0, 1)  # "C, d." has a comma
    assert (comma["negatives"]["agree"], comma["negatives"]["total"]) == (1, 1)
    assert (audit["overall"]["agreement"]["agree"], audit["overall"]["agreement"]["total"]) == (2, 4)
    assert set(audit["by_level"]) == {"1", "3"}


def test_the_audits_error_is_that_of_whole_instructions(store: ArtifactStore) -> None:
    """Three ladders whose labels are right, one whose are wrong: without the last all are right, without another 2 of 3."""
    upper, lower = "Dear friend how are you doing today.", "dear friend how are you doing today."
    right, wrong = ["Hi, you.", "Hi you.", upper, lower], ["Hi you.", "Hi, you.", lower, upper]
    ref = make_labels(LabelsConfig(), ladders(store, {"i-1": right, "i-2": right, "i-3": right, "i-4": wrong}), store)
    found = store.manifest(ref).figures["audit"]["balanced"]
    assert (found["mean"], found["units"]) == (0.75, 4)
    assert found["error"] == pytest.approx((3 / 4 * (3 * (3 / 4 - 2 / 3) ** 2 + (3 / 4 - 1) ** 2)) ** 0.5)
    alone = make_labels(LabelsConfig(), ladder(store, right), store)
    assert store.manifest(alone).figures["audit"]["balanced"] is None


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


def test_with_all_rungs_every_answer_is_labelled_for_every_constraint(store: ArtifactStore) -> None:
    config = LabelsConfig(positive_rungs="all_upper", negatives="all_lower")
    ref = make_labels(config, ladder(store, ["A, b.", "C d.", "E, f.", "g h."]), store)
    found = {(r["response"], r["level"]): (r["label"], r["verdict"]) for r in store.rows(ref)}
    assert {key: label for key, (label, _) in found.items()} == {
        (answer, level): int(rung >= level)
        for rung, answer in enumerate(["A, b.", "C d.", "E, f.", "g h."])
        for level in (1, 2, 3)
    }
    assert [found[answer, 1][1] for answer in ("C d.", "E, f.", "g h.")] == [True, False, True]  # no comma
    assert len({r["label_id"] for r in store.rows(ref)}) == ref.rows == 12
    assert sorted(rungs_of(store.rows(ref)).values()) == [0, 1, 2, 3]


def test_the_best_sample_of_an_upper_rung_is_best_at_the_constraint_in_question(store: ArtifactStore) -> None:
    config = LabelsConfig(positive_rungs="all_upper", positives="best_of_n")
    answers = [["A.", "A."], ["B, b.", "B b."], ["C, c.", "C c."], ["how are you today, friend.", "How are you today."]]
    # c1 no comma, c2 friendly, c3 lowercase
    rows = list(store.rows(make_labels(config, ladders(store, {"i-1": answers}), store)))
    assert {r["response"] for r in rows if r["level"] == 1 and r["label"]} == {"B b.", "C c.", "How are you today."}
    assert {r["response"] for r in rows if r["level"] == 3 and r["label"]} == {"how are you today, friend."}
