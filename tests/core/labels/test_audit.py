"""The audit's arithmetic: by hand, and against a plain count over arbitrary labels."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.labels.audit import FEWEST, Cell, audit_figures, length_bucket
from ifrl_core.labels.stage import make_labels
from ifrl_core.statistics.intervals import difference_of_shares
from tests.core.ladders import ladders


def cell(
    label: int,
    verdict: bool | None,
    *,
    type: str = "a:x",
    level: int = 1,
    length: str = "0-19",
    sample: int = 0,
) -> Cell:
    return Cell(type, level, label, verdict, length, sample)


CELLS = st.builds(
    Cell,
    st.sampled_from(["a:x", "a:y", "b:z"]),
    st.integers(1, 3),
    st.integers(0, 1),
    st.sampled_from([True, False, None]),
    st.sampled_from(["0-19", "20-49", "200+"]),
    st.integers(0, 2),
)


def test_figures_by_hand() -> None:
    figures = audit_figures(Counter({cell(1, True): 3, cell(1, False): 1, cell(0, False, level=2): 4}))
    assert figures["overall"]["agreement"]["rate"] == pytest.approx(7 / 8)
    positives = figures["by_type"]["a:x"]["positives"]
    assert (positives["agree"], positives["total"]) == (3, 4)
    assert positives["low"] < 0.75 < positives["high"]
    assert figures["by_level"]["2"]["positives"] == {"agree": 0, "total": 0, "rate": None, "low": None, "high": None}
    assert figures["confusion"]["positives_that_fail"]["rate"] == 0.25
    assert figures["confusion"]["negatives_that_pass"]["rate"] == 0
    assert figures["by_type"]["a:x"]["contrast"]["difference"] == 0.75


@settings(deadline=None)
@given(st.dictionaries(CELLS, st.integers(1, 30)))
def test_every_break_down_adds_up_to_the_whole(counts: dict[Cell, int]) -> None:
    figures = audit_figures(counts)
    hard = sum(n for found, n in counts.items() if found.verdict is not None)
    for name in ("by_type", "by_level", "by_length", "by_sample"):
        for side in ("agreement", "positives", "negatives"):
            parts = [part[side] for part in figures[name].values()]
            whole = figures["overall"][side]
            assert sum(part["total"] for part in parts) == whole["total"]
            assert sum(part["agree"] for part in parts) == whole["agree"]
    assert figures["overall"]["agreement"]["total"] == hard
    table = figures["confusion"]
    assert sum(n for name, n in table.items() if isinstance(n, int)) == hard
    assert table["positives_that_fail"]["agree"] == (
        figures["overall"]["positives"]["total"] - figures["overall"]["positives"]["agree"]
    )
    soft = sum(kind[side]["labels"] for kind in figures["soft"].values() for side in ("positives", "negatives"))
    assert soft == sum(counts.values()) - hard


@settings(deadline=None)
@given(st.dictionaries(CELLS, st.integers(1, 30)))
def test_what_has_no_data_is_none_and_what_has_lies_in_its_interval(counts: dict[Cell, int]) -> None:
    figures = audit_figures(counts)
    for part in figures["by_type"].values():
        for side in ("agreement", "positives", "negatives"):
            row = part[side]
            assert (row["rate"] is None) == (row["total"] == 0)
            assert row["rate"] is None or row["low"] <= row["rate"] <= row["high"]
        one_sided = not (part["positives"]["total"] and part["negatives"]["total"])
        assert (part["contrast"]["difference"] is None) == one_sided


def test_soft_estimates_carry_the_rates_of_the_levels_over() -> None:
    hard = {
        cell(1, True, type="h:a", level=1): 90,
        cell(1, False, type="h:a", level=1): 10,
        cell(1, True, type="h:b", level=2): 20,
        cell(1, False, type="h:b", level=2): 80,
    }
    soft = {cell(1, None, type="tone:tone", level=1): 3, cell(1, None, type="tone:emotion", level=2): 1}
    found = audit_figures(Counter({**hard, **soft}))["soft"]["tone"]
    assert found["positives"]["labels"] == 4
    assert found["positives"]["rate"] == pytest.approx((3 * 0.9 + 1 * 0.2) / 4)
    assert (found["positives"]["low"], found["positives"]["high"]) == (0.2, 0.9)
    assert found["positives"]["coverage"] == pytest.approx(1 / 3)  # two types promise little
    assert found["negatives"] == {**found["negatives"], "labels": 0, "rate": None}


def test_a_hard_type_with_few_labels_does_not_set_the_range() -> None:
    hard = {cell(1, True, type=f"h:{name}"): FEWEST for name in "ab"} | {cell(1, False, type="h:rare"): FEWEST - 1}
    found = audit_figures(Counter({**hard, cell(1, None, type="tone:tone"): 1}))["soft"]["tone"]["positives"]
    assert (found["low"], found["high"], found["types"]) == (1, 1, 2)


def test_length_buckets() -> None:
    found = {n: length_bucket("word " * n) for n in (0, 19, 20, 49, 50, 199, 200, 5000)}
    assert list(found.values()) == ["0-19", "0-19", "20-49", "20-49", "50-99", "100-199", "200+", "200+"]


def test_samples_and_lengths_reach_the_audit(store: ArtifactStore) -> None:
    answers = [[f"{'word ' * n}{level}." for n in (3, 30)] for level in range(4)]
    audit = store.manifest(make_labels(LabelsConfig(), ladders(store, {"i": answers}), store)).figures["audit"]
    assert {name: row["agreement"]["total"] for name, row in audit["by_sample"].items()} == {"0": 4, "1": 4}
    assert {name: row["agreement"]["total"] for name, row in audit["by_length"].items()} == {"0-19": 4, "20-49": 4}


def test_difference_of_shares_is_newcombes() -> None:
    # Newcombe (1998), table II, example (a): 56/70 - 48/80 by method 10.
    found = difference_of_shares((56, 70), (48, 80))
    assert (round(found.mean, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    # Example (h): 10/10 - 0/10.
    assert round(difference_of_shares((10, 10), (0, 10)).low, 4) == 0.6075


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 50), st.integers(0, 50), st.integers(1, 50))
def test_a_difference_lies_in_its_interval_and_turns_with_its_sign(a: int, n: int, b: int, m: int) -> None:
    first, second = (min(a, n), n), (min(b, m), m)
    there, back = difference_of_shares(first, second), difference_of_shares(second, first)
    assert -1 <= there.low <= there.mean <= there.high <= 1
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
