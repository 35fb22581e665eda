"""A large file is scored shard by shard as in one pass; a kill costs a shard; bad rows are named before a model loads."""

import json
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.reward_model.model.files import score_file
from ifrl_core.reward_model.scores import stage
from ifrl_core.reward_model.scores.output import write_scored
from ifrl_core.row_files import has_more_rows
from tests.core.reward_model.scores_to_kill import ByLength, scored

ROWS: list[dict[str, Any]] = [
    *({"n": n, "response": "r" * n, "constraint": "Be kind."} for n in range(1, 6)),
    {"n": 6, "response": "r", "constraint": "?"},
    {"n": 7, "response": None, "constraint": "Be kind."},
    {"n": 8, "response": "\ud83d", "constraint": "Be kind."},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.fixture(autouse=True)
def opening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "open_scorer", stage.open_scorer)  # put back at the end


def test_shards_say_what_one_pass_says(file: Path, store: ArtifactStore, tmp_path: Path) -> None:
    scorer = ByLength()
    pairs, scores = scored(file, store, scorer, rows_per_shard=3)
    assert [shard.rows for shard in store.manifest(scores).shards] == [3, 3, 2]
    assert [len(pairs) for pairs in scorer.asked] == [3, 3, 0]
    write_scored(file, tmp_path / "shards.jsonl", pairs, scores, store)
    summary = score_file(file, tmp_path / "one.jsonl", ByLength())
    assert (tmp_path / "shards.jsonl").read_text() == (tmp_path / "one.jsonl").read_text()
    figures = store.manifest(scores).figures
    assert figures == {"rows": 8, "scored": 5, "unscored": summary.unscored}


@pytest.mark.e2e  # a process of its own
def test_a_kill_costs_a_shard(file: Path, store: ArtifactStore) -> None:
    child = [sys.executable, "-m", "tests.core.reward_model.scores_to_kill", str(file), store.root]
    assert subprocess.run(child, cwd=Path(__file__).parents[3]).returncode == -signal.SIGKILL
    scorer = ByLength()
    _, scores = scored(file, store, scorer, rows_per_shard=3)
    assert [[response for response, _ in pairs] for pairs in scorer.asked] == [["rrrr", "rrrrr", "r"], []]
    found = [value for table in store.tables(scores) for value in table["probability"].to_pylist()]
    assert found == [*(1 / (1 + n) for n in range(1, 6)), None, None, None]
    again = ByLength()
    assert scored(file, store, again, rows_per_shard=100)[1] == scores  # how it is cut makes nothing new
    assert not again.asked


def test_a_bad_row_is_named_before_a_model_is_loaded(file: Path, store: ArtifactStore) -> None:
    file.write_text(file.read_text() + '{"response": 3, "constraint": "x"}\n')
    scorer = ByLength()
    with pytest.raises(InputError, match="row 9, field 'response': expected text, found int"):
        scored(file, store, scorer, rows_per_shard=3)
    assert not scorer.asked


def test_a_file_that_changes_meanwhile_is_not_written(file: Path, store: ArtifactStore, tmp_path: Path) -> None:
    pairs, scores = scored(file, store, ByLength(), rows_per_shard=3)
    file.write_text(file.read_text().replace("rrrr", "rr"))
    with pytest.raises(InputError, match="has changed while it was scored"):
        write_scored(file, tmp_path / "out.jsonl", pairs, scores, store)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.e2e
@pytest.mark.parametrize(("count", "shard"), [(4_000, 200), pytest.param(1_000_000, 10_000, marks=pytest.mark.soak)])
def test_memory_is_bounded_by_the_shard(
    file: Path, store: ArtifactStore, tmp_path: Path, count: int, shard: int
) -> None:
    """Whether rows are read, scored or written: a shard takes some 1,000 bytes a row."""
    write_scored(file, tmp_path / "few.jsonl", *scored(file, store, ByLength(), rows_per_shard=3), store)  # imports
    path = tmp_path / "many.jsonl"
    with path.open("w") as lines:
        for start in range(0, count, 1_000):
            rows = ({"response": "r" * 500 + str(start + n), "constraint": "Be kind."} for n in range(1_000))
            lines.writelines(json.dumps(row) + "\n" for row in rows)
    scorer = Forgetful()
    tracemalloc.start()
    pairs, scores = scored(path, store, scorer, rows_per_shard=shard)
    write_scored(path, tmp_path / "out.jsonl", pairs, scores, store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert store.manifest(scores).figures["scored"] == count
    assert peak < 2e6 + 3_000 * shard
    with (tmp_path / "out.jsonl").open() as lines:
        assert sum('"probability": 0.' in line for line in lines) == count


class Forgetful(ByLength):
    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        self.asked.clear()
        return super().probabilities(pairs)


def test_only_files_of_more_rows_than_a_shard_are_large(file: Path, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS[:7]), tmp_path / "in.parquet")
    assert [has_more_rows(file, 7), has_more_rows(file, 8)] == [True, False]
    assert [has_more_rows(tmp_path / "in.parquet", rows) for rows in (6, 7)] == [True, False]


def test_a_service_that_is_not_named_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IFRL_REWARD_MODEL_URL", raising=False)
    with pytest.raises(ConfigError, match="IFRL_REWARD_MODEL_URL"):
        stage.check_scoring(stage.ScoresConfig(engine="server"), tmp_path, here=True)
    with pytest.raises(ConfigError, match="give it to `ifrl serve`"):
        stage.check_scoring(stage.ScoresConfig(engine="server", dtype="float32"), tmp_path, here=True)
