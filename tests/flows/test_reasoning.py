"""The reasoning format of a run and of commands."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from flows.cli.options import ReasoningFormat, reasoning_from
from flows.cli.rules import app
from flows.execution.call import Call
from flows.execution.run import Run
from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import NoConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.labels.stage import make_labels
from ifrl_core.reward_model.model.settings import SETTINGS, read_settings, write_settings
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning
from tests.core.models.test_reasoning import ALWAYS, OPENING


def test_a_run_reads_the_answers_of_a_model_artifact_as_its_template_says(store: ArtifactStore, tmp_path: Path) -> None:
    """The stages that read answers are made anew for it, the others are not."""
    (tmp_path / "chat_template.jinja").write_text(OPENING)
    refs = {}
    for name, folder in (("reasons", tmp_path), ("plain", None)):
        writer = store.writer("model", 1, name, {}, {})
        if folder:
            writer.write_folder(folder, prefix="model")
        writer.write_json("model/tokenizer_config.json", {})
        refs[name] = writer.commit({})
    config = load_recipe("demo-cpu")
    run = Run("r", "f", config, {}, store, cast(Any, None), cast(Any, None))
    assert run.reasoning(make_rollouts, {"model": refs["reasons"]}) == ALWAYS
    assert run.reasoning(make_rollouts, {"model": refs["plain"]}) == THINK
    assert run.reasoning(make_labels, {"model": refs["reasons"]}) == THINK
    calls = [Call(stage, NoConfig(), {}, 0, reasoning=ALWAYS) for stage in (make_rollouts, make_labels)]
    plain = [Call(stage, NoConfig(), {}, 0) for stage in (make_rollouts, make_labels)]
    assert [a.fingerprint == b.fingerprint for a, b in zip(calls, plain, strict=True)] == [False, True]


def test_commands_take_a_format_and_tags() -> None:
    own = Reasoning(open="[r]", close="[/r]", always=True)
    assert reasoning_from(None, None) == THINK
    assert reasoning_from(None, None, own) == own
    assert reasoning_from(ReasoningFormat.optional, None, own) == Reasoning(open="[r]", close="[/r]")
    assert reasoning_from(ReasoningFormat.always, ("[r]", "[/r]")) == own
    assert reasoning_from(ReasoningFormat.none, None, own) == WHOLE
    assert reasoning_from(None, None, WHOLE) == WHOLE
    with pytest.raises(ConfigError, match="expected two different tags"):
        reasoning_from(None, ("x", "x"))


@pytest.mark.parametrize(
    ("options", "strict"),
    [
        ([], [True, True]),
        (["--reasoning", "always"], [False, True]),
        (["--reasoning", "none"], [True, False]),
        (["--reasoning", "always", "--tags", "<a>", "</a>"], [False, False]),
    ],
)
def test_check_reads_responses_in_the_format_that_it_is_given(
    options: list[str], strict: list[bool], tmp_path: Path
) -> None:
    rows = [
        {"instruction_id": "punctuation:no_comma", "kwargs": {}, "response": response}
        for response in ("cut off in the middle", "well, a, b</think>done")
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    done = CliRunner().invoke(app, ["check", str(source), "-o", str(target), *options])
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["strict"] for line in target.read_text().splitlines()] == strict


def test_a_reward_model_knows_the_format_that_it_was_trained_with(tmp_path: Path) -> None:
    write_settings(tmp_path, max_tokens=64)
    assert "reasoning" not in json.loads((tmp_path / SETTINGS).read_text())
    assert read_settings(tmp_path).reasoning == THINK
    write_settings(tmp_path, max_tokens=64, reasoning=ALWAYS)
    assert read_settings(tmp_path).reasoning == ALWAYS
