"""What sort of model a folder's config.json names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifrl_core.models.looks.documents import fault, read_document

ADAPTER = "adapter_config.json"
_DECODERS = ("ForCausalLM", "LMHeadModel")
_CLASSIFIER = "ForSequenceClassification"
_SENSES = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower")
_QUANTISED = ("quantization_config", "quantization", "compression_config")  # the second: MLX
_QUANTISED_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")


def read_config(folder: Path, uri: str) -> dict[str, Any]:
    """The config.json of a folder.

    Raises:
        ModelError: when the folder holds an adapter or GGUF weights instead of a model, or no usable config.json.
    """
    refuse_adapter(folder, uri)
    path = folder / "config.json"
    if not path.is_file():
        if any(folder.glob("*.gguf")):
            raise fault(uri, f"{folder} holds GGUF weights, which llama.cpp reads; name the model's safetensors folder")
        inside = next((f"; {found.parent} has one" for found in _below(folder)), "")
        raise fault(uri, f"{folder} has no config.json, so it is not a Hugging Face model folder{inside}")
    document = read_document(path, uri)
    if not isinstance(document.get("model_type"), str):
        raise fault(uri, f"{path} has no model_type, so nothing says how to read its weights; fetch it again")
    return document


def _below(folder: Path) -> list[Path]:
    """The config.json files of its subfolders, as of checkpoints or of a repository in the hub's cache."""
    return sorted(path for pattern in ("*/config.json", "snapshots/*/config.json") for path in folder.glob(pattern))


def refuse_adapter(folder: Path, uri: str) -> None:
    """
    Raises:
        ModelError: when transformers would load another model and put this folder's adapter on it.
    """
    path = folder / ADAPTER
    if path.is_file():
        base = read_document(path, uri).get("base_model_name_or_path")
        raise fault(
            uri,
            f"{folder} holds an adapter of {base!r} ({ADAPTER}), not a model: merge it (peft's merge_and_unload, then "
            f"save_pretrained) and name that folder; where its weights are merged already, remove {ADAPTER}",
        )


def check_decoder(folder: Path, config: Mapping[str, Any], uri: str, *, trained: bool) -> None:
    """
    Raises:
        ModelError: when this is no language model that answers text with text; or, `trained` (or decoded by us), one that is
            quantised or has other senses.
    """
    named = names(config)
    if any(config.get(name) for name in _SENSES):
        if not trained:
            return  # vLLM answers text with it
        raise fault(
            uri,
            f"{named} reads images or sound as well: name a model of text alone (of Gemma 3, the 1B or a text-only copy)",
        )
    if config.get("is_encoder_decoder") or named.endswith("ForConditionalGeneration"):
        raise fault(uri, f"{named} is an encoder with a decoder: name a decoder-only chat model (…ForCausalLM)")
    if named.endswith(_CLASSIFIER):
        raise fault(
            uri,
            f"{named} is a classifier, such as a reward model: its head cannot write text. Name the policy or base model",
        )
    if architectures(config) and not any(name.endswith(_DECODERS) for name in architectures(config)):
        raise fault(uri, f"{named} is not a causal language model: name a decoder-only chat model (…ForCausalLM)")
    if trained:
        refuse_quantised(folder, config, uri)


def check_classifier(folder: Path, config: Mapping[str, Any], uri: str) -> None:
    """
    Raises:
        ModelError: when this is not a sequence classifier with weights of 16 or 32 bits.
    """
    named = names(config)
    if not named.endswith(_CLASSIFIER):
        raise fault(uri, f"{named} is not a reward model (…{_CLASSIFIER}): name what the reward-model stage made")
    refuse_quantised(folder, config, uri)


def refuse_quantised(folder: Path, config: Mapping[str, Any], uri: str) -> None:
    """
    Raises:
        ModelError: when the weights are packed into fewer bits.
    """
    for name in _QUANTISED:
        if config.get(name):
            how = config[name].get("quant_method") if isinstance(config[name], Mapping) else None
            raise fault(
                uri,
                f"its weights are quantised ({how or name}); here 16 or 32 bits are needed: name the model it was made from",
            )
    for name in _QUANTISED_FILES:
        if (folder / name).is_file():
            raise fault(
                uri,
                f"its weights are quantised ({name}); here 16 or 32 bits are needed: name the model it was made from",
            )


def architectures(config: Mapping[str, Any]) -> list[str]:
    named = config.get("architectures")
    return [str(name) for name in named] if isinstance(named, list) else []


def names(config: Mapping[str, Any]) -> str:
    """The class that the config names, or its model type."""
    return next(iter(architectures(config)), str(config.get("model_type")))
