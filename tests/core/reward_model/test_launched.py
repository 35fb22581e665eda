"""The stage as users run it: its training is launched, learns on the whole model, and dies with it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.errors import StoppedError
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.train.stage import train_reward_model
from tests.core.forked import forked_trainings, terminate_training
from tests.core.reward_model.test_train import SHORT, checkpoint, copied, toy
from tests.core.reward_model.toy import commit_labels


@pytest.mark.model
def test_it_learns_what_rules_see_and_moves_every_parameter(model_store: ArtifactStore, model: ArtifactRef) -> None:
    labels = commit_labels(model_store, toy(64, 0), toy(64, 1))
    config = RewardModelConfig(epochs=1, batch_size=8, max_tokens=64, learning_rate=1e-4)
    rows: list[dict[str, float]] = []
    ref = train_reward_model(config, {"model": model, "labels": labels}, model_store, lambda *a, **m: rows.append(m))
    figures = model_store.manifest(ref).figures
    # Untrained, the chance of an AUC of 0.8 on 64 balanced pairs is below 1e-4.
    assert figures["hard"]["auc"] > 0.8
    assert figures["hard"]["n"] == 64
    assert figures["soft"] == {**figures["soft"], "n": 0, "auc": None}
    assert [row for row in rows if "train/loss" in row]
    baselines = figures["baselines"]
    assert (baselines["pairs"], baselines["hard_pairs"]) == (64, 64)
    assert baselines["majority"]["auc"] == 0.5
    assert baselines["reward_model"]["auc"] == figures["hard"]["auc"]
    assert all(baselines[name]["n"] == 64 for name in ("reward_model_raw", "length", "zero_shot"))
    assert set(model_store.read_json(ref, "curves.json")) == {*baselines} - {"pairs", "hard_pairs"}

    before = load_file(model_folder(model, model_store) / "model.safetensors")
    after = load_file(model_folder(ref, model_store) / "model.safetensors")
    # Norm weights are near 1, where a bf16 step is 0.8 %: what is saved may round back to the old value.
    moving = [name for name in before if name in after and "norm" not in name]
    assert not [name for name in moving if after[name].equal(before[name])]


@pytest.mark.soak  # of it alone test_train.py, of death with the stage policy/test_launched.py
@pytest.mark.model
def test_killed_with_its_stage_it_goes_on_and_ends_with_the_same_digest(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path
) -> None:
    config = SHORT.model_copy(update={"epochs": 3, "baselines": False})
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(64, 20), toy(8, 21))}
    again = copied(model_store, inputs, tmp_path / "again")
    kill_at_checkpoint(again, inputs, config)
    with forked_trainings():
        whole = train_reward_model(config, inputs, model_store)
        assert train_reward_model(config, inputs, again).digest == whole.digest


@pytest.mark.model
def test_sigterm_saves_the_step_in_hand_and_the_same_command_goes_on_from_there(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path
) -> None:
    config = SHORT.model_copy(update={"epochs": 24, "save_steps": 1000, "baselines": False})
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(64, 24), toy(8, 25))}
    told: list[int] = []

    def end_the_training_process(done: int, *_: object, **__: object) -> None:
        if done and not told:
            told.append(done)
            terminate_training()

    again = copied(model_store, inputs, tmp_path / "again")
    seen: list[int] = []
    with forked_trainings():
        with pytest.raises(StoppedError, match=r"asked to stop at step \d+ of 192. The last whole checkpoint is"):
            train_reward_model(config, inputs, again, end_the_training_process)
        whole = train_reward_model(config, inputs, model_store)
        ref = train_reward_model(config, inputs, again, lambda done, *_, **__: seen.append(done))
    assert min(step for step in seen if step) > told[0]
    assert ref.digest == whole.digest


def kill_at_checkpoint(store: ArtifactStore, inputs: dict[str, ArtifactRef], config: RewardModelConfig) -> None:
    """Run the stage in a process and SIGKILL it once its first checkpoint is there."""
    code = f"""
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.reward_model.train.stage import train_reward_model
inputs = {{name: ArtifactRef(**ref) for name, ref in { ({n: r.model_dump() for n, r in inputs.items()})!r}.items()}}
train_reward_model(RewardModelConfig(**{config.model_dump()!r}), inputs, ArtifactStore({store.root!r}))
"""
    first = checkpoint(store, inputs, config)
    process = subprocess.Popen([sys.executable, "-c", code])
    while not first.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert store.find("reward-model", first.parts[-4]) is None
