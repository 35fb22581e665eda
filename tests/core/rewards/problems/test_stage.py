"""Problems are read, refused by row and field, split by text, and kept as a stage."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.errors import InputError
from ifrl_core.rewards.problems.stage import GeneralSource, general_source, make_problems, problems_of

GOOD = [{"prompt": f"What is {n} plus 1?", "answer": str(n + 1), "kind": "math"} for n in range(20)] + [
    {"prompt": "Which? (A) this (B) that", "answer": "B", "kind": "choice"},
    {"prompt": "Say yes.", "answer": "yes", "kind": "exact"},
]


def source_of(*sources: str, share: float = 0.5) -> GeneralSource:
    general = {"ratio": 0.2, "sources": sources, "held_out_share": share}
    source = general_source(PipelineConfig.model_validate({"policy": {"general": general}}))
    assert source is not None
    return source


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("name", ["mine.parquet", "mine.jsonl"])
def test_a_users_file_becomes_two_splits_that_share_nothing(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    ref = make_problems(source_of(written(tmp_path / name, [*GOOD, GOOD[0]])), {}, store)
    train, held_out = (problems_of(ref, store, split) for split in ("train", "held_out"))
    assert {row["prompt"] for row in train} | {row["prompt"] for row in held_out} == {row["prompt"] for row in GOOD}
    assert not {row["prompt_id"] for row in train} & {row["prompt_id"] for row in held_out}
    assert {row["source"] for row in train} == {"mine"}
    figures = store.manifest(ref).figures
    assert (figures["train"], figures["held_out"], figures["repeated"]) == (len(train), len(held_out), 1)


def test_more_problems_move_none_to_the_other_split(store: ArtifactStore, tmp_path: Path) -> None:
    few = make_problems(source_of(written(tmp_path / "few.jsonl", GOOD[:15])), {}, store)
    more = make_problems(source_of(written(tmp_path / "more.jsonl", GOOD)), {}, store)
    held_out = [{row["prompt"] for row in problems_of(ref, store, "held_out")} for ref in (few, more)]
    assert held_out[0] == held_out[1] & {row["prompt"] for row in GOOD[:15]}


def test_the_fingerprint_is_of_the_content_not_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there = (source_of(written(folder / "mine.jsonl", GOOD)) for folder in (tmp_path, tmp_path / "other"))
    changed = source_of(written(tmp_path / "mine.jsonl", GOOD[1:]))
    prints = [make_problems.fingerprint(source, {}, seed=0) for source in (here, there, changed)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": " ", "answer": "1", "kind": "math"}, "row 2, field 'prompt'"),
        (
            {"prompt": "Ask.", "answer": "1", "kind": "maths"},
            "row 2, field 'kind': 'maths' is none of math, choice, exact",
        ),
        ({"prompt": "Ask.", "answer": None, "kind": "math"}, "row 2, field 'answer'"),
        ({"prompt": "Ask.", "kind": "exact"}, "row 2, field 'answer'"),
        ({"prompt": "Ask.", "answer": "yes", "kind": "choice"}, "row 2, field 'answer': 'yes' is not a letter"),
        ({"prompt": "Ask.", "answer": "no idea", "kind": "math"}, "row 2, field 'answer': .* cannot be read"),
    ],
)
def test_a_row_that_is_no_problem_is_named(
    store: ArtifactStore, tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    path = written(tmp_path / "bad.jsonl", [GOOD[0], row])
    with pytest.raises(InputError, match=rf"bad\.jsonl: {said}"):
        make_problems(source_of(path), {}, store)


def test_a_source_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no builtin:chess; built in are builtin:math and builtin:science"):
        source_of("builtin:chess")
    with pytest.raises(InputError, match=r"mine\.csv: unknown kind of file"):
        source_of(str(tmp_path / "mine.csv"))


def test_a_run_without_problems_reads_none() -> None:
    assert general_source(PipelineConfig()) is None
    assert general_source(PipelineConfig.model_validate({"evaluation": {"general_prompts": 5}})) is not None
