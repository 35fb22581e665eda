"""Whole model folders of many kinds: which are taken, and of which fault the others are refused, by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ifrl_core.config import RewardModelConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.errors import ConfigError, ModelError
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.inference.transformers_engine import TransformersEngine
from ifrl_core.models.check import check_policy
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.load import load_answering_model, load_causal_model
from ifrl_core.models.looks.build import check_reward_model
from ifrl_core.models.looks.chat import load_tokenizer
from ifrl_core.models.looks.folder import look_at_policy, look_at_writer
from ifrl_core.models.shapes import model_shape
from ifrl_core.reward_model.model.files import reward_model_folder
from ifrl_core.reward_model.model.packing import collate, pack, pair_logits
from ifrl_core.reward_model.model.template import encode
from ifrl_core.reward_model.train.classifier import load_backbone
from tests.core.models.tiny import TEMPLATE, configs, edit, tiny_tokenizer, write_model

QUESTIONS = [Request([{"role": "user", "content": text}], seed) for seed, text in enumerate(("Hi.", "Name a river."))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of a model that is taken."""
    shutil.copytree(whole, tmp_path / "m")
    return tmp_path / "m"


def refused(folder: Path, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        look_at_policy(folder, "m")
    assert words in str(caught.value)
    assert str(caught.value).startswith("model 'm': ")
    assert str(caught.value).count("\n") == 0


@pytest.mark.model
@pytest.mark.parametrize("kind", configs(259))
def test_a_kind_that_is_taken_answers_and_becomes_a_reward_model_with_fewer_layers(kind: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", kind)
    look_at_policy(folder, "m")
    check_reward_model(folder, 1, "m")
    completions = TransformersEngine(folder, dtype="float32").generate(QUESTIONS, Sampling(4))
    assert all(
        0 < completion.completion_tokens <= 4 for completion in completions if completion.finish_reason == "length"
    )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_backbone(folder, tokenizer, RewardModelConfig(layers=1))
    model.save_pretrained(tmp_path / "reward-model")
    saved = json.loads((tmp_path / "reward-model" / "config.json").read_text())
    assert saved.get("num_hidden_layers", saved.get("n_layer")) == 1
    batch = collate(pack(encode(tokenizer, [("An answer.", "Be brief."), ("An answer.", "Use no commas.")], 256)), 0)
    logits = pair_logits(
        model.eval(), batch.input_ids, batch.position_ids, batch.attention_mask, batch.rows, batch.ends
    )
    assert logits.shape == (2,)
    assert logits.isfinite().all()


def test_more_layers_than_there_are_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"reward_model\.layers 12: the model has 2 layers; use at most 2"):
        check_reward_model(folder, 12, "m")


PARTS = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}\n{% for part in m['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
)
FIRST_PART = TEMPLATE.replace("m['content']", "m['content'][0]['text']")
REFUSES = "{{ raise_exception('Only tools may speak') }}"
BROKEN = "{% for m in messages %}"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "has no chat template"),
        (PARTS, "leaves the text of a message out"),
        (FIRST_PART, "cannot render a user's message (UndefinedError"),
        (REFUSES, "Only tools may speak"),
        (BROKEN, "cannot render a user's message (TemplateSyntaxError"),
        ({"tool_use": TEMPLATE}, "cannot render a user's message (ValueError"),
    ],
)
def test_templates_that_cannot_ask(template: Any, words: str, tmp_path: Path) -> None:
    refused(write_model(tmp_path / "m", tokenizer=tiny_tokenizer(template)), words)


NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system') }}{% endif %}" + TEMPLATE


@pytest.mark.parametrize(
    "template",
    [NO_SYSTEM, {"default": TEMPLATE, "tool_use": PARTS}, TEMPLATE.replace("m['content']", "m['content'] | trim")],
    ids=["no-system", "named", "trims"],
)
def test_templates_that_can(template: Any, tmp_path: Path) -> None:
    look_at_policy(write_model(tmp_path / "m", tokenizer=tiny_tokenizer(template)), "m")


