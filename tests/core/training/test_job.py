"""The folder of a job: what is in it is whole, and what a step showed last counts."""

from pathlib import Path

import pytest

from ifrl_core.training.job import FINAL, append_row, metrics_by_step, renamed_when_whole


def test_a_folder_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    def write(*names: str) -> None:
        with renamed_when_whole(tmp_path / FINAL) as folder:
            for name in names:
                (folder / name).touch()
            assert not (tmp_path / FINAL).exists()
            if "bad" in names:
                raise ValueError("killed")

    with pytest.raises(ValueError, match="killed"):
        write("left", "bad")
    assert not (tmp_path / FINAL).exists()
    write("good")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [FINAL, f"{FINAL}/good"]


def test_a_step_that_was_made_again_counts_as_made_last(tmp_path: Path) -> None:
    for row in (
        {"step": 1, "loss": 3.0},
        {"step": 2, "loss": 2.0},
        {"step": 2, "loss": 1.0},
        {"step": 10, "loss": 0.5},
    ):
        append_row(tmp_path, row)
    assert [row["loss"] for row in metrics_by_step(tmp_path)] == [3.0, 1.0, 0.5]
