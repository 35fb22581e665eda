"""Whether transformers can build what is trained of a folder, cut it and save it: tried on weights that are not there."""

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifrl_core.errors import ConfigError
from ifrl_core.models.looks.documents import fault, first_line
from ifrl_core.models.looks.weights import Tensor

_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention", "attention"}
_NOT_BY_LAYER = ("architectures", "token", "keys", "labels", "section")  # parts of names of lists of something else


def load_config(folder: Path, uri: str, **changes: Any) -> Any:
    """transformers' config of a folder.

    Raises:
        ModelError: when the installed transformers cannot read it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, **changes)
    except Exception as error:  # a config class of transformers raises what it likes on values it was not written for
        raise fault(
            uri, f"transformers cannot read its config.json ({first_line(error)}); code of a model's own is never run"
        ) from error


def cut_config(config: Any, layers: int | None) -> Any:
    """`config` with its lowest `layers` layers alone (None: all), and of every list with an entry a layer those entries.

    Raises:
        ConfigError: when it has fewer layers.
    """
    whole = int(config.num_hidden_layers)
    if layers is None or layers == whole:
        return config
    if layers > whole:
        raise ConfigError(
            f"reward_model.layers {layers}: the model has {whole} layers; use at most {whole}, or none for all"
        )
    for name, value in config.to_dict().items():
        by_layer = isinstance(value, list | tuple) and len(value) == whole
        if by_layer and not any(part in name for part in _NOT_BY_LAYER):
            setattr(config, name, list(value[:layers]))
    if (windows := getattr(config, "max_window_layers", None)) is not None:
        config.max_window_layers = min(windows, layers)
    config.num_hidden_layers = layers
    return config


def check_batched(folder: Path, tensors: Mapping[str, Tensor], uri: str) -> None:
    """`tensors`: what its files hold.

    Raises:
        ModelError: when this is no causal language model, one whose batches hold more than keys and values, or one whose
            weights are not those that its config asks for.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    config = load_config(folder, uri)
    kinds = set(getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None) or ())
    if others := kinds - _ATTENTION:
        raise fault(
            uri,
            f"it has layers of type {', '.join(sorted(others))}, which keep a state that rows cannot share: name a model of "
            "attention layers alone",
        )
    encoder = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or encoder:
        raise fault(uri, f"{config.model_type} is not a causal language model: name a decoder-only chat model")
    if missing := _lacking(MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], "position_ids", "past_key_values"):
        raise fault(uri, f"{config.model_type} takes no {missing}, which batches need: name another model")
    _check_shapes(config, tensors, uri)


def _check_shapes(config: Any, tensors: Mapping[str, Tensor], uri: str) -> None:
    """Names and shapes of the weights against those of the model that transformers builds; not of models whose weights
    it renames or joins while it loads them."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    except Exception as error:  # so does a model class, on sizes that do not go together
        raise fault(
            uri, f"transformers cannot build the model of its config.json as it is needed here ({first_line(error)})"
        ) from error
    asked = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    if other := [name for name in asked if name in tensors and tensors[name].shape != asked[name]]:
        name = other[0]
        raise fault(
            uri,
            f"its weights are not of the shapes that config.json asks for ({name}: {list(tensors[name].shape)}, asked "
            f"{list(asked[name])}): fetch both from one place",
        )
    tied = set(model.all_tied_weights_keys)
    absent = sorted(asked.keys() - tensors.keys() - tied)
    if absent and tensors.keys() <= asked.keys() | tied:
        raise fault(
            uri,
            f"its weights lack {len(absent)} of the {len(asked)} that config.json asks for, which would be random "
            f"({absent[0]}): fetch both from one place",
        )


def check_reward_model(folder: Path, layers: int | None, uri: str) -> None:
    """Build the classifier that the reward model is trained from, without weights, and save and read its config.

    Raises:
        ConfigError: when `layers` are more than the model has.
        ModelError: when there is no classifier of this kind, or it cannot be cut or saved.
    """
    import torch
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig, AutoModelForSequenceClassification

    config = load_config(folder, uri, num_labels=1)
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise fault(
            uri, f"transformers has no classifier of kind {config.model_type}, which the reward model is: name another"
        )
    cut = cut_config(config, layers)
    try:
        with torch.device("meta"), tempfile.TemporaryDirectory() as scratch:
            model = AutoModelForSequenceClassification.from_config(cut, attn_implementation="sdpa")
            model.config.save_pretrained(scratch)
            again = AutoConfig.from_pretrained(scratch)
    except Exception as error:  # as in _check_shapes, and of a disk without room for a config
        raise fault(
            uri, f"a reward model with {layers or 'all'} layers of it cannot be saved ({first_line(error)})"
        ) from error
    assert again.num_hidden_layers == cut.num_hidden_layers
    missing = _lacking(type(model.base_model), "position_ids", "attention_mask")
    if missing or not hasattr(model, "score"):
        raise fault(
            uri, f"{config.model_type} takes no {missing or 'head'}, which the reward model needs: name another model"
        )


def _lacking(model: Any, *names: str) -> str:
    parameters = inspect.signature(model.forward).parameters
    return ", ".join(name for name in names if name not in parameters)
