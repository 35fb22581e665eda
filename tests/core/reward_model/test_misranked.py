"""Contrasts that a model of other instructions ranks the wrong way round."""

import random
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.reward_model.train.misranked import half_of, misranked
from ifrl_core.reward_model.train.stage import train_reward_model
from tests.core.reward_model.test_train import WORDS
from tests.core.reward_model.toy import commit_contrasts


def pair(instruction: str, label: int, split: str = "train") -> dict[str, Any]:
    return {"instruction": instruction, "constraint": "c", "label": label, "split": split}


def test_both_sides_of_a_clearly_reversed_contrast_go() -> None:
    pairs = [
        pair("right", 1),
        pair("right", 0),
        pair("wrong", 1),
        pair("wrong", 0),
        pair("unsure", 1),
        pair("unsure", 0),
    ]
    logits: list[float | None] = [2.0, -2.0, -2.0, 2.0, -0.1, 0.1]
    assert misranked(pairs, logits, 0.9) == [2, 3]
    assert misranked(pairs, logits, 0.54) == [2, 3, 4, 5]


def test_of_several_negatives_only_the_odd_one_goes() -> None:
    pairs = [pair("i", 1), pair("i", 0), pair("i", 0), pair("i", 0)]
    assert misranked(pairs, [0.0, -4.0, -4.0, 4.0], 0.9) == [3]


def test_what_cannot_be_judged_stays() -> None:
    pairs = [pair("alone", 1), pair("held", 1, "validation"), pair("held", 0, "validation"), pair("u", 1), pair("u", 0)]
    assert misranked(pairs, [-5.0, -5.0, 5.0, None, 5.0], 0.6) == []


def test_the_halves_are_about_alike_and_follow_the_seed() -> None:
    names = [f"i-{n}" for n in range(400)]
    halves = [half_of(name, 0) for name in names]
    assert 150 < sum(halves) < 250
    assert halves == [half_of(name, 0) for name in names]
    assert halves != [half_of(name, 1) for name in names]


@pytest.mark.model
@pytest.mark.usefixtures("forked")
def test_labels_that_were_turned_round_are_found(tiny_model: ArtifactRef, model_store: ArtifactStore) -> None:
    """An answer in capitals is the positive; one contrast in eight has its labels the wrong way round."""
    source = random.Random(0)
    contrasts = []
    for n in range(96):
        text = " ".join(source.choices(WORDS, k=6))
        right = (text.upper(), text)
        contrasts.append(right[::-1] if n % 8 == 0 else right)
    labels = commit_contrasts(model_store, contrasts, "Answer in all capital letters.")
    config = RewardModelConfig(
        epochs=2, batch_size=8, micro_batch=8, max_tokens=64, learning_rate=5e-3, layers=1, baselines=False,
        drop_misranked=0.8,
    )  # fmt: skip
    ref = train_reward_model(config, {"model": tiny_model, "labels": labels}, model_store)
    counts = model_store.manifest(ref).figures["counts"]
    assert counts["misranked"] + counts["train_pairs"] == 192
    assert 18 <= counts["misranked"] <= 32  # 24 labels were turned round
