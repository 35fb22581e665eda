"""trl's completions tables, read while the training that writes them goes on."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.policy.tables import latest_samples, whole_tables


def write(folder: Path, step: int) -> None:
    row = {
        "step": step,
        "prompt_id": "p",
        "level": 1,
        "prompt": [{"role": "user", "content": "Say hi."}],
        "completion": [{"role": "assistant", "content": "hi"}],
        "reward": float("nan"),
        "parts": "[]",
        "advantage": 0.0,
    }
    pq.write_table(pa.Table.from_pylist([row]), folder / f"completions_{step:05d}.parquet")


def test_a_table_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    assert latest_samples(tmp_path, 0) == []
    write(tmp_path, 9)
    write(tmp_path, 10)
    (tmp_path / "completions_00011.parquet").touch()  # open, and still empty
    (sample,) = latest_samples(tmp_path, 10)
    assert (sample["step"], sample["prompt"], sample["response"], sample["reward"]) == (10, "Say hi.", "hi", None)
    assert [path.name for path in whole_tables(tmp_path, 9)] == ["completions_00009.parquet"]
