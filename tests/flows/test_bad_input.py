"""What a user gets wrong is told at once, by name, and costs nothing."""

import json
from pathlib import Path

import pytest

from tests.flows.workplace import TINY, Workplace

pytestmark = pytest.mark.server  # most of these start Prefect's temporary server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    import os

    home = tmp_path_factory.mktemp("bad") / "home"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "IFRL_"))}
    return Workplace(home, {**kept, "IFRL_HOME": str(home)})


def failure(place: Workplace, *arguments: str) -> str:
    done = place.run(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_unknown_key(place: Workplace) -> None:
    assert "did you mean max_steps?" in failure(place, "run", TINY, "--set", "policy.max_step=3")


def test_a_wrong_type(place: Workplace) -> None:
    assert "policy.max_steps" in failure(place, "run", TINY, "--set", "policy.max_steps=many")


def test_a_field_of_trl_that_does_not_exist(place: Workplace) -> None:
    assert "did you mean epsilon_high?" in failure(place, "run", TINY, "--set", "policy.grpo.epsilonhigh=0.3")


def test_a_recipe_that_this_machine_cannot_train(place: Workplace) -> None:
    import torch

    if torch.cuda.device_count() >= 4:
        pytest.skip("this machine can")
    wish = ["--set", "policy.launch={device: gpu, processes_per_machine: 4}", "--set", "policy.micro_batch=1"]
    assert "wants 4 GPUs on a machine and this one has" in failure(place, "run", TINY, *wish)


def test_a_plan_that_cannot_work(place: Workplace) -> None:
    assert "of at most 6144" in failure(place, "plan", TINY, "--set", "policy.max_tokens=8192")


def test_a_model_that_does_not_exist(place: Workplace) -> None:
    assert "./no-such-model" in failure(place, "run", TINY, "--set", "model=./no-such-model")


def test_a_seeds_file_that_is_all_broken(place: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{\n{\n")
    assert "bad.jsonl" in failure(place, "run", TINY, "--set", f"seeds.files=[{path}]")
    assert not list((place.home / "store").glob("model/*")), "a model was loaded before the seeds were read"


def test_a_seeds_file_that_is_not_there(place: Workplace) -> None:
    assert "nowhere.jsonl" in failure(place, "run", TINY, "--set", "seeds.files=[nowhere.jsonl]")


def test_a_root_that_cannot_be_written(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    other = Workplace(place.home, {**place.env, "IFRL_ROOT": str(tmp_path / "file")})
    assert "cannot be written" in failure(other, "run", TINY)


def test_an_unknown_run_of_the_report(place: Workplace) -> None:
    assert "no-such-run" in failure(place, "report", "no-such-run")


def test_a_filter_that_no_constraint_type_meets(place: Workplace) -> None:
    assert "no hard type has 'tides' in its id" in failure(place, "constraints", "tides", "--kind", "hard")


def test_check_names_row_and_field(place: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"instruction_id": "punctuation:no_comma", "kwargs": "{}", "prompt": "p"}) + "\n")
    error = failure(place, "check", str(path))
    assert "response" in error
    assert "1" in error


def test_check_keeps_the_rows_and_adds_verdicts(place: Workplace, tmp_path: Path) -> None:
    rows = [
        {"instruction_id": "punctuation:no_comma", "kwargs": "{}", "prompt": "p", "response": text}
        for text in ("no comma", "a, comma")
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = place.run("check", str(path), "-o", str(tmp_path / "out.jsonl"))
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["strict"] for row in found] == [True, False]
    assert [{key: row[key] for key in rows[0]} for row in found] == rows
