"""Models out of a folder, as every engine and trainer of ours loads them."""

import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ifrl_core.errors import ModelError
from ifrl_core.models.ends import end_tokens

log = logging.getLogger(__name__)

# Fields that generation_config.json may only set for sampling, and for beams; transformers saves no file that has them
# otherwise.
_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_OF_BEAMS = ("early_stopping", "length_penalty")
_SHOWN = 3


def load_causal_model(folder: Path, **options: Any) -> Any:
    """The causal language model of a folder; `options` of from_pretrained.

    Raises:
        ModelError: when the folder's weights cannot be loaded or leave some of the model random.
    """
    from transformers import AutoModelForCausalLM

    return _loaded(AutoModelForCausalLM, folder, None, options)


def load_classifier(folder: Path, *, fresh: str | None = None, **options: Any) -> Any:
    """The sequence classifier of a folder; weights whose names begin with `fresh` may be random.

    Raises:
        ModelError: as `load_causal_model`.
    """
    from transformers import AutoModelForSequenceClassification

    return _loaded(AutoModelForSequenceClassification, folder, fresh, options)


def load_answering_model(folder: Path, tokenizer: Any, **options: Any) -> Any:
    """The same with a generation config that can be saved and names all ends of an answer.

    Raises:
        ModelError: as `load_causal_model`.
    """
    model = load_causal_model(folder, **options)
    mend_generation_config(model.generation_config, end_tokens(folder, tokenizer))
    return model


def _loaded(auto: Any, folder: Path, fresh: str | None, options: dict[str, Any]) -> Any:
    try:
        model, loaded = auto.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    absent = {*loaded["missing_keys"], *(key for key, *_ in loaded["mismatched_keys"])}
    missing = sorted(name for name in absent if fresh is None or not name.startswith(fresh))
    if missing:
        raise ModelError(
            f"{folder} lacks {len(missing)} weights of its model, which would be random ({', '.join(missing[:_SHOWN])}): "
            "fetch it again, or name another model"
        )
    return model


def mend_generation_config(config: Any, ends: tuple[int, ...]) -> None:
    """Make of `config` one with the same effect that can be saved, and with all ends.

    With do_sample false (Llama 2's and Vicuna's files) a temperature has no effect, and transformers refuses to save it.
    """
    idle = [*(_OF_SAMPLING if not config.do_sample else ()), *(_OF_BEAMS if (config.num_beams or 1) == 1 else ())]
    for name in idle:
        if getattr(config, name, None) is not None:
            setattr(config, name, None)
    if (config.pad_token_id or 0) < 0:  # the first Llama's kin say so for none
        config.pad_token_id = None
    if ends:
        config.eos_token_id = list(ends) if len(ends) > 1 else ends[0]
    try:
        config.validate(strict=True)
    except ValueError as error:
        log.warning("generation_config.json: only its token ids are kept (%s)", str(error).splitlines()[0])
        kept = {name: value for name, value in config.to_dict().items() if name.endswith("_token_id")}
        config.__dict__.update({**type(config)().__dict__, **kept})
