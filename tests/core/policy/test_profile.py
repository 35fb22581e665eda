"""What a profile says of prompts before training, what it suggests, and that it is made once."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from flows.cli.main import app
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import build_config, load_recipe
from ifrl_core.models.stage import import_model
from ifrl_core.models.uri import SERVED
from ifrl_core.policy.profile.advice import Suggestion, suggestions
from ifrl_core.policy.profile.groups import status
from ifrl_core.policy.profile.measure import _through
from ifrl_core.policy.profile.stage import profile_figures, profile_plan
from ifrl_core.policy.profile.text import profile_lines
from ifrl_core.records import Row
from ifrl_core.stages.stage import Inputs, Stage

COMMA, TITLE = "punctuation:no_comma", "detectable_format:title"


def rollouts(prompt: str, level: int, verdicts: list[dict[str, bool]], *, cut: bool = False) -> list[Row]:
    return [
        {
            "prompt_id": prompt,
            "level": level,
            "finish_reason": "length" if cut else "stop",
            "completion_tokens": 5,
            "verdicts": [[name, said] for name, said in of_rollout.items()],
        }
        for of_rollout in verdicts
    ]


def test_a_group_is_dead_easy_or_alive() -> None:
    assert [status(passed) for passed in ([False, False], [True, True], [False, True])] == ["dead", "easy", "alive"]


ROWS = [
    *rollouts("a-L1", 1, [{COMMA: True}, {COMMA: True}]),
    *rollouts("a-L2", 2, [{COMMA: True, TITLE: False}, {COMMA: False, TITLE: False}], cut=True),
    *rollouts("b-L1", 1, [{COMMA: False}, {COMMA: True}]),
    *rollouts("b-L2", 2, [{COMMA: False, TITLE: False}, {COMMA: False, TITLE: False}]),
    *rollouts("c-L1", 1, [{}, {}]),
]


def test_shares_by_level_and_by_type() -> None:
    figures = profile_figures(ROWS)
    first, second = figures["by_level"]["1"], figures["by_level"]["2"]
    assert [first[name] for name in ("prompts", "dead", "easy", "alive", "spread", "soft_only")] == [2, 0, 1, 1, 1, 1]
    assert [second[name] for name in ("prompts", "dead", "easy", "alive", "spread", "cut_off")] == [2, 2, 0, 0, 1, 0.5]
    assert figures["by_type"][COMMA] == {"prompts": 4, "dead": 1, "easy": 1, "alive": 2, "pass_rate": 0.5}
    assert figures["by_type"][TITLE]["dead"] == 2
    assert figures["by_end"]["by_type"][COMMA]["cut_off"] == {"mean": 0.5, "n": 2}
    assert (figures["rollouts"], figures["overall"]["score"]) == (10, 0.4375)


def recipe(*overrides: str) -> PipelineConfig:
    return load_recipe("demo-cpu", list(overrides))


def advised(rows: list[Row], of: PipelineConfig) -> dict[str, Suggestion]:
    """Suggestions by the key of their first override, or by their first words."""
    found = suggestions(profile_figures(rows), of)
    for suggestion in found:
        build_config(of.model_dump(), suggestion.overrides)
    return {(item.overrides[0].split("=")[0] if item.overrides else item.why[:20]): item for item in found}


ALIVE, DEAD, EASY = [True, False], [False, False], [True, True]


def many(level: int, type_: str, said: list[bool], *, cut: bool = False) -> list[Row]:
    return [row for n in range(8) for row in rollouts(f"{type_}{level}{n}", level, [{type_: s} for s in said], cut=cut)]


def test_types_that_never_pass_are_left_out_and_rare_ones_weigh_less() -> None:
    rows = many(1, COMMA, ALIVE) + many(1, TITLE, DEAD) + many(1, "keywords:existence", EASY)
    rows += many(1, "startend:end_checker", DEAD)[:6] + many(2, "startend:end_checker", ALIVE)[:2]
    found = advised(rows, recipe())["instructions.sampling"]
    assert json.loads(found.overrides[1].partition("=")[2]) == {
        TITLE: 0.0,
        "keywords:existence": 0.0,
        "startend:end_checker": 0.2,
    }
    assert "keywords:existence (always passes); startend:end_checker (seldom alive)" in found.why
    kept = advised(rows, recipe("instructions.sampling=weighted", "instructions.weights={'tone:': 2}"))
    assert '"tone:tone": 2' in kept["instructions.sampling"].overrides[1]


def test_levels_without_spread_are_left_out_and_the_first_with_much_comes_first() -> None:
    rows = many(1, COMMA, EASY) + many(2, COMMA, ALIVE) + many(3, COMMA, DEAD)
    found = advised(rows, recipe("policy.curriculum.levels=[[1], [2, 3]]"))["policy.curriculum.levels"]
    assert found.overrides == ("policy.curriculum.levels=[[2]]",)
    assert "L1 0%, L2 100%, L3 0%" in found.why


def test_longer_answers_where_most_are_cut_off() -> None:
    short = recipe("policy.max_tokens=48", "rollouts.max_tokens=64", "policy.reward.cut_off_factor=1")
    found = advised(many(1, COMMA, ALIVE, cut=True) + many(2, COMMA, ALIVE)[:4], short)
    assert found["policy.max_tokens"].overrides == ("policy.max_tokens=96", "rollouts.max_tokens=96")
    assert found["policy.reward.cut_off_factor"].overrides == ("policy.reward.cut_off_factor=0.5",)


def test_an_easy_first_stage_is_left_early_and_a_corridor_needs_prompts_that_come_again() -> None:
    rows = many(1, COMMA, EASY) + many(1, "keywords:existence", ALIVE) + many(2, COMMA, DEAD)
    hard = (
        "instructions.hard_share=1",
        "policy.reward.aggregation=mean",
        "policy.curriculum.levels=[[1], [2]]",
        f"instructions.types=[{COMMA}, 'keywords:', 'length_constraints:']",
    )
    few, often = advised(rows, recipe(*hard)), advised(rows, recipe(*hard, "policy.max_steps=400"))
    assert few["policy.curriculum.promote_at"].overrides == ("policy.curriculum.promote_at=0.88",)
    assert any(key.startswith("only 33% of the pro") for key in few)
    assert often["policy.curriculum.strategy"].overrides == ("policy.curriculum.strategy=corridor",)
    assert advised(many(1, COMMA, ALIVE), recipe()) == {}


def test_the_words_hold_shares_and_overrides() -> None:
    figures, config = profile_figures(ROWS), recipe()
    found = [Suggestion("because", ("instructions.types=['tone:']",))]
    text = "\n".join(profile_lines(figures, profile_plan(config, 2), found))
    assert "prompts     4: 50% dead (none of 8 rollouts passes), 25% easy (all pass), 25% alive; 1 more have no" in text
    assert "cut off     20% of 10 rollouts at 64 tokens" in text
    assert """    --set 'instructions.types=['"'"'tone:'"'"']'""" in text


@pytest.mark.parametrize("own", [False, True])
def test_what_is_asked_are_the_prompts_that_a_run_asks(own: bool) -> None:
    asked: dict[str, Inputs] = {}

    def obtain(stage: Stage, config: BaseModel, inputs: Inputs, *_: object) -> ArtifactRef:
        asked[stage.label] = inputs
        name = SERVED if stage is import_model else stage.label
        return ArtifactRef(stage=name, uri="u", fingerprint="f", digest="d", rows=0)

    config = load_recipe("demo-cpu", [f"rollouts.own_history={own}"])
    _through(config, profile_plan(config, 2), ArtifactStore("nowhere"), obtain)
    assert asked["profile"]["prompts"].stage == ("histories" if own else "prompts")
    assert ("histories" in asked) == own


@pytest.mark.model
def test_the_command_says_the_cost_answers_and_finds_the_same_again(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFRL_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("IFRL_HOME", str(tmp_path / "home"))
    folder = Path(model_store.folder("model", tiny_model.fingerprint)) / "model"
    changes = {
        "model": folder,
        "seeds.train": 4,
        "seeds.held_out": 2,
        "policy.max_tokens": 40,
        "policy.generations": 2,
        "policy.prompts_per_step": 4,
        "reward_model.layers": 2,
        "instructions.hard_share": 1,
        "policy.reward.aggregation": "mean",
    }
    given = [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]
    asked = ["profile", "demo-cpu", "--instructions", "2", "--json", *given]
    made, again = (CliRunner().invoke(app, asked) for _ in range(2))
    assert made.exit_code == again.exit_code == 0, made.output + again.output
    assert "2 train instructions at L2, L3 x 2 rollouts: 8 answers of at most 40 tokens, 320 in all" in made.stderr
    assert again.stderr == ""
    first, second = (json.loads(result.stdout) for result in (made, again))
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second
    figures: dict[str, Any] = first["figures"]
    assert figures["rollouts"] == 8
    assert figures["overall"]["prompts"] == sum(figures["overall"][name] for name in ("dead", "easy", "alive"))
    kept = ArtifactStore(str(tmp_path / "store"))
    ref = kept.find("profile", Path(first["artifact"]).name)
    assert ref is not None
    rows = [{**row, "verdicts": json.loads(row["verdicts"])} for row in kept.rows(ref)]
    assert profile_figures(rows)["by_level"] == figures["by_level"]
