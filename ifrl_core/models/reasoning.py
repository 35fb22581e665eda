"""A recipe's reasoning format, settled by the chat template of the model that answers."""

import json
from pathlib import Path

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig, ReasoningConfig
from ifrl_core.errors import ConfigError
from ifrl_core.models.chat_template import Read, chat_template, generation_prompt, response_template
from ifrl_core.models.folder import model_folder
from ifrl_core.models.resolve import at_hand
from ifrl_core.models.uri import SERVED, form
from ifrl_core.text.reasoning import WHOLE, Reasoning

TOKENIZER = "tokenizer.json"
TAGS = (  # of chat templates on the hub
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)


def reasoning_of(recipe: PipelineConfig, model: ArtifactRef, store: ArtifactStore) -> Reasoning:
    """The format of the responses of a model artifact in a run of `recipe`.

    Raises:
        ConfigError: when its tags never reach a text, being special tokens.
    """
    return recipe_format(recipe, files_of(model, store), model.uri)


def recipe_format(recipe: PipelineConfig, read: Read, model: str) -> Reasoning:
    """As `reasoning_of`, for a model of these files; `model` is how errors call it."""
    found = settled(recipe.reasoning, read, model)
    return found.model_copy(update={"always": True}) if recipe.policy.reward.require_reasoning else found


def files_of(model: ArtifactRef, store: ArtifactStore) -> Read:
    """The files of a model artifact, each fetched alone: the weights may lie on an object store, and are not wanted here."""
    if model.stage == SERVED:
        return lambda name: None
    names = {shard.name for shard in store.manifest(model).shards}
    if any(name.startswith("model/") for name in names):
        return lambda name: store.read_bytes(model, f"model/{name}") if f"model/{name}" in names else None
    return _files_in(model_folder(model, store))


def reasoning_at_hand(recipe: PipelineConfig) -> Reasoning | None:
    """The format of the recipe's model, where it lies on this machine; None where it has to be fetched first.

    Raises:
        ConfigError: as `reasoning_of`.
        ModelError: when the model is none.
    """
    if form(recipe.model) == "embedded":
        return recipe_format(recipe, lambda name: None, recipe.model)  # SmolLM2's template knows no reasoning
    folder = at_hand(recipe.model)
    return None if folder is None else recipe_format(recipe, _files_in(folder), recipe.model)


def settled(chosen: ReasoningConfig, read: Read, model: str) -> Reasoning:
    """The format that a recipe's section comes to for a model of these files.

    Raises:
        ConfigError: as `reasoning_of`.
    """
    calls, found = response_template(read), _tags(chosen, read, model)
    return found.model_copy(update={"calls": calls}) if calls else found


def _tags(chosen: ReasoningConfig, read: Read, model: str) -> Reasoning:
    if chosen.format == "none":
        return WHOLE
    first = Reasoning(open=chosen.open, close=chosen.close, always=chosen.format == "always")
    found = _by_template(read, (chosen.open, chosen.close)) if chosen.format == "auto" else first
    if found is not None and (hidden := [token for token in _special_tokens(read) if token in found.close]):
        raise ConfigError(
            f"model {model}: {hidden[0]} in {found.close}, which ends its reasoning, is a special token, and engines leave "
            "those out of texts: set reasoning.format none, or reasoning.open and close to what its texts hold"
        )
    return found or first


def _by_template(read: Read, first: tuple[str, str]) -> Reasoning | None:
    """Tags that the generation prompt opens and leaves open: always; tags that the template names: optional; else None."""
    template, opening = chat_template(read), generation_prompt(read)
    pairs = dict.fromkeys((first, *TAGS))
    for start, end in pairs:
        if opening.rfind(start) > opening.rfind(end):
            return Reasoning(open=start, close=end, always=True)
    return next((Reasoning(open=start, close=end) for start, end in pairs if end in template), None)


def _files_in(folder: Path) -> Read:
    return lambda name: (folder / name).read_bytes() if (folder / name).is_file() else None


def _special_tokens(read: Read) -> list[str]:
    added = json.loads(read(TOKENIZER) or b"{}").get("added_tokens") or []
    return [token["content"] for token in added if token.get("special") and token["content"]]
