"""Training on a random backbone: it is exact when killed, and labels that cannot teach are refused."""

import random
import shutil
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.errors import CollapseError, TrainingError
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.stages.progress import no_progress
from tests.core.forked import killed_at
from tests.core.reward_model.toy import Label, commit_labels

pytestmark = pytest.mark.usefixtures("forked")

WORDS = ("river", "stone", "cloud", "lamp", "garden", "winter", "bread", "train", "music", "paper", "window", "silver")
SHORT = RewardModelConfig(epochs=1, batch_size=8, micro_batch=4, max_tokens=64, save_steps=2, layers=1)


def toy(count: int, seed: int) -> list[Label]:
    """Answers in capitals or not, against a constraint that wants capitals."""
    source = random.Random(seed)
    answers = [(" ".join(source.choices(WORDS, k=6)), source.random() < 0.5) for _ in range(count)]
    return [(text.upper() if shout else text, "Answer in all capital letters.", int(shout)) for text, shout in answers]


@pytest.mark.model
def test_killed_and_started_again_it_ends_with_the_same_digest_and_then_comes_from_the_store(
    model_store: ArtifactStore, tiny_model: ArtifactRef, tmp_path: Path
) -> None:
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(48, 2), toy(8, 3))}
    whole = train_reward_model(SHORT, inputs, model_store)
    assert train_reward_model(SHORT, inputs, model_store, _must_not_run) == whole

    again = copied(model_store, inputs, tmp_path / "again")
    with killed_at(checkpoint(again, inputs, SHORT)):
        train_reward_model(SHORT, inputs, again)
    resumed = train_reward_model(SHORT, inputs, again)
    assert resumed.digest == whole.digest


@pytest.mark.model
def test_a_loss_that_is_no_number_ends_it_and_says_so(model_store: ArtifactStore, tiny_model: ArtifactRef) -> None:
    inputs = {"model": tiny_model, "labels": commit_labels(model_store, toy(64, 22), toy(8, 23))}
    config = SHORT.model_copy(update={"learning_rate": 1e30, "warmup_share": 0.0})
    with pytest.raises(CollapseError, match=r"^(loss|grad_norm) of step \d is (nan|inf): the weights are spoilt"):
        train_reward_model(config, inputs, model_store)


def test_labels_of_one_class_are_refused_before_any_model_loads(store: ArtifactStore) -> None:
    labels = commit_labels(store, [("Blue.", "No commas.", 1)] * 4)
    with pytest.raises(TrainingError, match="4 training labels, 4 of them positive; a classifier needs both classes"):
        train_reward_model(SHORT, {"model": labels, "labels": labels}, store)


def test_no_training_labels_are_refused(store: ArtifactStore) -> None:
    labels = commit_labels(store, [], [("Blue.", "No commas.", 1)])
    with pytest.raises(TrainingError, match="0 training labels"):
        train_reward_model(SHORT, {"model": labels, "labels": labels}, store)


@pytest.fixture(scope="module")
def trained(model_store: ArtifactStore, tiny_model: ArtifactRef) -> Path:
    """A barely trained reward model's folder."""
    labels = commit_labels(model_store, toy(16, 4), toy(4, 5))
    return model_folder(train_reward_model(SHORT, {"model": tiny_model, "labels": labels}, model_store), model_store)


@pytest.mark.model
def test_probabilities_keep_the_order_of_the_question(trained: Path) -> None:
    pairs = [(text * (1 + index % 3), constraint) for index, (text, constraint, _) in enumerate(toy(12, 6))]
    scorer = RewardModel(trained, dtype="float32")
    forward, backward = scorer.probabilities(pairs), scorer.probabilities(pairs[::-1])
    assert forward == pytest.approx(backward[::-1], abs=1e-4)
    assert len({round(p, 6) for p in forward if p is not None}) > 6


@pytest.mark.model
def test_batched_and_packed_equals_one_by_one(trained: Path) -> None:
    texts = [text for text, _, _ in toy(6, 7)]
    pairs = [(text, constraint) for text in texts for constraint in ("No commas.", "Write a poem, please.", "Be kind.")]
    together = RewardModel(trained, dtype="float32", batch_tokens=256).probabilities(pairs)
    alone = RewardModel(trained, dtype="float32", batch_tokens=1)
    assert together == pytest.approx([alone.probabilities([pair])[0] for pair in pairs], abs=1e-4)


@pytest.mark.model
def test_what_cannot_be_scored_is_none_and_the_rest_is_scored(trained: Path) -> None:
    too_long, scored = RewardModel(trained).probabilities([("Blue.", "No commas. " * 60), ("", "Be kind.")])
    assert too_long is None
    assert scored is not None
    assert 0 <= scored <= 1
    assert RewardModel(trained).probabilities([]) == []


def _must_not_run(*arguments: object, **metrics: object) -> None:
    raise AssertionError("a committed artifact was computed again")


def copied(store: ArtifactStore, inputs: dict[str, ArtifactRef], folder: Path) -> ArtifactStore:
    """Another store with the same inputs and nothing else."""
    for ref in inputs.values():
        shutil.copytree(f"{store.root}/{ref.stage}/{ref.fingerprint}", folder / ref.stage / ref.fingerprint)
    return ArtifactStore(str(folder))


def checkpoint(store: ArtifactStore, inputs: dict[str, ArtifactRef], config: RewardModelConfig, step: int = 2) -> Path:
    """The file that makes the checkpoint of a step whole."""
    scratch = train_reward_model.work(config, inputs, store, no_progress, seed=0).scratch
    return scratch / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json"
