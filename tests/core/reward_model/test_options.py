"""Options of the training: what they change, and that the result is used like any other."""

import math
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.errors import TrainingError
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.train.early_stopping import best_step, loss_curve, out_of_patience
from ifrl_core.reward_model.train.stage import train_reward_model
from tests.core.forked import killed_at
from tests.core.reward_model.test_train import SHORT, checkpoint, copied, toy
from tests.core.reward_model.toy import commit_labels

pytestmark = pytest.mark.usefixtures("forked")

LEARNS = RewardModelConfig(
    epochs=2, batch_size=8, micro_batch=8, max_tokens=64, learning_rate=5e-3, layers=1, baselines=False
)


def evaluated(*losses: float) -> list[dict[str, Any]]:
    """A log with one evaluation every two steps."""
    rows: list[dict[str, Any]] = []
    for index, loss in enumerate(losses, start=1):
        rows += [{"step": 2 * index - 1, "loss": 0.5}, {"step": 2 * index, "loss": 0.4}]
        rows.append({"step": 2 * index, "eval_loss": loss})
    return rows


def test_patience_counts_evaluations_since_the_best() -> None:
    assert not out_of_patience([], 1)
    assert not out_of_patience(evaluated(0.7, 0.6), 1)
    assert not out_of_patience(evaluated(0.7, 0.6, 0.65), 2)
    assert out_of_patience(evaluated(0.7, 0.6, 0.65, 0.61), 2)
    assert out_of_patience(evaluated(0.6, 0.6), 1)  # an equal loss is no progress
    assert not out_of_patience(evaluated(0.7, 0.8, 0.6), 2)


def test_the_best_step_is_that_of_the_lowest_validation_loss() -> None:
    assert best_step(evaluated(0.7, 0.5, 0.5, 0.6)) == 4
    assert loss_curve(evaluated(0.7))[-1] == {"step": 2, "loss": 0.4, "held_out_loss": 0.7}


def test_early_stopping_without_validation_labels_is_refused(store: ArtifactStore) -> None:
    labels = commit_labels(store, [("Blue.", "No commas.", 1), ("Blue, red.", "No commas.", 0)])
    with pytest.raises(TrainingError, match="early_stopping needs validation labels"):
        train_reward_model(SHORT.model_copy(update={"early_stopping": 1}), {"model": labels, "labels": labels}, store)


@pytest.mark.model
def test_adapters_learn_and_are_merged_into_a_plain_model(model_store: ArtifactStore, tiny_model: ArtifactRef) -> None:
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(64, 12), toy(48, 13))}
    config = LEARNS.model_copy(update={"lora": 8, "learning_rate": 2e-2})
    ref = train_reward_model(config, inputs, model_store)
    # Untrained, the chance of an AUC of 0.8 on 48 about balanced pairs is below 1e-3.
    assert model_store.manifest(ref).figures["hard"]["auc"] > 0.8

    before = load_file(model_folder(tiny_model, model_store) / "model.safetensors")
    after = load_file(model_folder(ref, model_store) / "model.safetensors")
    assert not [name for name in after if "lora" in name]
    kept = {name: after[name].equal(before[name].to(after[name].dtype)) for name in after if name in before}
    linear = [name for name in kept if "_proj" in name]
    assert len(linear) == 7
    assert not any(kept[name] for name in linear)
    assert all(same for name, same in kept.items() if name not in linear)  # embeddings and norms are frozen
    assert "score.weight" in after
    assert RewardModel(model_folder(ref, model_store)).probabilities([("Blue.", "No commas.")])[0] is not None


@pytest.mark.model
def test_early_stopping_ends_soon_and_keeps_the_best_weights(
    model_store: ArtifactStore, tiny_model: ArtifactRef
) -> None:
    """Held-out labels contradict the training labels, so that every step makes their loss worse."""
    contrary = [(text, constraint, 1 - label) for text, constraint, label in toy(16, 15)]
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(96, 14), contrary)}
    config = LEARNS.model_copy(update={"early_stopping": 2, "save_steps": 2})
    ref = train_reward_model(config, inputs, model_store)
    curve = model_store.read_json(ref, "curve.json")
    losses = {row["step"]: row["held_out_loss"] for row in curve if "held_out_loss" in row}
    best = min(losses, key=lambda step: losses[step])
    assert max(losses) == best + 2 * 2
    assert max(losses) < 24  # the steps of two epochs
    # The committed model is that of the best step: its loss on the validation pairs is the one that was measured there.
    rows = model_store.read_table(ref, "validation.parquet").to_pylist()
    likelihoods = [row["raw_probability"] if row["label"] else 1 - row["raw_probability"] for row in rows]
    loss = sum(-math.log(p) for p in likelihoods) / len(likelihoods)
    assert loss == pytest.approx(losses[best], rel=0.05)  # it is scored in bf16


@pytest.mark.model
@pytest.mark.parametrize("options", [{"early_stopping": 1}, {"lora": 4}], ids=["early stopping", "lora"])
def test_killed_with_options_and_started_again_it_ends_with_the_same_digest(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path, options: dict[str, int]
) -> None:
    config = SHORT.model_copy(update={**options, "baselines": False})
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(64, 16), toy(8, 17))}
    whole = train_reward_model(config, inputs, model_store)
    again = copied(model_store, inputs, tmp_path / "again")
    with killed_at(checkpoint(again, inputs, config)):
        train_reward_model(config, inputs, again)
    assert train_reward_model(config, inputs, again).digest == whole.digest


@pytest.mark.model
def test_killed_between_its_last_checkpoint_and_the_end_it_does_not_train_on(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path
) -> None:
    """Out of patience at a checkpoint, the log that lies beside it is all that a new process needs."""
    contrary = [(text, constraint, 1 - label) for text, constraint, label in toy(16, 15)]
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(96, 14), contrary)}
    config = SHORT.model_copy(update={"early_stopping": 1, "learning_rate": 5e-3, "baselines": False})
    whole = train_reward_model(config, inputs, model_store)
    steps = model_store.manifest(whole).figures["steps"]
    assert steps < 12
    again = copied(model_store, inputs, tmp_path / "again")
    with killed_at(checkpoint(again, inputs, config, step=steps)):
        train_reward_model(config, inputs, again)
    assert train_reward_model(config, inputs, again).digest == whole.digest


@pytest.mark.model
@pytest.mark.parametrize("noise", ["posterior", "rates", "unlabelled"])
def test_every_model_of_the_noise_trains_on_the_rates_of_the_audit(
    noise: Any, tiny_model: ArtifactRef, model_store: ArtifactStore
) -> None:
    labels = [(f"{word} {n}", "Answer in capitals.", int(word.isupper())) for n in range(8) for word in ("SEA", "sea")]
    config = LEARNS.model_copy(update={"epochs": 1, "calibrate": False, "noise": noise})
    ref = train_reward_model(
        config, {"model": tiny_model, "labels": commit_labels(model_store, labels, labels[:4])}, model_store
    )
    curve = model_store.read_json(ref, "curve.json")
    assert [row["step"] for row in curve] == [1, 2]
    assert all(math.isfinite(row["loss"]) for row in curve)
    table = model_store.read_table(ref, "validation.parquet").to_pydict()
    assert all(0 < value < 1 for value in table["probability"])
    plain = config.model_copy(update={"noise": "ignore"})
    other = train_reward_model(
        plain, {"model": tiny_model, "labels": commit_labels(model_store, labels, labels[:4])}, model_store
    )
    assert model_store.read_json(other, "curve.json")[0]["loss"] != curve[0]["loss"]
