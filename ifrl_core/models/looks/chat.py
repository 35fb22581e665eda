"""A folder's tokenizer and chat template: the first prompt as the model reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifrl_core.models.chat_form import rendered
from ifrl_core.models.control_marks import marks_of, plain_messages
from ifrl_core.models.looks.documents import fault, first_line, read_document, refuse_lfs_pointer
from ifrl_core.records import Message

SEED = "Explain why the sea is salty."
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
    "tiktoken.model",
)
_PLAIN = "put a chat_template.jinja that takes plain text into its folder"
_DOCUMENTS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


@dataclass(frozen=True)
class FirstPrompt:
    """A seed as the model reads it, up to where its answer begins, and how many tokens that is."""

    text: str
    tokens: int


def load_tokenizer(folder: Path, uri: str) -> Any:
    """The tokenizer of a folder.

    Raises:
        ModelError: when there is none, it cannot be loaded, or it does not give back what it is given.
    """
    from transformers import AutoTokenizer

    present = [name for name in _TOKENIZERS if (folder / name).is_file()]
    if not present:
        raise fault(uri, f"{folder} has no tokenizer (tokenizer.json): copy its tokenizer files beside the weights")
    for name in _DOCUMENTS:
        if (folder / name).is_file():
            read_document(folder / name, uri)
    for name in present:
        refuse_lfs_pointer(folder / name, uri)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        ids = tokenizer(SEED, add_special_tokens=False)["input_ids"]
        back = "".join(str(tokenizer.decode(ids)).split())
    except Exception as error:  # of whichever library reads it
        raise fault(
            uri,
            f"its tokenizer ({', '.join(present)}) cannot be loaded ({first_line(error)}); where the model has a "
            "tokenizer.json elsewhere, put it beside the weights",
        ) from error
    if back != "".join(SEED.split()):
        raise fault(
            uri,
            f"its tokenizer ({', '.join(present)}) makes {back!r} of {SEED!r}: put the model's own beside the weights",
        )
    return tokenizer


def first_prompt(tokenizer: Any, seed: str, uri: str, *, conversation: Sequence[Message] = ()) -> FirstPrompt:
    """`seed`, or the conversation whose last turn it is, in the chat template.

    Raises:
        ModelError: when there is no template, it fails, or what it renders does not hold the seed.
    """
    if not tokenizer.chat_template:
        raise fault(
            uri,
            "it has no chat template, as base models have none: name its instruct or chat version, or put a "
            "chat_template.jinja into its folder",
        )
    try:
        marks = marks_of(tokenizer)
        messages = plain_messages(conversation or [{"role": "user", "content": seed}], marks)
        text = rendered(tokenizer, messages)
    except Exception as error:  # a template may raise anything
        raise fault(
            uri, f"its chat template cannot render a user's message ({first_line(error)}): mend it, or {_PLAIN}"
        ) from error
    if _squeezed(messages[-1]["content"]) not in _squeezed(text):
        raise fault(
            uri,
            f"its chat template leaves the text of a message out ({text[:80]!r}), as templates for content parts do: "
            f"{_PLAIN}",
        )
    return FirstPrompt(text, len(tokenizer(text, add_special_tokens=False)["input_ids"]))


def check_vocabulary(tokenizer: Any, prompt: FirstPrompt, rows: int | None, uri: str) -> None:
    """`rows` of the embedding; None: not known. Added tokens beyond it are harmless as long as no prompt has them.

    Raises:
        ModelError: when texts or prompts have tokens that the model does not know.
    """
    if rows is None:
        return
    added = set(tokenizer.get_added_vocab().values())
    own = max((index for index in tokenizer.get_vocab().values() if index not in added), default=0)
    asked = max(tokenizer(prompt.text, add_special_tokens=False)["input_ids"], default=0)
    if max(own, asked) >= rows:
        raise fault(
            uri,
            f"its tokenizer has ids up to {max(own, asked)} and its embedding {rows} rows: resize it "
            "(resize_token_embeddings), or put the tokenizer that it was trained with beside the weights",
        )


def check_generation_config(folder: Path, uri: str) -> None:
    """
    Raises:
        ModelError: when transformers cannot read generation_config.json.
    """
    if not (folder / "generation_config.json").is_file():
        return
    from transformers import GenerationConfig

    try:
        GenerationConfig.from_pretrained(folder)
    except Exception as error:  # its values may be of any type, which transformers compares as they come
        raise fault(
            uri, f"its generation_config.json cannot be used ({first_line(error)}): mend it, or remove the file"
        ) from error


def positions_of(config: Mapping[str, Any]) -> int | None:
    """The most tokens of prompt and answer that a config.json allows; None where it sets no limit (ALiBi, recurrent).

    A rotary scaling stretches them as vLLM reckons: Llama 3's and long-rope kin, and Gemma 3, name the stretched number.
    """
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
    limits = [config[name] for name in names if isinstance(config.get(name), int) and config[name] > 0]
    if not limits or config.get("alibi") or config.get("position_embedding_type") == "alibi":
        return None
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    scaling = scaling.get("full_attention", scaling)  # of models whose layers differ
    kind = scaling.get("rope_type") or scaling.get("type")
    factor = scaling.get("factor")
    stretched = kind in ("linear", "dynamic", "yarn") and isinstance(factor, int | float)
    if not stretched or str(config.get("model_type")).startswith("gemma3"):
        return int(min(limits))
    return max(int(min(limits)), int(scaling.get("original_max_position_embeddings", min(limits)) * factor))


def _squeezed(text: str) -> str:
    return "".join(text.split())
