"""benchmarks/rules_hidden.py: a reward model is trained on nothing that a rule said, and on no label of a held-out type."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.records import Row
from tests.core.ladders import ladders

ROOT = Path(__file__).parents[2]
BLIND = ["labels.contradicted=keep", "reward_model.calibrate=false"]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return import_module("rules_hidden")


@pytest.fixture
def config() -> PipelineConfig:
    return load_recipe("reward-model-cpu", [*BLIND, "labels.validation_share=0.5"])


@pytest.fixture
def rows(script: ModuleType, config: PipelineConfig, store: ArtifactStore) -> list[Row]:
    made = ladders(store, {f"i-{n}": ["Hi.", f"hi, {n}", f"Hello {n}.", f"hello, hello {n}"] for n in range(8)})
    found: list[Row] = script.labels_of(config, made, store, 0)
    return found


def test_no_verdict_is_left_in_what_a_reward_model_is_trained_on(
    script: ModuleType, rows: list[Row], store: ArtifactStore
) -> None:
    assert {row["verdict"] for row in rows} >= {True, False}
    ref = script.blind(rows, store)
    hidden = list(store.rows(ref))
    assert {row["verdict"] for row in hidden} == {None}
    assert {row["constraint"]["kind"] for row in hidden} == {"soft"}
    assert [(row["label_id"], row["label"]) for row in hidden] == [(row["label_id"], row["label"]) for row in rows]
    figures = store.manifest(ref).figures
    assert figures["training_audit"] == script.agreement_by_type({}), "what `noise` would weigh labels by"


@pytest.mark.parametrize(
    "override",
    [
        "labels.contradicted=drop_label",
        "labels.drop_types_without_contrast=0",
        "labels.positives=best_of_n",
        "reward_model.noise=rates",
        "reward_model.calibrate=true",
    ],
)
def test_options_that_ask_rules_are_refused(script: ModuleType, override: str) -> None:
    script.blind_only(load_recipe("reward-model-cpu", BLIND))
    with pytest.raises(ConfigError, match=f"{override.partition('=')[0]}.*asks rules"):
        script.blind_only(load_recipe("reward-model-cpu", [*BLIND, "rollouts.samples=2", override]))


def test_a_family_that_is_held_out_has_no_training_label_and_is_graded_alone(
    script: ModuleType, config: PipelineConfig, rows: list[Row], store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[list[Row]] = []

    def trained(config: PipelineConfig, made: Any, part: list[Row], store: ArtifactStore, seed: int) -> list[Row]:
        parts.append(part)
        return []

    monkeypatch.setattr(script, "trained", trained)
    monkeypatch.setattr(script, "labels_of", lambda *_: rows)
    monkeypatch.setattr(script, "graded", lambda rows: {})
    script.held_out(config, {}, store, 0, 2)
    families = [
        {split: {script.family(row) for row in part if row["split"] == split} for split in ("train", "validation")}
        for part in parts
    ]
    assert len(families) == 2
    assert all(not of["train"] & of["validation"] for of in families)
    graded = [of["validation"] for of in families]
    assert set.union(*graded) == {"punctuation", "change_case"}
    assert not set.intersection(*graded)


def test_what_is_believed_of_labels_knows_no_verdict_and_no_other_ladders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script, probe = import_module("rules_hidden_believed"), import_module("rules_hidden_probe")
    draw, size = np.random.default_rng(0), 96  # 12 ladders of 2 constraints, 4 rungs
    names = np.repeat([f"i-{n}" for n in range(12)], 8)
    levels, rungs = np.tile([1, 2], 48), np.tile(np.repeat(range(4), 2), 12)
    data = probe.Data(
        **{name: draw.normal(size=size) for name in ("zero_shot", "likelihood", "among", "words", "tokens")},
        features=draw.normal(size=(size, 5)).astype(np.float32),
        verdict=draw.integers(0, 2, size),
        label=(rungs >= levels).astype(int),
        how=np.repeat("own", size),
        type=np.tile(["a:x", "b:y"], 48),
        instruction=names,
        rung=rungs,
        constraint=np.array([f"{name}|{level}" for name, level in zip(names, levels, strict=True)]),
    )
    train = {f"i-{n}" for n in range(8)}
    found = script.believed_of(data, train)
    others = data._replace(
        verdict=1 - data.verdict, label=np.where(np.isin(data.instruction, sorted(train)), data.label, 1 - data.label)
    )
    assert script.believed_of(others, train) == found
    assert {name for name, _, _ in found} == train
    assert script.believed_of(data._replace(label=1 - data.label), train) != found


def test_training_labels_are_as_believed_and_the_others_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = import_module("rules_hidden_believed")
    row = {"label_id": "l", "instruction_id": "i", "level": 1, "rung": 2, "split": "train", "label": 1}
    aside = {**row, "label_id": "m", "split": "validation"}
    for true, labels in ((0.2, [0, 0]), (0.6, [1, 0]), (0.9, [1, 1])):
        *made, last = script.as_believed([row, aside], {("i", 1, 2): true}, 2)
        assert [one["label"] for one in made] == labels
        assert len({one["label_id"] for one in made}) == 2
        assert last == aside
