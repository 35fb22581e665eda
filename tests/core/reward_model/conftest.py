"""A barely trained reward model, for tests of what is done with one."""

import random
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.models.folder import model_folder
from ifrl_core.reward_model.train.stage import train_reward_model
from tests.core.forked import forked_trainings
from tests.core.reward_model.toy import commit_labels

WORDS = ("river", "stone", "cloud", "lamp", "garden", "winter", "bread", "train", "music", "paper", "window", "silver")
SHORT = RewardModelConfig(epochs=1, batch_size=8, micro_batch=4, max_tokens=128)


@pytest.fixture(scope="session")
def reward_model(model_store: ArtifactStore, small_model: ArtifactRef) -> Path:
    """Folder of a reward model of two layers, inputs of up to 128 tokens."""
    source = random.Random(4)
    labels = [(" ".join(source.choices(WORDS, k=6)), "Answer in all capital letters.", 0) for _ in range(16)]
    labels += [(text.upper(), constraint, 1) for text, constraint, _ in labels]
    ref = commit_labels(model_store, labels, labels[:4])
    with forked_trainings():
        return model_folder(train_reward_model(SHORT, {"model": small_model, "labels": ref}, model_store), model_store)
