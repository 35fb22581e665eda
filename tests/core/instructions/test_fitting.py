"""Prompts that leave the model no room for an answer are left out, and counted."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig, SeedsConfig
from ifrl_core.errors import InputError
from ifrl_core.instructions import stage as dataset
from ifrl_core.instructions.stage import LaddersPlan
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.report.findings import findings
from ifrl_core.seeds import stage as seeds_stage
from tests.core.models.tiny import write_model
from tests.flows.workplace import TINY

LONG = "海" * 300  # 900 bytes, a token each; the model has 512 positions
TEXTS = [f"Explain tide {number}." for number in range(12)]


def ladders(store: ArtifactStore, folder: Path, texts: list[str], answer_tokens: int) -> ArtifactRef:
    path = folder.parent / "seeds.txt"
    path.write_text("\n".join(texts) + "\n")
    config = SeedsConfig(files=(str(path),), builtin=False, held_out_share=0.5)
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(config), {}, store)
    instructions = dataset.make_instructions(
        InstructionsConfig(max_words=40, min_constraints=1, max_constraints=1, types=("punctuation:no_comma",)),
        {"seeds": seeds},
        store,
    )
    model = import_model(model_source(str(folder)), {}, store)
    plan = LaddersPlan(answer_tokens=answer_tokens)
    return dataset.make_prompts(plan, {"instructions": instructions, "model": model}, store)


def test_a_seed_that_is_too_long_is_left_out_with_its_reason_and_the_report_says_so(
    store: ArtifactStore, tmp_path: Path
) -> None:
    prompts = ladders(store, write_model(tmp_path / "m"), [*TEXTS, LONG], 64)
    figures = store.manifest(prompts).figures
    assert figures["too_long"] == 1
    assert figures["train_ladders"] + figures["held_out_ladders"] == len(TEXTS)
    (rejected,) = store.read_table(prompts, "rejected.parquet").to_pylist()
    assert rejected["seed"] == LONG
    assert (
        "with an answer of 64 (rollouts.max_tokens) that is more than the model's 512 positions" in rejected["reason"]
    )
    assert not [row for row in store.rows(prompts) if LONG in row["messages"][-1]["content"]]
    (finding,) = findings({"prompts": figures})
    assert finding.title == "Left out as too long for the model: 1 instruction"


def test_when_all_are_too_long_the_way_out_is_said(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"instructions are too long for the model .* Use shorter seeds"):
        ladders(store, write_model(tmp_path / "m"), TEXTS, 500)


def test_questions_that_had_no_room_are_said() -> None:
    (finding,) = findings({"before": {"no_room": 2}})
    assert finding.title == "Evaluation could not answer 2 questions"


def test_a_plan_shows_the_first_prompt_and_how_many_seeds_are_too_long(tmp_path: Path) -> None:
    folder, seeds = write_model(tmp_path / "m"), tmp_path / "mine.txt"
    seeds.write_text("\n".join([*TEXTS, LONG]) + "\n")
    named = {"model": folder, "policy.max_prompt_tokens": 400, "seeds.files": seeds, "seeds.builtin": "false"}
    changes = [part for name, value in named.items() for part in ("--set", f"{name}={value}")]
    shown = CliRunner().invoke(app, ["plan", str(TINY), *changes])
    assert shown.exit_code == 0, shown.output
    assert (
        "prompt      34 tokens: <|turn|>user\n            Explain tide 0.<|end|>\n            <|turn|>assistant"
        in shown.output
    )
    assert "seeds       1 leave the model no room for an answer and will be left out" in shown.output
