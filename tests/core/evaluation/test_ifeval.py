"""IFEval: reading its rows, choosing a fixed subset, scoring."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import EvaluationConfig
from ifrl_core.errors import InputError
from ifrl_core.evaluation.ifeval_stage import IFEvalRow, answers, figures, prompts_table, read_rows, subset
from ifrl_core.evaluation.stage import evaluate
from ifrl_core.inference import Completion
from ifrl_core.records import Constraint, Row, constraint_of
from ifrl_core.stages.progress import no_progress

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


def test_the_benchmark_is_read_whole() -> None:
    rows = read_rows(INPUT)
    assert len(rows) == 541
    assert sum(len(item.constraints) for item in rows) == 834
    assert [constraint.type for constraint in rows[0].constraints] == [
        "punctuation:no_comma",
        "detectable_format:number_highlighted_sections",
        "length_constraints:number_words",
    ]
    assert rows[0].constraints[2].args == {"relation": "at least", "num_words": 300}


def test_every_row_survives_the_store() -> None:
    rows = read_rows(INPUT)
    for row_, stored in zip(rows, prompts_table(rows).to_pylist(), strict=True):
        constraints = tuple(constraint_of(item) for item in stored["constraints"])
        assert IFEvalRow(stored["key"], stored["prompt"], constraints) == row_


def test_null_arguments_are_dropped(tmp_path: Path) -> None:
    for kwargs in ([{"num_words": None, "keyword": None}], [None], "[null]", ["{}"]):
        assert read_rows(written(tmp_path, row(kwargs=kwargs)))[0].constraints == (NO_COMMA,)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{oops", "not valid JSON"),
        ([1], "a JSON list; expected an object with key, prompt, instruction_id_list, kwargs"),
        (row(key=...), "field 'key' is missing; expected int"),
        (row(key=True), "field 'key' is bool; expected int"),
        (row(prompt=None), "field 'prompt' is NoneType; expected str"),
        (row(kwargs={}), "field 'kwargs': dict; expected a list as long as instruction_id_list (1)"),
        (row(kwargs=[]), "field 'kwargs': 0 entries; expected a list as long as instruction_id_list (1)"),
        (row(instruction_id_list=[], kwargs=[]), "at least one"),
        (row(instruction_id_list=[3]), "field 'instruction_id_list[0]': int; expected an id"),
        (row(kwargs=["[]"]), "field 'kwargs[0]': list; expected an object"),
        (row(instruction_id_list=["punctuation:no_coma"]), "nearest: 'punctuation:no_comma'"),
        (row(instruction_id_list=["length_constraints:number_words"], kwargs=[{"relation": "at least"}]), "num_words"),
        (row(), "key 1 is also that of line 1"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(tmp_path: Path, bad: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_rows(written(tmp_path, row(), bad))
    assert "input.jsonl line 2" in str(error.value)
    assert message in str(error.value)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: cannot be opened"):
        read_rows(str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(InputError, match=r"input\.jsonl: the file is empty"):
        read_rows(written(tmp_path))


@given(small=st.integers(0, 40), more=st.integers(0, 40), order=st.randoms())
def test_a_subset_depends_on_keys_alone_and_grows_by_addition(small: int, more: int, order: Any) -> None:
    rows = [IFEvalRow(key, f"prompt {key}", (NO_COMMA,)) for key in range(1000, 1060)]
    shuffled = list(rows)
    order.shuffle(shuffled)
    few, reordered, many = (
        [item.key for item in chosen]
        for chosen in (subset(rows, small), subset(shuffled, small), subset(rows, small + more))
    )
    assert len(few) == small
    assert few == sorted(few) == sorted(reordered)
    assert set(few) <= set(many)


def test_a_subset_larger_than_the_benchmark_is_all_of_it() -> None:
    rows = read_rows(INPUT)
    assert subset(rows, 10_000) == rows


def answered(store: ArtifactStore, rows: list[IFEvalRow], responses: list[str]) -> list[Row]:
    completions = [Completion(response, "stop", 1, 1) for response in responses]
    work = evaluate.work(EvaluationConfig(), {}, store, no_progress, seed=0)
    return answers(prompts_table(rows).to_pylist(), completions, {}, work)


def test_scores_by_hand(store: ArtifactStore) -> None:
    rows = [IFEvalRow(1, "a", (NO_COMMA, QUOTED)), IFEvalRow(2, "b", (NO_COMMA,)), IFEvalRow(3, "c", (QUOTED,))]
    # 1: no comma yes, quoted no.  2: a comma on the first line only, so loosely yes.  3: quoted, after its reasoning.
    table = answered(store, rows, ["plain", "Sure, here it is:\nplain", '<think>Hm.</think>"quoted"'])
    assert [(row_["key"], row_["strict"], row_["loose"]) for row_ in table] == [
        (1, [True, False], [True, False]),
        (2, [False], [True]),
        (3, [True], [True]),
    ]
    assert figures(table)["ifeval"] == {
        "prompt_strict": pytest.approx(1 / 3),
        "prompt_loose": pytest.approx(2 / 3),
        "inst_strict": 2 / 4,
        "inst_loose": 3 / 4,
        "prompts": 3,
    }


def test_an_empty_answer_follows_nothing(store: ArtifactStore) -> None:
    table = answered(store, [IFEvalRow(1, "a", (NO_COMMA,))], [""])
    assert (table[0]["strict"], table[0]["loose"]) == ([False], [False])


def test_every_row_needs_its_response(store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="zip"):
        answered(store, [IFEvalRow(1, "a", (NO_COMMA,))], [])


def test_read_and_scored_rows_have_the_reference_verdicts(tmp_path: Path, store: ArtifactStore) -> None:
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
    table = answered(store, read_rows(path), [response for _, response in golden])
    differing = [
        (item["instruction_id"], item["kwargs"], item["response"])
        for verdicts, items in zip(table, golden.values(), strict=True)
        for item, strict, loose in zip(items, verdicts["strict"], verdicts["loose"], strict=True)
        if (strict, loose) != (item["strict"], item["loose"])
    ]
    assert len(golden) > 7_000
    assert differing == []
