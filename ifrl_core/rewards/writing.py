"""What a set of constraints that a model wrote is worth to the policy that is to follow it: gates, then a band of pass rates.

A constraint earns nothing unless it can be read, tells what to do, gives no answer away, goes with those before it and has,
where a rule decides it, a witness. What is left earns by the pass rate of its type as rollouts of the policy showed it
(evolving/taste.py); in a model's own words, where no rule knows a rate, the floor. A template that more of a step's
constraints follow than its quota earns less by as much. (SEIF, arXiv 2605.07465, rewards failure alone; its data drift to
what is no directive and to one template.)

Directives are told in English: by a verb that asks at the head, or a word of duty or measure.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ifrl_core.config import InstructionsConfig, StageConfig
from ifrl_core.evolving.taste import FLOOR, worth
from ifrl_core.instructions.writers.canonical import canonical
from ifrl_core.instructions.writers.match import constraint_of
from ifrl_core.instructions.writers.record import FREE
from ifrl_core.instructions.writers.reply import read_reply
from ifrl_core.instructions.writers.select import select
from ifrl_core.records import Constraint
from ifrl_core.rewards.content import is_about
from ifrl_core.rewards.score import Reward
from ifrl_core.text.reasoning import Reasoning

_VERBS = frozenset(
    re.findall(
        r"\w+",
        "add address adopt aim answer appeal argue arrange ask assume avoid balance base be begin break build choose "
        "cite close compare conclude contrast count cover create define describe discuss divide do draw emphasize "
        "employ end ensure exclude explain express finish focus follow format frame give highlight imagine imitate "
        "include insert introduce keep leave let limit list maintain make mention mimic name never offer omit open "
        "organize present provide put quote refer refrain reply respond say show sound speak split start state stay "
        "stick structure suggest summarize take talk tell treat use vary wrap write ",
    )
)
_DUTY = re.compile(
    r"\b(?:must|should|shall|may not|cannot|has to|have to|needs? to|(?:is|are) (?:not )?allowed|at (?:least|most)|exactly|"
    r"(?:no|not) (?:more|fewer|less) than)\b",
    re.IGNORECASE,
)
_BEFORE_A_VERB = ("please", "always", "only", "and", "also", "instead,", "then")
_LONG = 25  # words from which on a constraint that speaks of the seed's matter is an answer to it
_LITERAL, _NUMBER, _HEAD = re.compile(r'"[^"]*"|\'[^\']*\''), re.compile(r"\d+"), 4  # words of a template's head
_WORSE = 0.1  # a share


class WritingPlan(StageConfig):
    """What a training process rewards written constraints by: `rates` are pass rates of hard types."""

    instructions: InstructionsConfig
    rates: dict[str, float]


@dataclass(frozen=True)
class Reading:
    """What a reply holds: how many constraints, how many of them tell what to do, and those that pass every gate."""

    proposals: int
    directives: int
    constraints: tuple[Constraint, ...]


def is_directive(text: str) -> bool:
    """Whether a text tells what to do.

    >>> is_directive("Speak of the sea as an old friend would."), is_directive("The sea is deep and cold.")
    (True, False)
    """
    words = [word.strip(".,:;!()*-").lower() for word in text.split()]
    head = next((word for word in words if word and word not in _BEFORE_A_VERB), "")
    return not text.rstrip().endswith("?") and (head in _VERBS or head in ("don't", "dont") or bool(_DUTY.search(text)))


def gives_answer(text: str, seed: str) -> bool:
    """Whether a constraint is so long, and so much about the seed's matter, that it answers the seed itself."""
    return len(text.split()) > _LONG and is_about(seed, text)


def template_of(constraint: Constraint) -> str:
    """What a constraint is a case of: its type, or the first words of a model's own without numbers and quotations."""
    if constraint.type != FREE:
        return constraint.type
    plain = _NUMBER.sub("#", _LITERAL.sub('""', canonical(constraint.text).lower()))
    return " ".join(plain.split()[:_HEAD])


def passes(constraint: Constraint, seed: str) -> bool:
    """The gates on a constraint by itself; one of the catalog is in the catalog's words."""
    return constraint.type != FREE or (is_directive(constraint.text) and not gives_answer(constraint.text, seed))


def read_writing(
    reply: str, seed: str, config: InstructionsConfig, reasoning: Reasoning, *, truncated: bool = False
) -> Reading:
    """The constraints of a reply for a seed.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
    """
    proposals = read_reply(reply, reasoning, truncated=truncated)
    written = [item for proposal in proposals if (item := constraint_of(proposal, seed))]
    kept, _ = select([item for item in written if passes(item, seed)], seed, config)
    directives = sum(item.type != FREE or is_directive(item.text) for item in written)
    return Reading(len(proposals), directives, tuple(kept))


def most_of_template(readings: Sequence[Reading], quota: float) -> float:
    """How many constraints may follow one template; of few, of as many as there are replies."""
    return max(1.0, quota * max(sum(len(reading.constraints) for reading in readings), len(readings)))


def writing_rewards(readings: Sequence[Reading], plan: WritingPlan, of_step: Sequence[Reading]) -> list[Reward]:
    """Of replies among all `of_step`, in [0, 1]; `parts` are those of their constraints. Full marks: as many as are allowed,
    each with a pass rate in the middle."""
    config = plan.instructions
    counts = Counter(template_of(item) for reading in of_step for item in reading.constraints)
    most = most_of_template(of_step, config.instructor.quota)

    def part(item: Constraint) -> float:
        known = item.kind == "hard" and item.type in plan.rates
        value = worth(plan.rates[item.type], config.evolving) if known else FLOOR if item.kind == "soft" else 1.0
        return value * min(1.0, most / counts[template_of(item)])

    parts = [tuple(map(part, reading.constraints)) for reading in readings]
    return [Reward(of_reply, sum(of_reply) / config.max_constraints) for of_reply in parts]


def writing_shares(readings: Sequence[Reading]) -> dict[str, float]:
    """`parsed` of replies, `directive` of what they propose; of the constraints kept `distinct` templates and the `top` one;
    `kept` a reply."""
    proposals = sum(reading.proposals for reading in readings)
    templates = Counter(template_of(item) for reading in readings for item in reading.constraints)
    return {
        "parsed": sum(reading.proposals > 0 for reading in readings) / len(readings),
        "directive": sum(reading.directives for reading in readings) / proposals if proposals else 0.0,
        "distinct": len(templates) / templates.total() if templates else 0.0,
        "top": max(templates.values()) / templates.total() if templates else 0.0,
        "kept": templates.total() / len(readings),
    }


def has_decayed(shares: Mapping[str, float], earlier: Mapping[str, float]) -> bool:
    """Whether a round's writing is worse than that of the round before by 10 points of any share; never after none."""
    if not earlier["kept"]:
        return False
    fell = any(shares[name] < earlier[name] - _WORSE for name in ("directive", "distinct"))
    return fell or shares["top"] > earlier["top"] + _WORSE
