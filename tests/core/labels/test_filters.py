"""Filters and ways of pairing: what is left out and under which reason, and that nothing goes missing uncounted."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.labels.contrasts import Candidate, Contrast
from ifrl_core.labels.filters import FILTERS, Tally, filters_on, kept
from ifrl_core.labels.selection import TYPE_REASON
from ifrl_core.labels.stage import make_labels
from tests.core.ladders import LOWERCASE, NO_COMMA, Answer, ladders

Row = dict[str, Any]
HOW = "Dear friend how are you doing today."  # long enough for the rule to tell its language
UNFILTERED = {"drop_identical": False, "drop_empty": False}


def labelled(store: ArtifactStore, answers: list[Answer], **config: Any) -> tuple[list[Row], Row]:
    """Rows and figures of one ladder's labels."""
    ref: ArtifactRef = make_labels(LabelsConfig(**config), ladders(store, {"i": answers}), store)
    return list(store.rows(ref)), store.manifest(ref).figures


def members(rows: list[Row]) -> list[tuple[str, str]]:
    """(label_id, + or -) of each row."""
    return [(row["label_id"], "-+"[row["label"]]) for row in rows]


def candidate(label: int, verdict: bool | None, text: str, name: str, split: str) -> Candidate:
    constraint = {"type": NO_COMMA.type, "kind": "soft" if verdict is None else "hard"}
    row = {"label_id": name, "label": label, "verdict": verdict, "response": text, "split": split, "level": 1}
    row |= {"constraint": constraint}
    return Candidate(row, 0)


TEXTS = st.sampled_from(["", " ", "One two three.", "one two three", "Four five six."])


@st.composite
def contrasts(draw: st.DrawFn, splits: tuple[str, ...] = ("train",)) -> list[Contrast]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        hard, split = draw(st.booleans()), draw(st.sampled_from(splits))

        def one(label: int, name: str, hard: bool = hard, split: str = split) -> Candidate:
            verdict = draw(st.booleans()) if hard else None
            return candidate(label, verdict, draw(TEXTS), name, split)

        negatives = tuple(one(0, f"{number}-{rung}") for rung in range(draw(st.integers(1, 3))))
        found.append(Contrast(one(1, f"{number}+"), negatives))
    return found


CONFIGS = st.builds(
    LabelsConfig,
    drop_identical=st.booleans(),
    drop_empty=st.booleans(),
    contradicted=st.sampled_from(["keep", "drop_label", "drop_pair"]),
)


@given(CONFIGS, contrasts(("train", "validation")))
@settings(deadline=None)
def test_every_label_is_kept_or_counted_under_one_reason_in_use(config: LabelsConfig, made: list[Contrast]) -> None:
    tally = Tally()
    left = list(kept(config, made, tally))
    every = [member for contrast in made for member in contrast.members]
    assert len(left) + tally.dropped.total() == len(every) == tally.candidates.total()
    assert set(tally.dropped) <= set(filters_on(config))
    assert [member for member in every if member in left] == left  # order is kept, and nothing is made up


@given(CONFIGS, contrasts())
@settings(deadline=None)
def test_a_filter_measured_alone_is_the_filter_used_alone(config: LabelsConfig, made: list[Contrast]) -> None:
    figures = Tally()
    list(kept(config, made, figures))
    alone = {
        "identical answers": {"drop_identical": True},
        "empty answer": {"drop_empty": True},
        "pair contradicted by rules": {"contradicted": "drop_pair"},
        "label contradicted by its rule": {"contradicted": "drop_label"},
    }
    assert set(alone) == set(FILTERS)
    for name, used in alone.items():
        tally = Tally()
        left = list(kept(LabelsConfig(**{**UNFILTERED, **used}), made, tally))
        row = figures.figures(config)["alone"][name]
        assert (row["dropped"], row["labels"]) == (tally.dropped[name], len(left))
        hard = [member.outcome for member in left if member.row["verdict"] is not None]
        assert row["agreement"]["total"] == len(hard)
        assert row["agreement"]["agree"] == sum(label == int(bool(verdict)) for label, verdict in hard)


@given(contrasts())
def test_rules_agree_with_everything_that_they_do_not_contradict(made: list[Contrast]) -> None:
    for contradicted in ("drop_label", "drop_pair"):
        tally = Tally()
        config = LabelsConfig(contradicted=contradicted, **UNFILTERED)
        for member in kept(config, made, tally):
            label, verdict = member.outcome
            assert verdict is None or label == int(verdict)


def test_what_a_rule_contradicts_may_go_alone_or_with_its_pair(store: ArtifactStore) -> None:
    # c1 no comma: the positive has one. c3 lowercase: both are as they should be.
    answers: list[Answer] = ["A, b.", "C, d.", HOW, HOW.lower()]
    rows, figures = labelled(store, answers, contradicted="drop_label")
    assert members(rows)[0] == ("i-L0-0-c1", "-")
    assert figures["dropped"] == {"label contradicted by its rule": 1}
    rows, figures = labelled(store, answers, contradicted="drop_pair")
    assert {row["level"] for row in rows} == {2, 3}
    assert figures["dropped"] == {"pair contradicted by rules": 2}
    assert figures["audit"]["overall"]["agreement"]["rate"] == 0.75  # the audit is of what the contrast gave


