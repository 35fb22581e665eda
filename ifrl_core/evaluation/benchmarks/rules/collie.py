"""Collie's constraints: a tree that says which parts of a text stand in which relation to which targets.

Source: Yao et al., COLLIE: Systematic Construction of Constrained Text Generation Tasks (arXiv 2307.08689). A *constraint*
splits the text (or each part at its input level) into parts at its target level, takes their count, some of their positions
or all of them, and compares that with its target; `All` is several constraints with a target each. Verdicts are held to
those of the official code (princeton-nlp/Collie efce1c88) in the tests, its surprises included: "don't" is not one word, a
closing quote is the last word, no sentence satisfies "all sentences".
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from string import punctuation
from typing import Any

from ifrl_core.constraints.verifiers.sentences import split_sentences
from ifrl_core.evaluation.benchmarks.rules.text import tokens

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def satisfied(tree: Mapping[str, Any], target: Any, text: str) -> bool:
    """Does `text` satisfy the constraint `tree` with `target`?

    Raises:
        KeyError, TypeError: when the tree is not of Collie's format.
    """
    if tree["type"] == "All":
        return all(satisfied(*pair, text) for pair in zip(tree["callables"], target, strict=True))
    input_level = (tree["input_level"] or {}).get("level")
    units = _split(text, input_level) if input_level else [text]
    transformation = tree["transformation"]
    if transformation["type"] == "ForEach":
        transformation = transformation["func"]
    targets = target if input_level and isinstance(target, list) else [target] * len(units)
    if len(targets) != len(units):
        return False
    values = (_transformed(_split(unit, tree["target_level"]["level"]), transformation) for unit in units)
    pairs = zip(values, targets, strict=True)  # no further than the verdict needs
    verdicts = (_related(value, tree["relation"]["operand"], expected) for value, expected in pairs)
    return any(verdicts) if tree["reduction"]["reduction"] == "any" else all(verdicts)


def _split(text: str, level: str) -> list[str]:
    match level:
        case "character":
            return list(text)
        case "word":
            return [token for token in tokens(text) if token not in punctuation]  # so that a quote is one
        case "sentence":
            return list(_sentences(text))
        case "paragraph":
            parts = text.split("\n\n")
        case _:
            raise KeyError(level)
    return [part.strip(" .") for part in parts]


@lru_cache(maxsize=1)  # several constraints of a row ask for them
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(part.strip(" .") for part in split_sentences(text))


def _transformed(parts: Sequence[str], transformation: Mapping[str, Any]) -> Any:
    match transformation["type"]:
        case "Count":
            return len(parts)
        case "Position":
            positions = transformation["position"]
            if isinstance(positions, list):
                return [_at(parts, position) for position in positions]
            return _at(parts, positions)
        case "Ellipsis":
            return list(parts)
        case other:
            raise KeyError(other)


def _at(parts: Sequence[str], position: int) -> str | None:
    return parts[position] if -len(parts) <= position < len(parts) else None


def _related(value: Any, operand: str, target: Any) -> bool:
    value, target = _plain(value), _plain(target)
    if operand in ("in", "not in"):
        targets = target if isinstance(target, list) else [target]
        return all((item in value) == (operand == "in") for item in targets)
    if isinstance(target, list) and not isinstance(value, list):
        target = target[0]
    return _COMPARE[operand](value, target)


def _plain(value: Any) -> Any:
    """Strings in lower case without punctuation around them."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.lower().strip(punctuation) if isinstance(value, str) else value
