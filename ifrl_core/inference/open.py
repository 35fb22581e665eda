"""From a model's name to the engine that answers for it."""

import os

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.errors import ConfigError
from ifrl_core.inference.engine import Engine
from ifrl_core.models import model_folder

SERVED = "server:"
URLS_VARIABLE = "IFRL_SERVER_URLS"


def is_served(model: str) -> bool:
    """Whether a model is named as one behind servers (server:NAME) rather than by a URI of weights."""
    return model.startswith(SERVED)


def server_urls() -> list[str]:
    """The base URLs of the environment: where a served model is asked, never what it is.

    Raises:
        ConfigError: when there is none.
    """
    urls = [url.strip() for url in os.environ.get(URLS_VARIABLE, "").split(",") if url.strip()]
    if not urls:
        raise ConfigError(
            f"a model server:NAME needs {URLS_VARIABLE}: base URLs such as http://host:8000/v1, with commas"
        )
    return urls


def open_served(model: str) -> Engine:
    """The engine of a model server:NAME.

    Raises:
        ConfigError: when no server is named.
        InferenceError: when a base URL is none.
    """
    from ifrl_core.inference.server_engine import ServerEngine

    return ServerEngine(server_urls(), model.removeprefix(SERVED))


def open_local(model: ArtifactRef, store: ArtifactStore, *, dtype: str, batch_size: int) -> Engine:
    """The embedded engine over a model artifact."""
    from ifrl_core.inference.transformers_engine import load_engine

    return load_engine(model_folder(model, store), dtype=dtype, batch_size=batch_size)