def test_rules_choose_among_training_labels_alone(store: ArtifactStore) -> None:
    answers: list[Answer] = ["A, b.", "C, d.", HOW, HOW.lower()]
    made = ladders(store, {f"i{number}": answers for number in range(20)})
    found = {}
    for contradicted in ("keep", "drop_label"):
        ref = make_labels(LabelsConfig(contradicted=contradicted), made, store)  # type: ignore[arg-type]
        found[contradicted] = (list(store.rows(ref)), store.manifest(ref).figures)
    (every, _), (left, figures) = found["keep"], found["drop_label"]
    validation = [row for row in every if row["split"] == "validation"]
    assert validation
    assert [row for row in left if row["split"] == "validation"] == validation
    right = [row for row in every if row["split"] == "train" and row["verdict"] in (None, bool(row["label"]))]
    assert [row for row in left if row["split"] == "train"] == right
    assert figures["training_audit"]["overall"]["agreement"]["rate"] == 1
    assert figures["audit"] == found["keep"][1]["audit"]


def test_negatives_of_all_lower_rungs(store: ArtifactStore) -> None:
    rows, _ = labelled(store, ["A.", "B.", "C.", "D."], negatives="all_lower")
    assert members(rows) == [
        ("i-L1-0-c1", "+"),
        ("i-L0-0-c1", "-"),
        ("i-L2-0-c2", "+"),
        ("i-L1-0-c2", "-"),
        ("i-L0-0-c2", "-"),
        ("i-L3-0-c3", "+"),
        ("i-L2-0-c3", "-"),
        ("i-L1-0-c3", "-"),
        ("i-L0-0-c3", "-"),
    ]


def test_a_positive_stays_while_one_of_its_negatives_does(store: ArtifactStore) -> None:
    rows, figures = labelled(store, ["A.", "C.", "C.", "D."], negatives="all_lower")
    assert [item for item in members(rows) if "c2" in item[0]] == [("i-L2-0-c2", "+"), ("i-L0-0-c2", "-")]
    assert figures["dropped"] == {"identical answers": 1}


def test_the_best_sample_follows_the_newest_constraint_then_most_of_the_others(store: ArtifactStore) -> None:
    answers: list[Answer] = [
        ["L0 a.", "L0 b.", "L0 c."],
        ["One, two.", "One two.", "Also one two."],  # the first without a comma
        ["So, friend.", "So, friend!", "So friend."],  # soft: the one that keeps to c1
        ["Not, this.", "but, this.", "but this."],  # lowercase, and of those the one without a comma
    ]
    rows, _ = labelled(store, answers, positives="best_of_n")
    assert members(rows) == [
        ("i-L1-1-c1", "+"),
        ("i-L0-1-c1", "-"),
        ("i-L2-2-c2", "+"),
        ("i-L1-2-c2", "-"),
        ("i-L3-2-c3", "+"),
        ("i-L2-2-c3", "-"),
    ]


def test_types_without_contrast_leave_training_but_not_validation_and_are_named(store: ArtifactStore) -> None:
    # Commas everywhere; lowercase as asked.
    answers = {f"i-{n}": [f"A, {n}.", f"B, {n}.", f"{HOW}, {n}", f"{HOW.lower()}, {n}"] for n in range(30)}
    refs = ladders(store, answers)
    whole = make_labels(LabelsConfig(), refs, store)
    ref = make_labels(LabelsConfig(drop_types_without_contrast=0.0), refs, store)
    figures = store.manifest(ref).figures
    assert set(figures["types_without_contrast"]) == {NO_COMMA.type}
    left_out = figures["types_without_contrast"][NO_COMMA.type]
    assert left_out["difference"] == 0
    assert left_out["low"] < 0 < left_out["high"]
    types = {(row["split"], row["constraint"]["type"]) for row in store.rows(ref)}
    assert ("train", NO_COMMA.type) not in types
    assert {("validation", NO_COMMA.type), ("train", LOWERCASE.type), ("train", "tone:friendly")} <= types
    assert figures["dropped"] == {TYPE_REASON: left_out["labels"]}
    assert whole.rows - ref.rows == left_out["labels"]
    assert store.manifest(whole).figures["types_without_contrast"] == {}


def test_no_type_is_left_out_below_the_least_threshold_that_has_both_labels(store: ArtifactStore) -> None:
    rows, figures = labelled(store, ["A, b.", "C, d.", "E.", "F."], drop_types_without_contrast=-1)
    assert len(rows) == 6
    assert figures["types_without_contrast"] == {}
