"""What is seen of a model folder without loading it: files, sizes, positions, lengths, ends, cuts. No model is needed."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from transformers import Gemma3TextConfig, GenerationConfig, LlamaConfig, Qwen2Config, SmolLM3Config

from ifrl_core.config.recipes import build_config
from ifrl_core.errors import ConfigError, ModelError
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.lengths import length_faults
from ifrl_core.models.load import mend_generation_config
from ifrl_core.models.looks.build import cut_config
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import check_decoder, read_config
from ifrl_core.models.looks.weights import check_weights

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "vocab_size": 6}
WEIGHTS = {
    "model.embed_tokens.weight": np.ones((6, 4), np.float32),
    "model.layers.0.mlp.weight": np.ones((4, 4), np.float32),
    "model.layers.1.mlp.weight": np.ones((4, 4), np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    return tmp_path


def look(folder: Path) -> None:
    config = read_config(folder, "m")
    check_decoder(folder, config, "m", trained=True)
    check_weights(folder, config, "m")


def refused(folder: Path, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        look(folder)
    assert words in str(caught.value)
    assert str(caught.value).startswith("model 'm': ")
    assert str(caught.value).count("\n") == 0


def configured(folder: Path, **changes: Any) -> Path:
    config = {**CONFIG, **changes}
    (folder / "config.json").write_text(json.dumps({name: value for name, value in config.items() if value != "gone"}))
    return folder


def sharded(folder: Path, names: Mapping[str, str]) -> Path:
    """The weights in files of an index; `names`: file by tensor, beside what is there."""
    (folder / "model.safetensors").unlink()
    files = {name: f"model-{number}.safetensors" for number, name in enumerate(WEIGHTS, 1)}
    for name, file in files.items():
        save_file({name: WEIGHTS[name]}, folder / file)
    index = {"weight_map": {**files, **names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_the_folder_around_a_model_is_told_from_it(folder: Path) -> None:
    (folder / "checkpoint-20").mkdir()
    (folder / "config.json").rename(folder / "checkpoint-20" / "config.json")
    refused(folder, f"has no config.json, so it is not a Hugging Face model folder; {folder / 'checkpoint-20'} has one")


def test_a_whole_folder_passes_in_one_file_and_in_several(folder: Path) -> None:
    look(folder)
    look(sharded(folder, {}))
    save_file({"other": np.ones(1)}, folder / "consolidated.safetensors")
    look(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gone"}, "has no model_type"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "is a classifier"),
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM is not a causal language model"),
        ({"architectures": ["LlamaModel"]}, "LlamaModel is not a causal language model"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "encoder with a decoder"),
        ({"architectures": ["MllamaForCausalLM"], "vision_config": {"a": 1}}, "reads images"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantised (awq)"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "quantised (quantization)"),
        ({"num_hidden_layers": 3}, "says 3 layers and the weights hold 2"),
        ({"vocab_size": 8}, "vocab_size 8 and the embedding has 6 rows"),
    ],
)
def test_what_a_config_says_is_refused_by_name(folder: Path, changes: dict[str, Any], words: str) -> None:
    refused(configured(folder, **changes), words)


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _within_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:30])


def _pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 269060552\n")


def _pickled(path: Path) -> None:
    path.rename(path.with_name("pytorch_model.bin"))


def _elsewhere(path: Path) -> None:
    path.rename(path.with_name("consolidated.safetensors"))


def _nan(path: Path) -> None:
    save_file({**WEIGHTS, "model.norm.weight": np.array([1, np.nan], np.float32)}, path)


def _packed(path: Path) -> None:
    save_file({**WEIGHTS, "model.layers.0.up.weight": np.ones((4, 4), np.int8)}, path)


def _overlapping(path: Path) -> None:
    """Two tensors at one place, and bytes of none."""
    header = json.dumps({n: {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]} for n in ("a", "b")}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 8)


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 8)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut_short, "it is not whole"),
        (_longer, "it is not whole"),
        (_within_the_header, "ends within its header"),
        (_pointer, "git LFS pointer"),
        (lambda path: path.write_bytes(b""), "ends within its header"),
        (lambda path: path.write_bytes((4).to_bytes(8, "little") + b"oops"), "not a safetensors file"),
        (_overlapping, "is not a safetensors file"),
        (_pickled, "pickled weights are never read"),
        (_elsewhere, "but neither model.safetensors nor"),
        (_nan, "NaN or infinite in model.norm.weight"),
        (_packed, "model.layers.0.up.weight is I8"),
    ],
)
def test_what_lies_in_the_place_of_weights_is_refused_by_name(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder / "model.safetensors")
    refused(folder, words)


def test_an_index_is_held_against_its_files(folder: Path) -> None:
    refused(
        sharded(folder, {"lm_head.weight": "model-1.safetensors"}), "says that model-1.safetensors holds lm_head.weight"
    )
    (folder / "model-2.safetensors").unlink()
    refused(folder, "1 of the 3 files of model.safetensors.index.json are missing, such as model-2.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused(folder, "has no weight_map")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.json", "{", "config.json is not valid JSON"),
        ("config.json", "[]", "holds a JSON list"),
        ("config.json", "version https://git-lfs.github.com/spec/v1", "git LFS pointer"),
        ("adapter_config.json", '{"base_model_name_or_path": "org/base"}', "an adapter of 'org/base'"),
        ("quantize_config.json", "{}", "quantised (quantize_config.json)"),
    ],
)
def test_files_beside_the_weights(folder: Path, name: str, text: str, words: str) -> None:
    (folder / name).write_text(text)
    refused(folder, words)


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"max_position_embeddings": 2048}, 2048),
        ({"n_positions": 96}, 96),
        ({"max_seq_len": 2048, "alibi": True}, None),
        ({"model_type": "bloom", "seq_length": 2048}, None),
        ({"max_position_embeddings": 32_768, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 131_072),
        (
            {
                "max_position_embeddings": 131_072,
                "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768},
            },
            131_072,
        ),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2.0}}, 8192),
        ({"max_position_embeddings": 131_072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 131_072),
        ({"max_position_embeddings": 131_072, "rope_scaling": {"type": "longrope", "long_factor": [1.0]}}, 131_072),
        (
            {
                "model_type": "gemma3_text",
                "max_position_embeddings": 131_072,
                "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0}},
            },
            131_072,
        ),
    ],
)
def test_positions(config: dict[str, Any], positions: int | None) -> None:
    assert positions_of(config) == positions


SHORT = {
    "rollouts": {"max_tokens": 64},
    "policy": {"max_tokens": 64, "max_prompt_tokens": 1024},
    "evaluation": {"max_tokens": 64, "ifeval_max_tokens": 64},
    "reward_model": {"max_tokens": 512},
}
NO_ROOM = "leaves no room for a prompt in the model's 2048 positions; use at most 1920"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("policy.max_tokens=1500", "2524 is more than the model's 2048 positions; use a max_tokens of at most 1024"),
        (
            "policy.max_prompt_tokens=2048",
            "2112 is more than the model's 2048 positions; use a max_prompt_tokens of at most 1984",
        ),
        (
            "policy.max_prompt_tokens=2048 policy.max_tokens=4096",
            "max_prompt_tokens and max_tokens that are at most 2048 together",
        ),
        ("rollouts.max_tokens=2048", f"rollouts.max_tokens 2048 {NO_ROOM}"),
        ("evaluation.max_tokens=4000", f"evaluation.max_tokens 4000 {NO_ROOM}"),
        ("evaluation.ifeval_path=x evaluation.ifeval_max_tokens=2000", f"evaluation.ifeval_max_tokens 2000 {NO_ROOM}"),
        ("evaluation.general_prompts=3 evaluation.general_max_tokens=2000", f"general_max_tokens 2000 {NO_ROOM}"),
        (
            "instructions.writer=self instructions.model_writer.max_tokens=2000",
            f"model_writer.max_tokens 2000 {NO_ROOM}",
        ),
        ("instructions.sampling=corridor instructions.corridor.max_tokens=2000", f"corridor.max_tokens 2000 {NO_ROOM}"),
        (
            "reward_model.max_tokens=2560",
            "reward_model.max_tokens 2560 is more than the model's 2048 positions; use at most 2048",
        ),
    ],
)
def test_lengths_that_do_not_fit_are_named_with_the_number_that_would(overrides: str, words: str) -> None:
    (fault,) = length_faults(build_config(copy.deepcopy(SHORT), overrides.split()), 2048)
    assert words in fault


def test_lengths_that_fit_and_a_model_that_is_too_small_for_any() -> None:
    assert length_faults(build_config(SHORT), 2048) == length_faults(build_config(SHORT), None) == []
    assert length_faults(build_config({}), None) == []
    assert "the model has 96 positions, too few" in length_faults(build_config(SHORT), 96)[0]


def tokenizer(template: str, eos: int | None = 1) -> Any:
    """Renders as `template` says; its added tokens are <end> (7), <turn> (8) and a space (9)."""
    return SimpleNamespace(
        chat_template=template,
        eos_token_id=eos,
        get_added_vocab=lambda: {"<end>": 7, "<turn>": 8, " ": 9},
        apply_chat_template=lambda messages, tokenize: "".join(
            template.format(role=message["role"], content=message["content"]) for message in messages
        ),
    )


def test_ends_are_those_of_all_files_and_of_the_template(folder: Path) -> None:
    (folder / "config.json").write_text('{"eos_token_id": 2}')
    (folder / "generation_config.json").write_text('{"eos_token_id": [3, 4, -1]}')
    assert end_tokens(folder, tokenizer("<turn>{role}\n{content} <end>\n")) == (1, 2, 3, 4, 7)
    assert end_tokens(folder, tokenizer("<turn>{role}\n{content}\n", None)) == (2, 3, 4), "nothing closes a turn"
    assert end_tokens(folder, tokenizer("", None)) == (2, 3, 4)


@pytest.mark.parametrize("do_sample", [False, None])
def test_a_generation_config_is_mended_with_the_same_effect(do_sample: bool | None, tmp_path: Path) -> None:
    config = GenerationConfig(
        do_sample=do_sample,
        temperature=0.9,
        top_p=0.6,
        length_penalty=0.5,
        max_length=77,
        bos_token_id=1,
        pad_token_id=-1,
    )
    with pytest.raises(ValueError, match="temperature"):
        config.save_pretrained(tmp_path)
    mend_generation_config(config, (2, 5))
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "generation_config.json").read_text())
    assert saved.get("do_sample") == do_sample
    assert "temperature" not in saved
    assert (saved["eos_token_id"], saved["bos_token_id"], saved["max_length"]) == ([2, 5], 1, 77)


def test_a_generation_config_that_samples_stays() -> None:
    config = GenerationConfig(do_sample=True, temperature=0.9, top_k=20)
    mend_generation_config(config, (2,))
    assert (config.do_sample, config.temperature, config.top_k, config.eos_token_id) == (True, 0.9, 20, 2)


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(num_hidden_layers=4),
        Qwen2Config(num_hidden_layers=4, use_sliding_window=True, max_window_layers=3),
        Gemma3TextConfig(num_hidden_layers=4),
        SmolLM3Config(num_hidden_layers=4),
    ],
    ids=lambda config: config.model_type,
)
def test_a_cut_cuts_every_list_with_an_entry_a_layer(config: Any, tmp_path: Path) -> None:
    before = config.to_dict()
    cut = cut_config(config, 2)
    cut.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["num_hidden_layers"] == 2
    for name in ("layer_types", "no_rope_layers"):
        if before.get(name):
            assert saved[name] == before[name][:2]
    with pytest.raises(ConfigError, match=r"reward_model\.layers 5: the model has 2 layers; use at most 2"):
        cut_config(cut, 5)
