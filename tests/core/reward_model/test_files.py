"""Files of responses get probabilities: same rows, same order, null where a row cannot be scored, clear errors."""

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from ifrl_core.errors import InputError, ModelError
from ifrl_core.reward_model.model.files import reward_model_folder, score_file
from ifrl_core.reward_model.model.score import RewardModel


class LengthScorer:
    """Stands for a model where only files matter: short constraints count as satisfied, `?` as not scorable."""

    def __init__(self) -> None:
        self.windows: list[int] = []

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        self.windows.append(len(pairs))
        return [None if constraint == "?" else 1 / (1 + len(constraint)) for _, constraint in pairs]


def _jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _row(constraint: Any = "Be kind.", response: Any = "Blue.", **more: Any) -> dict[str, Any]:
    return {"response": response, "constraint": constraint, **more}


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind_in", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind_out", ["jsonl", "parquet"])
def test_rows_come_back_in_order_with_probabilities(tmp_path: Path, kind_in: str, kind_out: str) -> None:
    rows = [_row("x" * (1 + n % 7), n=n) for n in range(2_500)]  # more than two windows
    source, target, seen = tmp_path / f"in.{kind_in}", tmp_path / "new" / f"out.{kind_out}", []
    if kind_in == "jsonl":
        _jsonl(source, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), source)
    summary = score_file(source, target, LengthScorer(), progress=lambda done, total: seen.append((done, total)))
    assert _read(target) == [{**row, "probability": 1 / (2 + row["n"] % 7)} for row in rows]
    assert (summary.rows, summary.scored, summary.unscored) == (2_500, 2_500, {})
    assert seen[0] == (0, 2_500)
    assert seen[-1] == (2_500, 2_500)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_what_cannot_be_scored_is_null_and_counted_by_reason(tmp_path: Path, kind: str) -> None:
    rows = [_row("?"), _row(None), _row(response=None), _row()]
    summary = score_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / f"out.{kind}", LengthScorer())
    assert [row["probability"] for row in _read(tmp_path / f"out.{kind}")] == [None, None, None, 1 / 9]
    assert summary.scored == 1
    assert summary.unscored["constraint is null"] == summary.unscored["response is null"] == 1
    assert sum(summary.unscored.values()) == 3


def test_half_a_surrogate_pair_is_null_and_passed_through(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"response": "\\ud83d", "constraint": "Be kind."}\n')
    summary = score_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", LengthScorer())
    assert _read(tmp_path / "out.jsonl") == [{"response": "\ud83d", "constraint": "Be kind.", "probability": None}]
    assert summary.unscored == {"response is not valid Unicode": 1}
    with pytest.raises(InputError, match="do not fit Parquet"):
        score_file(tmp_path / "in.jsonl", tmp_path / "out.parquet", LengthScorer())
    assert not list(tmp_path.glob("*out.parquet*"))


def test_a_column_that_is_null_for_a_whole_window_does_not_stop_the_next(tmp_path: Path) -> None:
    rows = [*[_row("?")] * 1_024, _row()]
    score_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet", LengthScorer())
    assert _read(tmp_path / "out.parquet")[-1]["probability"] == 1 / 9


def test_old_probabilities_are_replaced(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([_row(probability="high")]), tmp_path / "a.parquet")
    score_file(tmp_path / "a.parquet", tmp_path / "a.parquet", LengthScorer())  # onto itself, too
    assert _read(tmp_path / "a.parquet") == [_row(probability=1 / 9)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "row 2 is not JSON"),
        (b'{"response": "\xff", "constraint": "x"}', "row 2 is not JSON"),
        (b"[]", "row 2 is not a JSON object"),
        (b'{"response": "x"}', "row 2, field 'constraint': missing; a row needs response and constraint"),
        (b'{"response": 3, "constraint": "x"}', "row 2, field 'response': expected text, found int"),
    ],
)
def test_a_bad_row_is_named_and_leaves_no_output(tmp_path: Path, line: bytes, says: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(json.dumps(_row()).encode() + b"\n\n" + line + b"\n")
    with pytest.raises(InputError, match=says):
        score_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", LengthScorer())
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_files_that_cannot_be_read_or_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR0")
    for source, says in (("no.jsonl", "no such file"), ("in.csv", "unknown kind"), ("in.parquet", "not a readable")):
        with pytest.raises(InputError, match=says):
            score_file(tmp_path / source, tmp_path / "out.jsonl", LengthScorer())


@pytest.mark.parametrize("count", [40_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, count: int) -> None:
    """Row groups of 40 MB, read and written a window at a time."""
    group = 40_000
    schema = pa.schema([("constraint", pa.string()), ("response", pa.string())])
    with pq.ParquetWriter(tmp_path / "in.parquet", schema, use_dictionary=False) as writer:
        for start in range(0, count, group):
            rows = [_row(response="r" * 1_000 + str(n)) for n in range(start, start + group)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema), row_group_size=group)
    del rows
    scorer = LengthScorer()
    tracemalloc.start()
    score_file(tmp_path / "in.parquet", tmp_path / "out.parquet", scorer)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(scorer.windows) == count
    assert peak < 12e6
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_rows == count


def test_a_folder_that_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no reward_model\.json"):
        reward_model_folder(str(tmp_path))
    with pytest.raises(ModelError, match="is not a folder"):
        reward_model_folder(str(tmp_path / "none"))


@pytest.mark.model
def test_the_command_scores_as_the_library_does(reward_model: Path, tmp_path: Path) -> None:
    rows = [_row(f"Write about {n}.", response) for response in ("Blue.", "Red, and green.") for n in range(3)]
    rows.append(_row("No commas. " * 200))
    _jsonl(tmp_path / "in.jsonl", rows)
    command = ["score", str(tmp_path / "in.jsonl"), "--reward-model", str(reward_model.parent), "--dtype", "float32"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["rows"], document["scored"]) == (7, 6)
    assert document["output"] == str(tmp_path / "in-scored.jsonl")
    found = [row["probability"] for row in _read(tmp_path / "in-scored.jsonl")]
    pairs = [(row["response"], row["constraint"]) for row in rows]
    assert found[:6] == pytest.approx(RewardModel(reward_model, dtype="float32").probabilities(pairs)[:6], abs=1e-4)
    assert found[6] is None