def test_a_template_may_lie_in_the_tokenizers_config(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    refused(folder, "has no chat template")
    edit(folder / "tokenizer_config.json", chat_template=TEMPLATE)
    look_at_policy(folder, "m")


def _without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def _written(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


def _sentencepiece_alone(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"no model of sentencepiece")
    edit(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without("tokenizer.json", "tokenizer_config.json"), "has no tokenizer"),
        (_written("tokenizer.json", '{"oops": 1}'), "cannot be loaded"),
        (
            _written("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n"),
            "tokenizer.json is a git LFS pointer",
        ),
        (_written("tokenizer_config.json", "{"), "tokenizer_config.json is not valid JSON"),
        (_sentencepiece_alone, "cannot be loaded"),
        (_written("generation_config.json", "{"), "generation_config.json is not valid JSON"),
        (
            _written("generation_config.json", '{"num_return_sequences": 3}'),
            "its generation_config.json cannot be used",
        ),
        (
            lambda folder: edit(folder / "config.json", model_type="of-its-own"),
            "transformers cannot read its config.json",
        ),
    ],
)
def test_files_beside_the_weights_are_refused_by_name(folder: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(folder)
    refused(folder, words)


def test_a_tokenizer_may_not_have_more_texts_than_the_embedding_has_rows(tmp_path: Path) -> None:
    refused(write_model(tmp_path / "short", vocabulary=200), "ids up to 257 and its embedding 200 rows")
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<image>"])
    look_at_policy(write_model(tmp_path / "added", tokenizer=tokenizer), "m")
    look_at_policy(write_model(tmp_path / "padded", vocabulary=320), "m")


@pytest.mark.parametrize("special", [{"pad_token": "<|eos|>"}, {"pad_token": None}, {"eos_token": None}])
def test_padding_and_ends_may_be_missing_or_one(special: dict[str, str | None], tmp_path: Path) -> None:
    look_at_policy(write_model(tmp_path / "m", tokenizer=tiny_tokenizer(**special)), "m")


def test_a_model_whose_answers_nothing_ends(tmp_path: Path) -> None:
    template = TEMPLATE.replace("<|end|>", "")
    folder = write_model(tmp_path / "m", tokenizer=tiny_tokenizer(template, eos_token=None))
    for name in ("config.json", "generation_config.json"):
        edit(folder / name, eos_token_id=None)
    refused(folder, "nothing says which token ends its answers")


@pytest.mark.model
def test_every_end_stops_the_engine_and_reaches_the_saved_policy(folder: Path, tmp_path: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=65, do_sample=False, temperature=0.9)
    tokenizer = load_tokenizer(folder, "m")
    assert end_tokens(folder, tokenizer) == (65, 257, 258), (
        "generation_config.json; the template; config.json, tokenizer"
    )
    engine = TransformersEngine(folder, dtype="float32")
    completions = engine.generate(
        [Request([{"role": "user", "content": "Hi."}], seed) for seed in range(40)], Sampling(64)
    )
    assert any(completion.finish_reason == "stop" for completion in completions)
    load_answering_model(folder, tokenizer, dtype=torch.float32).save_pretrained(tmp_path / "policy")
    saved = json.loads((tmp_path / "policy" / "generation_config.json").read_text())
    assert saved["eos_token_id"] == [65, 257, 258]
    assert saved["do_sample"] is False


@pytest.mark.model
def test_a_prompt_that_fills_the_positions_is_answered_with_nothing_and_others_as_far_as_they_go(folder: Path) -> None:
    engine = TransformersEngine(folder, dtype="float32")
    requests = [Request([{"role": "user", "content": "a" * size}], 3) for size in (600, 470, 5)]
    filled, nearly, short = engine.generate(requests, Sampling(100))
    assert (filled.finish_reason, filled.completion_tokens, filled.text) == ("length", 0, "")
    assert 0 < nearly.completion_tokens <= 512 - nearly.prompt_tokens < 100
    assert short.completion_tokens <= 100


def test_weights_that_would_be_random_are_refused(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    weights = {name: weight for name, weight in model.state_dict().items() if "lm_head" not in name}
    model.save_pretrained(folder, state_dict=weights)
    with pytest.raises(ModelError, match=r"lacks 1 weights of its model, which would be random \(lm_head\.weight\)"):
        load_causal_model(folder)
    refused(folder, "its weights lack 1 of the 21 that config.json asks for, which would be random (lm_head.weight)")


def test_weights_of_another_config_are_refused(folder: Path) -> None:
    edit(folder / "config.json", num_key_value_heads=4)
    refused(folder, "self_attn.k_proj.weight: [8, 16], asked [16, 16]")


def test_a_template_may_not_fill_the_positions(tmp_path: Path) -> None:
    refused(write_model(tmp_path / "m", tokenizer=tiny_tokenizer("word " * 120 + TEMPLATE)), "and it has 512 positions")


@pytest.mark.model
def test_a_recipe_is_held_against_its_model(folder: Path) -> None:
    short = {
        "model": str(folder),
        "rollouts": {"max_tokens": 64},
        "policy": {"max_tokens": 64, "max_prompt_tokens": 256},
        "evaluation": {"max_tokens": 64},
        "reward_model": {"max_tokens": 128, "layers": 1},
    }
    check_policy(build_config(short))
    with pytest.raises(ConfigError, match="512 positions; use at most 384"):
        check_policy(build_config(short, ["rollouts.max_tokens=500"]))
    with pytest.raises(ConfigError, match=r"max_prompt_tokens 32 is less than the \d+ tokens of a short seed"):
        check_policy(build_config(short, ["policy.max_prompt_tokens=32"]))
    with pytest.raises(ConfigError, match="has 2 layers"):
        check_policy(build_config(short, ["reward_model.layers=3"]))


@pytest.mark.model
@pytest.mark.parametrize("kind", configs(259))
def test_a_plan_reckons_with_about_as_many_parameters_as_there_are(kind: str, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(configs(259)[kind].to_dict()))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(configs(259)[kind])
    own = sum(weight.numel() for name, weight in model.named_parameters() if "wpe" not in name)  # learnt positions
    assert model_shape(str(folder)).parameters == pytest.approx(own, rel=0.06)


def test_a_language_model_is_no_reward_model(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"has no reward_model\.json and is a LlamaForCausalLM; name what"):
        reward_model_folder(str(folder))
    (folder / "reward_model.json").write_text("{}")
    with pytest.raises(ModelError, match="LlamaForCausalLM is not a reward model"):
        reward_model_folder(str(folder))


def test_a_template_that_fails_at_one_prompt_names_it() -> None:
    picky = "{% if 'fish' in messages[0]['content'] %}{{ raise_exception('No fish') }}{% endif %}" + TEMPLATE
    tokenizer = tiny_tokenizer(picky)
    assert prompt_ids(tokenizer, [{"role": "user", "content": "Name a river."}])
    with pytest.raises(ModelError, match=r"cannot render the prompt 'Name a fish\.' \(TemplateError: No fish\)"):
        prompt_ids(tokenizer, [{"role": "user", "content": "Name a fish."}])


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"quantization_config": {"quant_method": "awq"}}, "quantised"), ({"vision_config": {"a": 1}}, "reads images")],
)
def test_a_writer_that_vllm_reads_may_be_quantised_or_see(folder: Path, changes: dict[str, Any], words: str) -> None:
    edit(folder / "config.json", **changes)
    look_at_writer(folder, "m", batched=False)
    with pytest.raises(ModelError, match=words):
        look_at_writer(folder, "m", batched=True)
