"""How conversations become text is identity where more than users and assistants speak, and of plain seeds it is none."""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.config import SeedsConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.identity.code import digest_of_code
from ifrl_core.instructions import stage as instructions
from ifrl_core.instructions.pass_rates import measure_pass_rates, pass_rates_plan
from ifrl_core.models import chat_form, rendering
from ifrl_core.seeds import stage as seeds

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
USER, ANSWER = {"role": "user", "content": "Name a bird."}, {"role": "assistant", "content": "The wren."}
SYSTEM = {"role": "system", "content": "Be brief."}
MORE: dict[str, dict[str, Any]] = {
    "system": {"messages": [SYSTEM, USER]},
    "tools": {"messages": [USER], "tools": [TOOL]},
}
LESS: dict[str, dict[str, Any]] = {"plain": {"seed": "Name a tree."}, "turns": {"messages": [USER, ANSWER, USER]}}


@pytest.mark.parametrize("said", [*MORE, *LESS])
def test_other_words_for_what_a_template_does_not_take_make_other_seeds(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(json.dumps((MORE | LESS)[said]) + "\n")

    def fingerprint() -> str:
        source = seeds.seeds_source(SeedsConfig(files=(str(path),), builtin=False))
        return seeds.make_seeds.fingerprint(source, {}, seed=0)

    before = fingerprint()
    monkeypatch.setattr(rendering, "rendering", lambda: "other words")
    assert (fingerprint() != before) == (said in MORE)


@pytest.mark.parametrize("words", ["You can call these tools", "<tool_response>", "</tool_call>"])
def test_the_words_are_in_the_digest(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = set()
    for number, other in enumerate((words, "Otherwise")):
        name = f"form_{digest_of_code(test_the_words_are_in_the_digest)[:4]}_{len(words)}_{number}"
        (tmp_path / f"{name}.py").write_text(Path(chat_form.__file__).read_text().replace(words, other))
        digests.add(digest_of_code(importlib.import_module(name).rendered))
    assert len(digests) == 2


def test_how_constraints_are_placed_is_identity_where_they_are_not_in_the_last_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fingerprints(place: str) -> list[str]:
        recipe = build_config({}, [f"ladder.place={place}", "ladder.order=easy_to_hard"])
        plan = pass_rates_plan(recipe)
        assert plan is not None
        return [
            instructions.make_prompts.fingerprint(instructions.ladders_plan(recipe), {}, seed=0),
            replace(measure_pass_rates, content=None).fingerprint(plan, {}, seed=0),
        ]

    places = ("last", "system", "mixed")
    before = {place: fingerprints(place) for place in places}
    monkeypatch.setattr("ifrl_core.instructions.places.rendering", lambda placed: "other words")
    changed = {place: [a != b for a, b in zip(before[place], fingerprints(place), strict=True)] for place in places}
    assert changed == {"last": [False, False], "system": [True, True], "mixed": [True, True]}
