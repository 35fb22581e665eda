"""Blind sheets: drawn evenly and repeatably, silent about the truth, safe with hostile text, and read back exactly."""

import csv
import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.errors import ArtifactError, InputError
from ifrl_core.labels.people.draw import ShownContrast, draw, showing_order
from ifrl_core.labels.people.grade import grade_sheet
from ifrl_core.labels.people.sheet import Sheet, csv_text, write_sheet
from ifrl_core.labels.stage import make_labels
from tests.core.ladders import ladders

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028"quoted", \x00\x1b\u202e{{ 7*7 }}'
FORMULA = '=HYPERLINK("https://example.org","x")'


@pytest.fixture
def labels(store: ArtifactStore) -> ArtifactRef:
    answers = {
        f"i-{n}": [f"Hello, {n}.", f"Hello {n}.", f"Dear friend {n}{HOSTILE}", f"{FORMULA} {n}"] for n in range(12)
    }
    return make_labels(LabelsConfig(), ladders(store, answers, seed=f"Say hello. {HOSTILE}"), store)


@pytest.fixture
def sheet(labels: ArtifactRef, store: ArtifactStore, tmp_path: Path) -> Sheet:
    return write_sheet(labels, store, tmp_path / "sheet", pairs=24, repeat=0.25)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def truth_of(sheet: Sheet) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(sheet.key.read_text())["items"]
    return found


def judge(sheet: Sheet, path: Path, judgement: Any) -> Path:
    """A sheet filled by `judgement(truth)`."""
    lines = [f"{item},{judgement(truth)}" for item, truth in truth_of(sheet).items()]
    path.write_text("\n".join(["item,judgement", *lines]))
    return path


# --- the draw


def contrasts(sizes: dict[tuple[str, int], int]) -> list[ShownContrast]:
    source = random.Random(0)
    return [
        ShownContrast(f"{source.random():.17f}", f"i-{n}", name, level, f"{name}{level}{n}+", f"{name}{level}{n}-")
        for (name, level), size in sizes.items()
        for n in range(size)
    ]


SIZES = st.dictionaries(st.tuples(st.sampled_from("abcde"), st.integers(1, 5)), st.integers(1, 12), min_size=1)


@settings(deadline=None)
@given(SIZES, st.integers(1, 60))
def test_types_are_drawn_as_evenly_as_they_last(sizes: dict[tuple[str, int], int], count: int) -> None:
    every = contrasts(sizes)
    drawn = draw(every, count)
    assert len(drawn) == min(count, len(every))
    assert len(set(drawn)) == len(drawn)
    held, taken = Counter(c.type for c in every), Counter(c.type for c in drawn)
    most = max(taken.values())
    # A type that has fewer than the most frequent one (less the one that is being dealt) is used up.
    assert all(taken[name] >= most - 1 or taken[name] == held[name] for name in held)


@settings(deadline=None)
@given(SIZES, st.integers(1, 60), st.randoms())
def test_the_draw_does_not_depend_on_the_order_of_the_table(
    sizes: dict[tuple[str, int], int], count: int, source: random.Random
) -> None:
    every = contrasts(sizes)
    mixed = list(every)
    source.shuffle(mixed)
    assert draw(mixed, count) == draw(every, count)


@settings(deadline=None)
@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_repeated_contrasts_come_last_and_in_the_other_order(size: int, repeat: float, seed: int) -> None:
    drawn = contrasts({("a", 1): size})
    shown = showing_order(drawn, repeat, random.Random(seed))
    showings = [item.showing for item in shown]
    assert showings == sorted(showings)
    assert Counter(item.label_id for item in shown if item.showing == 1) == Counter(
        label_id for contrast in drawn for label_id in (contrast.positive, contrast.negative)
    )
    order: dict[tuple[int, int], list[str]] = {}
    for item in shown:
        order.setdefault((item.contrast, item.showing), []).append(item.label_id)
    assert sum(showing == 2 for _, showing in order) == max(round(repeat * size), repeat > 0)
    for (contrast, showing), ids in order.items():
        if showing == 2:
            assert ids == order[contrast, 1][::-1]


