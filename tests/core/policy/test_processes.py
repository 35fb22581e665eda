"""One training process or two: the same prompts, rollouts, rewards and metrics."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import CurriculumConfig, LaunchConfig, LoraConfig, PolicyConfig
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.curve import ASKED, HELD_OUT, MEASURED, points_of
from ifrl_core.policy.job import POOL, PROMPTS, Job
from ifrl_core.policy.launch import policy_launch
from ifrl_core.policy.tables import steps_of
from ifrl_core.training.clock import PARTS
from ifrl_core.training.job import CHECKPOINTS, FINAL, METRICS
from ifrl_core.training.launch import run_training
from tests.core.forked import forked_trainings
from tests.patience import PATIENCE_S
from tests.ports import free_port

# float32: in bf16 the last digits, and so now and then a token, depend on what else is in the batch.
# A group of 4 over 2 processes of 6 rollouts: the second prompt's rollouts are made by both.
CONFIG = PolicyConfig(
    max_steps=2,
    prompts_per_step=3,
    generations=4,
    max_tokens=10,
    micro_batch=3,
    learning_rate=1e-4,
    beta=0,
    train_on=3,  # of 12: a process may have none
    bf16=False,
    trained_layers=1,
    save_steps=1,
    evaluate_every=2,
    curriculum=CurriculumConfig(levels=((1,),)),
)

MEASURED_PROMPTS = 3  # two processes have two places each: one is measured twice


def prompt(index: int) -> dict[str, Any]:
    letter = "etaoinshr"[index]
    constraint = {
        "type": "keywords:letter_frequency",
        "kind": "hard",
        "text": f"Use the letter {letter} at least 3 times.",
        "args": json.dumps({"letter": letter, "let_relation": "at least", "let_frequency": 3}),
    }
    seed = f"Name {index + 2} animals."
    return {
        "prompt": [{"role": "user", "content": f"{seed} {constraint['text']}"}],
        "prompt_id": f"p{index}",
        "level": 1,
        "seed": seed,
        "constraints": [constraint],
    }


def job_of(folder: Path, model: Path, processes: int, machines: int = 1, **changes: Any) -> Job:
    launch = LaunchConfig(device="cpu", processes_per_machine=processes, machines=machines)
    config = CONFIG.model_copy(update={"launch": launch, **changes})
    folder.mkdir()
    job = Job(config=config, model=model, reward_model=None, seed=5, folder=folder)
    rows = [prompt(index) for index in range(config.blocks * config.prompts_per_step)]
    pq.write_table(pa.Table.from_pylist(rows, schema=POOL), folder / PROMPTS)
    asked = [{**prompt(index), "set": HELD_OUT, "instruction_id": f"i{index}"} for index in range(MEASURED_PROMPTS)]
    pq.write_table(pa.Table.from_pylist(asked, schema=ASKED), folder / MEASURED)
    job.write()
    return job


def answers(job: Job) -> list[dict[str, Any]]:
    files = sorted((job.folder / CHECKPOINTS / "completions").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, use_threads=False).to_pylist()]


def metrics(job: Job) -> list[dict[str, Any]]:
    return steps_of(told(job))


def told(job: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job.folder / METRICS).read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Trained by one process."""
    job = job_of(tmp_path_factory.mktemp("alone") / "job", model_folder(tiny_model, model_store), processes=1)
    with forked_trainings():
        run_training(job.folder, policy_launch(job.config))
    return job


def assert_alike(one: Job, other: Job) -> None:
    kept = ("step", "prompt_id", "completion", "reward", "parts")
    first, second = ([{name: row[name] for name in kept} for row in answers(job)] for job in (one, other))
    assert len(first) == 2 * 12
    assert first == second
    assert len({row["completion"][-1]["content"] for row in first}) > 12, "answers of a group should differ"
    assert len({row["reward"] for row in first}) > 1
    assert [row["step"] for row in told(other)] == [0, 1, 2], "one process reports"
    curves = points_of(told(one))
    assert [(row["step"], row["clusters"]) for row in curves] == [(0, MEASURED_PROMPTS), (2, MEASURED_PROMPTS)]
    assert points_of(told(other)) == curves
    for ours, theirs in zip(metrics(one), metrics(other), strict=True):
        parts = [ours[f"seconds/{part}"] for part in PARTS]
        assert all(seconds > 0 for seconds in parts)
        assert sum(parts) <= ours["seconds/step"]
        assert 0.1 < ours["memory/process_gib"] < 16
        assert ours.keys() == theirs.keys()
        for name in ours:
            # entropy: trl's mean over micro-batches, which hold other rollouts
            if not name.startswith(("seconds", "tokens_per", "entropy", "memory/")):
                assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
    mine, others = (load_file(job.folder / FINAL / "model.safetensors") for job in (one, other))
    equal = sum(int((mine[name] == others[name]).sum()) for name in mine)
    assert equal > 0.9999 * sum(weight.numel() for weight in mine.values()), "99.99997 % of what was trained, measured"


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_two_processes_make_the_rollouts_rewards_and_metrics_of_one(alone: Job, tmp_path: Path) -> None:
    job = job_of(tmp_path / "job", alone.model, processes=2)
    with forked_trainings():
        run_training(job.folder, policy_launch(job.config))
    assert_alike(alone, job)


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_so_do_two_machines_that_share_a_folder(alone: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two launchers on this host, found by address and rank, as on two machines."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    folder = tmp_path / "job"
    command = [sys.executable, "-m", "ifrl_core.training.launch", str(folder / "job.json")]
    other = subprocess.Popen(command, env={**os.environ, "NODE_RANK": "1"})  # waits for the job
    try:
        job = job_of(folder, alone.model, processes=1, machines=2)
        run_training(job.folder, policy_launch(job.config))
        assert other.wait(timeout=PATIENCE_S) == 0
    finally:
        other.kill()
    assert_alike(alone, job)


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_adapters_are_trained_twice_on_the_same_rollouts_and_merged(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    folder = model_folder(tiny_model, model_store)
    grpo = {"num_iterations": 2, "epsilon_high": 0.28}
    changes = {"lora": LoraConfig(rank=4), "trained_layers": None, "bf16": True, "grpo": grpo, "save_steps": 2}
    job = job_of(tmp_path / "job", folder, 1, **changes)
    with forked_trainings():
        run_training(job.folder, policy_launch(job.config))
    first, second = metrics(job)
    assert (first["rollouts"], second["rollouts"]) == (12, 0), "the second update has no rollouts of its own"
    assert "reward/total" in first
    assert "reward/total" not in second
    assert first["grad_norm"] > 0
    base, trained = (load_file(path / "model.safetensors") for path in (folder, job.folder / FINAL))
    assert base.keys() == trained.keys()
    changed = {name for name in base if not torch.equal(base[name], trained[name])}
    assert changed, "nothing was learnt"
    assert all("_proj" in name for name in changed), "only linear modules have adapters"
