"""Pass rates of hard constraints as rollouts showed them, each drawn towards what is known of the more general.

Arguments are told apart roughly: a number by its length in bits (4 to 7 words, 8 to 15), a list by how many it names, a
choice by its value, any other text not at all.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.constraints.verifiers.arguments import Choice
from ifrl_core.labels.contrasts import ladders
from ifrl_core.records import Constraint, Conversation, Row, constraint_of, conversation_of
from ifrl_core.rollouts.shards import answer_in

_TRUST = 4.0  # answers that what is more general counts as, beside the answers to the particular


def bucket(type_id: str, args: Mapping[str, Any]) -> Hashable:
    """Arguments that count as alike.

    >>> bucket("length:exact_sentences", {"num_sentences": 3}) == bucket("length:exact_sentences", {"num_sentences": 2})
    True
    """
    return tuple((name, _size(type_id, name, value)) for name, value in sorted(args.items()))


def _size(type_id: str, name: str, value: Any) -> Hashable:
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int | float):
        return int(value).bit_length()
    if isinstance(value, list):
        return len(value)
    return value if isinstance(CATALOG[type_id].arguments.get(name), Choice) else None


@dataclass
class Seen:
    """Answers counted so far, and those that passed, by what was asked."""

    asked: Counter[Hashable] = field(default_factory=Counter)
    passed: Counter[Hashable] = field(default_factory=Counter)

    def add(self, constraints: Sequence[Constraint], verdicts: Sequence[bool | None]) -> None:
        """An answer to a prompt with `constraints`; verdicts are None of soft ones."""
        judged = [(item, verdict) for item, verdict in zip(constraints, verdicts, strict=True) if verdict is not None]
        for constraint, passed in judged:
            beside = (_beside(constraint.type, other.type) for other in constraints if other is not constraint)
            self._count((_type(constraint.type), _args(constraint.type, constraint.args), *beside), passed)
        if judged:
            self._count([_number(len(constraints))], all(passed for _, passed in judged))

    def of_type(self, type_id: str) -> float:
        """The pass rate of a type in (0, 1), with one success and one failure added: 0.5 where nothing was asked."""
        return self._rate(_type(type_id), 0.5, 2.0)

    def of_args(self, type_id: str, args: Mapping[str, Any]) -> float:
        """Of a type with such arguments."""
        return self._rate(_args(type_id, args), self.of_type(type_id), _TRUST)

    def beside(self, type_id: str, other: str) -> float:
        """Of a type in prompts that ask for another type as well."""
        return self._rate(_beside(type_id, other), self.of_type(type_id), _TRUST)

    def of_number(self, number: int) -> float:
        """Of prompts with so many constraints: the share of answers that satisfy all hard ones."""
        return self._rate(_number(number), 0.5, 2.0)

    def answers(self, type_id: str) -> tuple[int, int]:
        """Answers to a type: asked, passed."""
        return self.asked[_type(type_id)], self.passed[_type(type_id)]

    def types(self) -> list[str]:
        """Hard types that were asked."""
        return sorted(str(key[1]) for key in self.asked if isinstance(key, tuple) and key[0] == "type")

    def _count(self, keys: Iterable[Hashable], passed: bool) -> None:
        for key in keys:
            self.asked[key] += 1
            self.passed[key] += passed

    def _rate(self, key: Hashable, general: float, trust: float) -> float:
        return (self.passed[key] + trust * general) / (self.asked[key] + trust)


def seen_in(prompts: ArtifactRef, rollouts: ArtifactRef, store: ArtifactStore) -> Seen:
    """What rules say of every rollout."""
    seen = Seen()
    template = (store.manifest(rollouts).config.get("reasoning") or {}).get("calls", "")
    for ladder in ladders(prompts, rollouts, store):
        asked = conversation_of(ladder[0][0])
        for prompt, answers in ladder[1:]:
            constraints = [constraint_of(row) for row in prompt["constraints"]]
            for rollout in answers:
                seen.add(constraints, judged(asked, constraints, rollout, template))
    return seen


def judged(asked: Conversation, constraints: Sequence[Constraint], rollout: Row, template: str) -> list[bool | None]:
    """Verdicts on the answer of a row of records.ROLLOUTS."""
    return verdicts_in(asked, constraints, answer_in(rollout), template)


def _type(type_id: str) -> Hashable:
    return "type", type_id


def _args(type_id: str, args: Mapping[str, Any]) -> Hashable:
    return "args", type_id, bucket(type_id, args)


def _beside(type_id: str, other: str) -> Hashable:
    return "beside", type_id, other


def _number(number: int) -> Hashable:
    return "number", number
