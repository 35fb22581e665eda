"""Every shape of ../shared/data/cases/make_models.py: what `ifrl` says of it before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import IfrlError
from ifrl_core.inference import Request, Sampling
from ifrl_core.inference.transformers_engine import TransformersEngine
from ifrl_core.models.check import check_policy
from ifrl_core.models.looks.build import check_reward_model
from ifrl_core.models.looks.folder import look_at_policy

pytestmark = [
    pytest.mark.model,
    pytest.mark.soak,
]  # half a minute; tests/core/models/test_chat_models.py is its quick form

TAKEN = (
    *(
        "base",
        "sharded",
        "nopad",
        "nosystem",
        "think",
        "badgen",
        "nogen",
        "qwen2",
        "qwen2_old",
        "gpt2_1024",
        "vocabpad",
    ),
    *("fp16_untied", "gemma3_text", "moe"),
)
REFUSED = {
    "nochat": "has no chat template",
    "binonly": "pickled weights are never read",
    "peft": "holds an adapter of",
    "peft_with_config": "holds an adapter of",
    "peft_with_config_gone": "holds an adapter of 'meta-llama/Llama-3.2-1B-Instruct'",
    "gguf": "holds GGUF weights",
    "gguf_bare": "holds GGUF weights",
    "missing_shard": "are missing, such as",
    "truncated_shard": "it is not whole",
    "lfs_pointer": "git LFS pointer",
    "parts_template": "cannot render a user's message",
    "awq": "quantised (awq)",
    "fp8": "quantised (fp8)",
    "gpt2": "has 96 positions, too few",
    "bert": "is not a causal language model",
    "t5": "is an encoder with a decoder",
    "classifier": "is a classifier",
    "vocabshort": "ids up to",
    "notokenizer": "has no tokenizer",
    "vlm": "reads images or sound as well",
    "mamba": "has layers of type linear_attention",
}


@pytest.fixture(scope="module")
def models(shared: Path, small_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes")
    subprocess.run([sys.executable, shared / "cases" / "make_models.py", small_model_folder, out], check=True)
    return out


def recipe_of(models: Path, shared: Path, name: str) -> str:
    path = models / f"{name}.yaml"
    path.write_text((shared / "cases" / "two-layers.yaml").read_text().replace("MODELS/base", str(models / name)))
    return str(path)


def said_of(path: Path, recipe: str) -> str | None:
    """What a run says of a model before it starts; None: nothing, and then it answers, and a layer can be cut off."""
    try:
        look_at_policy(path, path.name)
        check_policy(load_recipe(recipe, []))
    except IfrlError as error:
        return str(error)
    check_reward_model(path, 1, path.name)
    request = Request([{"role": "user", "content": "Name a river."}], 1)
    (completion,) = TransformersEngine(path).generate([request], Sampling(3))
    assert completion.prompt_tokens > 4
    return None


def test_every_shape_is_taken_or_refused_by_name_before_anything_starts(models: Path, shared: Path) -> None:
    said = {
        path.name: said_of(path, recipe_of(models, shared, path.name)) for path in models.iterdir() if path.is_dir()
    }
    assert said.keys() == {*TAKEN, *REFUSED}
    assert {name: words for name, words in said.items() if name in TAKEN and words is not None} == {}
    other = {name: said[name] for name, words in REFUSED.items() if words not in (said[name] or "")}
    assert other == {}
    assert all(words is None or words.count("\n") <= 2 for words in said.values())
