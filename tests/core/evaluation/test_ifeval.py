"""IFEval: reading its rows, choosing a fixed subset, scoring."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.verifiable import IFEVAL
from ifrl_core.evaluation.suite.benchmark import Item, asked
from ifrl_core.evaluation.suite.rows import chosen, items_table, read_items
from ifrl_core.evaluation.suite.score import GradedItem, figures, graded_by_rules
from ifrl_core.records import Constraint, constraint_of, constraint_row

SHARED = Path(__file__).parents[4] / "shared"
INPUT = str(SHARED / "data" / "ifeval_input_data.jsonl")
NO_COMMA = Constraint("punctuation:no_comma", "hard", "")
QUOTED = Constraint("startend:quotation", "hard", "")


def row(**changed: Any) -> dict[str, Any]:
    whole = {"key": 1, "prompt": "Hi", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    return {name: value for name, value in (whole | changed).items() if value is not ...}


def written(folder: Path, *rows: Any) -> str:
    path = folder / "input.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows))
    return str(path)


def constraints_in(item: Item) -> list[Constraint]:
    return [constraint_of(constraint) for constraint in item.row["constraints"]]


def item_of(key: int, *constraints: Constraint) -> Item:
    row = {"constraints": [constraint_row(constraint) for constraint in constraints]}
    return Item(str(key), asked(f"prompt {key}"), row, str(key))


def read(path: str) -> list[Item]:
    return read_items("ifeval", {"input": path})


def test_the_benchmark_is_read_whole() -> None:
    items = read(INPUT)
    assert len(items) == 541
    assert sum(len(constraints_in(item)) for item in items) == 834
    first = constraints_in(items[0])
    assert [constraint.type for constraint in first] == [
        "punctuation:no_comma",
        "detectable_format:number_highlighted_sections",
        "length_constraints:number_words",
    ]
    assert first[2].args == {"relation": "at least", "num_words": 300}
    assert items_table(items).num_rows == 541


def test_null_arguments_are_dropped(tmp_path: Path) -> None:
    for kwargs in ([{"num_words": None, "keyword": None}], [None], "[null]", ["{}"]):
        assert constraints_in(read(written(tmp_path, row(kwargs=kwargs)))[0]) == [NO_COMMA]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{oops", "line 2: not valid JSON"),
        ([1], "row 2: a JSON list; expected an object"),
        (row(prompt=None), "row 2: field 'prompt' is NoneType; expected str"),
        (row(kwargs={}), "row 2: field 'kwargs': dict; expected a list as long as instruction_id_list (1)"),
        (row(kwargs=[]), "row 2: field 'kwargs': 0 entries; expected a list as long as instruction_id_list (1)"),
        (
            row(instruction_id_list=[], kwargs=[]),
            "row 2: field 'instruction_id_list': list; expected a list of ids, at least one",
        ),
        (row(instruction_id_list=[3]), "row 2: field 'instruction_id_list[0]': int; expected an id"),
        (row(kwargs=["[]"]), "row 2: field 'kwargs[0]': list; expected an object"),
        (row(instruction_id_list=["punctuation:no_coma"]), "nearest: 'punctuation:no_comma'"),
        (row(instruction_id_list=["length_constraints:number_words"], kwargs=[{"relation": "at least"}]), "num_words"),
        (row(), "two rows have the id '1'"),
    ],
)
def test_a_bad_row_is_named_by_place_and_field(tmp_path: Path, bad: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        read(written(tmp_path, row(), bad))
    assert message in str(error.value)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: cannot be opened"):
        read(str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(InputError, match=r"input\.jsonl: the file is empty"):
        read(written(tmp_path))


@given(small=st.integers(1, 40), more=st.integers(0, 40), order=st.randoms())
def test_a_subset_depends_on_keys_alone_and_grows_by_addition(small: int, more: int, order: Any) -> None:
    items = [item_of(key, NO_COMMA) for key in range(1000, 1060)]
    shuffled = list(items)
    order.shuffle(shuffled)
    few, reordered, many = (
        [item.id for item in some]
        for some in (chosen(items, small), chosen(shuffled, small), chosen(items, small + more))
    )
    assert len(few) == small
    assert few == sorted(few) == sorted(reordered)
    assert set(few) <= set(many)


def test_a_subset_larger_than_the_benchmark_is_all_of_it() -> None:
    items = read(INPUT)
    assert chosen(items, 10_000) == chosen(items, None) == items


def marks(items: list[Item], responses: list[str]) -> list[GradedItem]:
    return graded_by_rules(IFEVAL, items, responses)


def test_scores_by_hand() -> None:
    items = [item_of(1, NO_COMMA, QUOTED), item_of(2, NO_COMMA), item_of(3, QUOTED)]
    # 1: no comma yes, quoted no.  2: a comma on the first line only, so loosely yes.  3: quoted, after its reasoning.
    rows = marks(items, ["plain", "Sure, here it is:\nplain", '<think>Hm.</think>"quoted"'])
    assert [(row_.marks["inst_strict"], row_.marks["inst_loose"]) for row_ in rows] == [
        ([1.0, 0.0], [1.0, 0.0]),
        ([0.0], [1.0]),
        ([1.0], [1.0]),
    ]
    found = {name: metric["mean"] for name, metric in figures(IFEVAL, rows)["metrics"].items()}
    assert found == pytest.approx(
        {"prompt_strict": 1 / 3, "prompt_loose": 2 / 3, "inst_strict": 2 / 4, "inst_loose": 3 / 4}
    )


def test_an_empty_answer_follows_nothing() -> None:
    [row_] = marks([item_of(1, NO_COMMA)], [""])
    assert row_.marks == {"prompt_loose": [0], "prompt_strict": [0], "inst_loose": [0], "inst_strict": [0]}


def test_read_and_scored_rows_have_the_reference_verdicts(tmp_path: Path) -> None:
    golden = defaultdict(list)
    for item in pq.read_table(SHARED / "golden" / "ifeval_verdicts.parquet").to_pylist():
        # For a "letter" like "#" the original counts a letter drawn at random, so its verdict means nothing.
        if json.loads(item["kwargs"]).get("letter", "a").isalpha():
            golden[item["prompt"], item["response"]].append(item)
    path = written(
        tmp_path,
        *(
            row(
                key=key,
                prompt=prompt,
                instruction_id_list=[item["instruction_id"] for item in items],
                kwargs=[json.loads(item["kwargs"]) for item in items],
            )
            for key, ((prompt, _), items) in enumerate(golden.items())
        ),
    )
    rows = marks(read(path), [response for _, response in golden])
    differing = [
        (item["instruction_id"], item["kwargs"], item["response"])
        for graded, items in zip(rows, golden.values(), strict=True)
        for item, strict, loose in zip(items, graded.marks["inst_strict"], graded.marks["inst_loose"], strict=True)
        if (strict, loose) != (item["strict"], item["loose"])
    ]
    assert len(golden) > 7_000
    assert differing == []
