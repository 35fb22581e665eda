"""The prompt that asks a model for constraints: prompt.txt with the seed and sampled references filled in."""

import json
import random
import string
from functools import cache
from importlib.resources import files

from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.records import Constraint, Message, readable


def messages(request: SeedRequest, config: InstructionsConfig, rng: random.Random) -> list[Message]:
    """One user message, which shows all of a conversation. All fields are filled in one pass, so nothing in a seed is taken
    for a field.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
    """
    shown = "\n".join(map(_reference, references(request.text, config, rng)))
    seed = request.text if request.conversation is None else readable(request.conversation.messages)
    text = _template().substitute(seed=seed.strip(), references=shown, max_words=config.max_words)
    return [{"role": "user", "content": text}]


def references(seed_text: str, config: InstructionsConfig, rng: random.Random) -> list[Constraint]:
    """One example each of different types that fit the seed, hard ones in the share that the config asks for."""
    plain = [t for t in chosen_types(config.types or None) if not isinstance(t, TurnType)]
    usable = [t for t in plain if t.min_words <= config.max_words and t.fits(seed_text)]
    hard, soft = ([t for t in usable if t.kind == kind] for kind in ("hard", "soft"))
    count = config.model_writer.references
    hard_count = min(len(hard), max(round(count * config.hard_share), count - len(soft)))
    chosen = [*rng.sample(hard, hard_count), *rng.sample(soft, min(len(soft), count - hard_count))]
    rng.shuffle(chosen)
    return [_example(type_, seed_text, config, rng) for type_ in chosen]


def _example(type_: ConstraintType, seed_text: str, config: InstructionsConfig, rng: random.Random) -> Constraint:
    args = type_.sample(rng, max_words=config.max_words, seed_text=seed_text)
    return type_.constraint(args, rng.randrange(len(type_.wordings)))


def _reference(constraint: Constraint) -> str:
    shown = {"text": constraint.text, "type": constraint.type, "args": constraint.args}
    return f"- {json.dumps(shown, ensure_ascii=False)}"


def template_digest() -> str:
    """Of prompt.txt."""
    return digest_of_bytes(_template().template.encode())


@cache
def _template() -> string.Template:
    return string.Template(files(__package__).joinpath("prompt.txt").read_text(encoding="utf-8").strip())
