"""Questions to a judge whose truth is known: hard constraints of the catalog, put to the answers that it judges anyway."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.constraints.sampling import chosen_types
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.records import Constraint
from ifrl_core.statistics.by_hash import rank_by_hash, seed_by_hash

_OF_REQUEST = (
    "combination:repeat_prompt",
    "repeat:request_span",
)  # they speak of a request, which a check does not show
_LONGEST = 8_000  # characters of an answer, so that it fits beside the question
_DRAWS = 30  # for each check that is wanted


@dataclass(frozen=True)
class Check:
    """A constraint, an answer, and whether the one satisfies the other: a rule's verdict."""

    constraint: Constraint
    answer: str
    satisfied: bool


def checks(answers: Sequence[str], count: int, seed: int) -> list[Check]:
    """At most `count` checks, half of them satisfied and half violated as far as the answers allow.

    Types and arguments are drawn at random, arguments from the answer's own words and within its length; in either half a
    type stands a few times at most. Equal arguments give equal checks, in whatever order the answers come.
    """
    usable = {answer for answer in answers if answer.strip() and len(answer) <= _LONGEST}
    ordered = sorted(usable, key=lambda answer: rank_by_hash("judge-checks", seed, answer))
    types = [type_ for type_ in chosen_types(None) if type_.rule is not None and type_.id not in _OF_REQUEST]
    wanted = {True: (count + 1) // 2, False: count // 2}
    most = 1 + count // len(types)  # of a type in a half
    drawn: Counter[tuple[str, bool]] = Counter()
    found: dict[tuple[str, str], Check] = {}
    for number in range(count * _DRAWS if ordered else 0):
        if not any(wanted.values()):
            break
        check = _drawn(ordered[number % len(ordered)], types, seed, number)
        if check is None or not wanted[check.satisfied]:
            continue
        kind, key = (check.constraint.type, check.satisfied), (check.constraint.text, check.answer)
        if drawn[kind] < most and key not in found:
            drawn[kind] += 1
            wanted[check.satisfied] -= 1
            found[key] = check
    return list(found.values())


def _drawn(answer: str, types: Sequence[ConstraintType], seed: int, number: int) -> Check | None:
    """One constraint for an answer; None where its type does not fit."""
    rng = random.Random(seed_by_hash("judge-check", seed, number, digest_of_bytes(answer.encode(errors="replace"))))
    type_, words = rng.choice(types), len(answer.split())
    if words < type_.min_words or not type_.fits(answer):
        return None
    args = type_.sample(rng, max_words=words, seed_text=answer)
    constraint = type_.constraint(args, rng.randrange(len(type_.wordings)))
    return Check(constraint, answer, verify(type_.id, constraint.args, View(answer)))