def test_labels_levels_and_types_are_balanced(sheet: Sheet) -> None:
    first = [truth for truth in truth_of(sheet).values() if truth["showing"] == 1]
    assert len(first) == 24
    assert Counter(truth["label"] for truth in first) == {0: 12, 1: 12}
    assert set(Counter(truth["type"] for truth in first).values()) == {8}
    assert sheet.repeated == 3
    assert sheet.items == 24 + 6


def test_equal_arguments_give_equal_files_and_another_seed_another_sheet(
    labels: ArtifactRef, store: ArtifactStore, tmp_path: Path
) -> None:
    made = [
        write_sheet(labels, store, tmp_path / name, pairs=10, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    texts = [[path.read_bytes() for path in (s.csv, s.page, s.key)] for s in made]
    assert texts[0] == texts[1]
    assert made[0].sheet != made[2].sheet


def test_it_never_overwrites_what_may_be_somebodys_work(
    sheet: Sheet, labels: ArtifactRef, store: ArtifactStore
) -> None:
    with pytest.raises(InputError, match="choose another folder"):
        write_sheet(labels, store, sheet.csv.parent, pairs=4)


def test_prompts_that_are_gone_are_named(labels: ArtifactRef, store: ArtifactStore, tmp_path: Path) -> None:
    parent = store.manifest(labels).inputs["prompts"]
    store.fs.rm(store.folder(*parent.split("/", 1)), recursive=True)
    with pytest.raises(ArtifactError, match=r"prompts/.* is gone"):
        write_sheet(labels, store, tmp_path / "sheet", pairs=4)


# --- blindness and safety


def test_nothing_but_the_key_knows_labels_verdicts_rungs_and_types(sheet: Sheet) -> None:
    page, table = sheet.page.read_text(), sheet.csv.read_bytes().decode()
    for truth in truth_of(sheet).values():
        for name in ("label_id", "rollout_id", "type"):
            assert truth[name] not in page
            assert truth[name] not in table
    assert set(rows_of(sheet.csv)[0]) == {"item", "instruction", "constraint", "response", "judgement"}
    start = page.index(">", page.index('id="items"')) + 1
    items = json.loads(page[start : page.index("</script>", start)])
    assert all(set(item) == {"item", "instruction", "constraint", "response"} for item in items)
    assert not any("With constraints" in item["instruction"] for item in items)  # L0's prompt, whatever the rung


def test_hostile_text_cannot_leave_its_place_in_the_page(sheet: Sheet) -> None:
    page = sheet.page.read_text()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("</script>") == 2  # the data's and the code's own


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n=1", "＝1", "\r"])
def test_no_cell_of_the_csv_is_a_formula(text: str) -> None:
    item = {"item": "s1-0001", "instruction": text, "constraint": "Be brief.", "response": text}
    row = next(csv.DictReader(io.StringIO(csv_text([item]), newline="")))
    assert row["response"] == row["instruction"] == f"'{text}"
    assert row["constraint"] == "Be brief."


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_cell_that_is_no_formula(text: str) -> None:
    item = {"item": "s1-0001", "instruction": "i", "constraint": "c", "response": text}
    rows = list(csv.DictReader(io.StringIO(csv_text([item]), newline="")))
    assert len(rows) == 1
    assert rows[0]["response"] in (text, f"'{text}")
    assert rows[0]["response"].lstrip()[:1] not in set("=+-@")


# --- reading it back


def test_a_judge_who_sees_as_the_labels_do(sheet: Sheet, tmp_path: Path) -> None:
    found = grade_sheet(judge(sheet, tmp_path / "j.csv", lambda truth: "yn"[truth["label"] == 0]), sheet.key)
    assert found["agreement"]["rate"] == 1
    assert found["kendall_tau"] == pytest.approx(1)
    assert found["contrasts"]["tau"] == 1
    assert found["contrasts"]["same_order"] == {**found["contrasts"]["same_order"], "agree": 12, "total": 12}
    assert found["position_consistency"] == {**found["position_consistency"], "agree": 6, "total": 6}


def test_a_judge_who_says_what_the_rules_say(sheet: Sheet, tmp_path: Path) -> None:
    found = grade_sheet(judge(sheet, tmp_path / "j.csv", lambda t: "ny"[bool(t["verdict"])]), sheet.key)
    assert (found["rules"]["agree"], found["rules"]["total"]) == (16, 16)  # two hard types of three, 8 each
    assert found["by_type"]["soft tone:friendly"]["rules"]["rate"] is None  # unscored is not zero
    assert found["by_type"]["soft tone:friendly"]["positives"]["rate"] == 0
    assert found["labels_and_rules"] == {**found["labels_and_rules"], "total": 16}
    assert found["soft"]["positives"]["total"] == found["by_type"]["soft tone:friendly"]["positives"]["total"]


def test_a_judge_who_goes_by_the_place_is_not_consistent(sheet: Sheet, tmp_path: Path) -> None:
    places = {item: number % 2 for number, item in enumerate(truth_of(sheet))}
    lines = [f"{item},{'yn'[place]}" for item, place in places.items()]
    (tmp_path / "j.csv").write_text("\n".join(["item,judgement", *lines]))
    assert grade_sheet(tmp_path / "j.csv", sheet.key)["position_consistency"]["rate"] == 0


def test_ties_count_against_the_order_and_constant_judgements_have_no_tau(sheet: Sheet, tmp_path: Path) -> None:
    found = grade_sheet(judge(sheet, tmp_path / "j.csv", lambda truth: "y"), sheet.key)
    assert found["kendall_tau"] is None
    assert (found["contrasts"]["tied"], found["contrasts"]["tau"], found["contrasts"]["same_order"]["rate"]) == (
        12,
        0,
        0,
    )


def test_skipped_items_are_counted_and_left_out(sheet: Sheet, tmp_path: Path) -> None:
    path = judge(sheet, tmp_path / "j.csv", lambda truth: "skip" if truth["kind"] == "soft" else "y")
    found = grade_sheet(path, sheet.key)
    assert set(found["by_type"]) == {"hard punctuation:no_comma", "hard change_case:english_lowercase"}
    assert found["judged"] + found["skipped_or_unanswered"] == sheet.items


def test_the_filled_csv_itself_can_be_graded_as_a_spreadsheet_saves_it(sheet: Sheet, tmp_path: Path) -> None:
    rows = [{**row, "judgement": "Yes "} for row in rows_of(sheet.csv)]
    with (tmp_path / "j.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    assert grade_sheet(tmp_path / "j.csv", sheet.key)["judged"] == sheet.items


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda lines: lines.__setitem__(2, lines[2].split(",")[0] + ",maybe"),
            r"row 3, field 'judgement': 'maybe'.*y, n",
        ),
        (lambda lines: lines.__setitem__(4, "s0-0001,y"), r"row 5, field 'item': 's0-0001' is no item of the key"),
        (lambda lines: lines.append(lines[1]), r"field 'item': .* is already in row 2"),
        (lambda lines: lines.__setitem__(0, "id,judgement"), "row 1 lacks the column item"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no item is judged"),
    ],
)
def test_bad_rows_are_named(sheet: Sheet, tmp_path: Path, edit: Any, said: str) -> None:
    path = judge(sheet, tmp_path / "j.csv", lambda truth: "y")
    lines = path.read_text().split("\n")
    edit(lines)
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=said):
        grade_sheet(path, sheet.key)


@pytest.mark.parametrize("data", [b"\xff\xfeitem", b"", b"\x00", b'item,judgement\n"', b"item"])
def test_files_that_are_no_sheet_are_refused(sheet: Sheet, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "j.csv").write_bytes(data)
    with pytest.raises(InputError, match=r"j\.csv"):
        grade_sheet(tmp_path / "j.csv", sheet.key)


@pytest.mark.parametrize("data", ["[]", "{", '{"format": "other"}', "nonsense"])
def test_files_that_are_no_key_are_refused(sheet: Sheet, tmp_path: Path, data: str) -> None:
    (tmp_path / "key.json").write_text(data)
    with pytest.raises(InputError, match="is not a sheet's key"):
        grade_sheet(sheet.csv, tmp_path / "key.json")
