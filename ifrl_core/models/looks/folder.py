"""Everything that a model folder is looked at for, once a folder and process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from ifrl_core.models.ends import end_tokens
from ifrl_core.models.looks.build import check_batched, check_reward_model
from ifrl_core.models.looks.chat import (
    SEED,
    FirstPrompt,
    check_generation_config,
    check_vocabulary,
    first_prompt,
    load_tokenizer,
    positions_of,
)
from ifrl_core.models.looks.documents import fault
from ifrl_core.models.looks.kind import check_classifier, check_decoder, read_config
from ifrl_core.models.looks.weights import check_weights, vocabulary_rows

_State = tuple[tuple[str, int, int], ...]


def look_at_policy(folder: Path, uri: str) -> FirstPrompt:
    """A model that is trained as policy, and whose lower layers become the reward model; its shortest prompt.

    Raises:
        ModelError: naming the first fault, with the remedy.
    """
    with _read(uri):
        return _policy(folder, uri, _state(folder))


def look_at_writer(folder: Path, uri: str, *, batched: bool) -> None:
    """A model that only answers; `batched`: in the transformers engine, which reads no quantised weights.

    Raises:
        ModelError: as `look_at_policy`.
    """
    with _read(uri):
        _decoder(folder, uri, _state(folder), batched)


def look_at_reward_model(folder: Path, uri: str) -> None:
    """A trained reward model, beside its settings (reward_model.json).

    Raises:
        ModelError: as `look_at_policy`.
    """
    with _read(uri):
        _reward_model(folder, uri)


@contextmanager
def _read(uri: str) -> Iterator[None]:
    """
    Raises:
        ModelError: when a file of the model cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise fault(uri, f"{error.filename} cannot be read ({error.strerror or error})") from error


def _reward_model(folder: Path, uri: str) -> None:
    config = read_config(folder, uri)
    check_classifier(folder, config, uri)
    tensors = check_weights(folder, config, uri)
    head = tensors.get("score.weight")
    if head is None or head.shape[0] != 1:
        raise fault(uri, f"its head gives {head.shape[0] if head else 'no'} scores, and a reward model gives one")
    load_tokenizer(folder, uri)


@lru_cache(maxsize=8)
def _policy(folder: Path, uri: str, state: _State) -> FirstPrompt:
    prompt = _decoder(folder, uri, state, True)
    check_reward_model(folder, None, uri)
    return prompt


@lru_cache(maxsize=8)
def _decoder(folder: Path, uri: str, state: _State, batched: bool) -> FirstPrompt:
    config = read_config(folder, uri)
    check_decoder(folder, config, uri, trained=batched)
    tensors = check_weights(folder, config, uri, trained=batched)
    tokenizer = load_tokenizer(folder, uri)
    prompt = first_prompt(tokenizer, SEED, uri)
    check_vocabulary(tokenizer, prompt, vocabulary_rows(tensors), uri)
    positions = positions_of(config)
    if positions is not None and prompt.tokens >= positions:
        raise fault(
            uri, f"its chat template makes {prompt.tokens} tokens of a short seed, and it has {positions} positions"
        )
    check_generation_config(folder, uri)
    if not end_tokens(folder, tokenizer):
        raise fault(uri, "nothing says which token ends its answers: set eos_token in its tokenizer_config.json")
    if batched:
        check_batched(folder, tensors, uri)
    return prompt


def _state(folder: Path) -> _State:
    """What tells that a folder has not changed since it was looked at."""
    files = ((path, path.stat()) for path in sorted(folder.glob("*")) if path.is_file())
    return tuple((path.name, status.st_size, status.st_mtime_ns) for path, status in files)
