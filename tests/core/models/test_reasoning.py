"""Whose responses reason, and how that is told: by the chat template, or by the recipe."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from ifrl_core.artifacts import canonical_json
from ifrl_core.config import PipelineConfig, ReasoningConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.models.chat_template import Read, generation_prompt
from ifrl_core.models.reasoning import reasoning_at_hand, settled
from ifrl_core.plan.text import reasoning_line
from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning, answer_of

TURN = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
PLAIN = TURN + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
OPENING = TURN + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
# Strips the reasoning of earlier turns, as Qwen3 does, and opens none.
NAMING = "{% set c = messages[-1]['content'].split('</think>')[-1] %}" + PLAIN
# An empty block, as templates write where thinking is switched off.
CLOSED = TURN + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}{% endif %}"
IN_SYSTEM = "Think in <think> tags.\n" + PLAIN
OTHER = OPENING.replace("<think>", "[THINK]")
BROKEN = "{{ raise_exception('no system role') }}"
ALWAYS = Reasoning(always=True)


def files(template: str, *, special: str = "", as_list: bool = False) -> Read:
    """The tokenizer files of a model with that chat template."""
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": template}]
    tokens = [{"content": "<|im_end|>", "special": True}, {"content": special, "special": True}]
    documents = {
        "tokenizer_config.json": {"chat_template": named if as_list else template, "bos_token": {"content": "<s>"}},
        "tokenizer.json": {"added_tokens": tokens},
    }
    return lambda name: json.dumps(documents[name]).encode() if name in documents else None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (PLAIN, THINK),
        (OPENING, ALWAYS),
        (NAMING, THINK),
        (CLOSED, THINK),
        (IN_SYSTEM, THINK),
        (OTHER, Reasoning(open="[THINK]", close="[/THINK]", always=True)),
        (PLAIN + "{# <thinking></thinking> #}", Reasoning(open="<thinking>", close="</thinking>")),
        (BROKEN, THINK),
        ("", THINK),
        ("{% generation %}" + OPENING + "{% endgeneration %}{{ strftime_now('%Y') }}{{ messages | tojson }}", ALWAYS),
    ],
)
def test_the_chat_template_tells_whether_the_prompt_opens_reasoning(template: str, expected: Reasoning) -> None:
    for as_list in (False, True):
        assert settled(ReasoningConfig(), files(template, as_list=as_list), "m") == expected


def test_a_recipe_may_say_it_instead() -> None:
    assert settled(ReasoningConfig(format="none"), files(OPENING), "m") == WHOLE
    assert settled(ReasoningConfig(format="optional"), files(OPENING), "m") == THINK
    assert settled(ReasoningConfig(format="always"), files(PLAIN), "m") == ALWAYS
    own = ReasoningConfig(open="<r>", close="</r>")
    assert settled(own, files(PLAIN), "m") == Reasoning(open="<r>", close="</r>")
    assert settled(own, files(OPENING.replace("think", "r")), "m").always


def test_a_response_template_of_the_tokenizer_says_how_tool_calls_are_written() -> None:
    read = files(PLAIN)

    def with_template(name: str) -> bytes | None:
        if name != "tokenizer_config.json":
            return read(name)
        return json.dumps({**json.loads(read(name) or b"{}"), "response_template": {"fields": {}}}).encode()

    found = settled(ReasoningConfig(), with_template, "m")
    assert found == THINK.model_copy(update={"calls": '{"fields": {}}'})
    # Where there is none, formats are stored and told apart as they are without.
    assert "calls" not in canonical_json(THINK) + THINK.model_dump_json()
    assert "calls" in canonical_json(found)
    assert Reasoning.model_validate_json(found.model_dump_json()) == found


def test_a_tag_that_engines_leave_out_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigError, match=r"model m: \[/THINK\] in \[/THINK\], which ends its reasoning, is a special token"
    ):
        settled(ReasoningConfig(), files(OTHER, special="[/THINK]"), "m")
    assert settled(ReasoningConfig(format="none"), files(OTHER, special="[/THINK]"), "m") == WHOLE
    channels = files(PLAIN + "{# <|channel|>final<|message|> #}", special="<|channel|>")
    with pytest.raises(ConfigError, match=r"m: <\|channel\|> in <\|channel\|>final<\|message\|>"):
        settled(ReasoningConfig(), channels, "m")
    said = ReasoningConfig(format="optional", open="analysis", close="assistantfinal")  # as its texts are without them
    assert answer_of("analysisHm.assistantfinalYes.", settled(said, channels, "m")) == "Yes."


def test_the_prompt_is_rendered_with_the_names_that_templates_use() -> None:
    assert generation_prompt(files("{{ bos_token }}{% if add_generation_prompt %}go{% endif %}")) == "go"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"reasoning": {"open": ""}}, "open '' is no tag"),
        ({"reasoning": {"close": " </think>"}}, "is no tag"),
        ({"reasoning": {"open": "|", "close": "|"}}, "open and close are both"),
        ({"reasoning": {"format": "none", "close": "</r>"}}, "format none looks for no tags"),
        (
            {"reasoning": {"format": "none"}, "policy": {"reward": {"require_reasoning": True}}},
            "leave require_reasoning out, or set reasoning.format always",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_at_load(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PipelineConfig.model_validate(section)


def test_a_recipe_is_refused_at_once_where_its_model_hides_the_end_of_reasoning(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    for name in ("tokenizer_config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(files(OTHER, special="[/THINK]")(name) or b"")
    recipe = load_recipe("demo-cpu", [f"model={tmp_path}"])
    with pytest.raises(ConfigError, match="is a special token"):
        reasoning_at_hand(recipe)
    assert reasoning_at_hand(load_recipe("demo-cpu", [f"model={tmp_path}", "reasoning.format=none"])) == WHOLE
    assert reasoning_at_hand(load_recipe("demo-cpu", ["policy.reward.require_reasoning=true"])) == ALWAYS
    assert reasoning_at_hand(load_recipe("r1-distill-7b-3x8gpu")) is None


@pytest.mark.parametrize(
    ("reasoning", "said"),
    [
        (THINK, "what follows </think>; without it the whole response"),
        (ALWAYS, "what follows </think>; without it nothing"),
        (WHOLE, "whole responses"),
        (None, "once the model is here"),
    ],
)
def test_the_plan_says_what_an_answer_is(reasoning: Reasoning | None, said: str) -> None:
    assert said in reasoning_line(reasoning)
