"""The built-in problems: enough of them, all different, each answer right by its own check."""

import json
from collections import Counter
from importlib import resources
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.rewards.problems.stage import general_source, make_problems


def rows(name: str) -> list[dict[str, Any]]:
    text = (resources.files("ifrl_core") / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("name", "kind"), [("math", "math"), ("science", "choice")])
def test_there_are_sixty_different_ones_with_the_declared_fields(name: str, kind: str) -> None:
    assert len({row["prompt"] for row in rows(name)}) == len({row["problem_id"] for row in rows(name)}) == 60
    assert all(set(row) == {"problem_id", "prompt", "answer", "kind"} for row in rows(name))
    assert {row["kind"] for row in rows(name)} == {kind}
    assert all('"Answer:"' in row["prompt"] for row in rows(name))


def test_every_letter_is_right_equally_often_and_is_offered() -> None:
    assert Counter(row["answer"] for row in rows("science")) == {"A": 15, "B": 15, "C": 15, "D": 15}
    assert all(row["prompt"].count(f"({letter}) ") == 1 for row in rows("science") for letter in "ABCD")


def test_all_of_them_pass_the_check_of_their_kind(store: ArtifactStore) -> None:
    source = general_source(PipelineConfig.model_validate({"evaluation": {"general_prompts": 1}}))
    figures = store.manifest(make_problems(source, {}, store)).figures
    assert figures["sources"] == {"math": 60, "science": 60}
    assert 40 <= figures["held_out"] <= 80  # 120 draws at 0.5: 60 +- 5.5, so more than 3.6 standard deviations
