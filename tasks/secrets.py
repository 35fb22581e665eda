"""Keys and credentials from a Prefect block: variables of the environment that need not lie on the worker's machine.

IFRL_SECRETS_BLOCK names a Secret block that holds a JSON object, such as {"AWS_SECRET_ACCESS_KEY": "...",
"IFRL_SERVER_API_KEY": "..."}. What the environment says already goes before it. Values are never logged.
"""

import os
from functools import cache
from typing import Any

from prefect.blocks.system import Secret

from ifrl_core.errors import ConfigError

VARIABLE = "IFRL_SECRETS_BLOCK"


@cache
def load_secrets() -> None:
    """Put the block's variables into this process's environment, once.

    Raises:
        ConfigError: when the block does not exist, or holds no JSON object of texts.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return
    try:
        block: Any = Secret.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError as error:
        raise ConfigError(f"{VARIABLE} names the Secret block {name!r}, which cannot be loaded: {error}") from None
    variables = block.get()
    if not isinstance(variables, dict) or not all(isinstance(item, str) for pair in variables.items() for item in pair):
        raise ConfigError(
            f"the Secret block {name!r} holds {type(variables).__name__}; expected a JSON object from variable names to texts"
        )
    for variable, value in variables.items():
        os.environ.setdefault(variable, value)
