"""Whether a set of constraints can be met together: a witness that every verifier passes says so.

The types write their demands into one draft, `witness/` makes a text of it, the verifiers judge the text. What is dropped
for lack of a witness may have been possible.
"""

from collections.abc import Sequence

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.witness.compose import compose
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint


def draft_of(constraints: Sequence[Constraint]) -> Draft | None:
    """The demands of the hard constraints in one draft; None when a type has no witness."""
    demands = []
    for constraint in constraints:
        if constraint.kind == "soft":
            continue
        type_ = CATALOG.get(constraint.type)
        if type_ is None or type_.witness is None:
            return None
        demands.append((type_.witness, constraint.args))
    bans = Draft()
    for demand, args in demands:
        demand(bans, dict(args))
    draft = Draft()
    draft.take_bans_of(bans)
    for demand, args in demands:
        demand(draft, dict(args))
    return draft


def witness_of(constraints: Sequence[Constraint]) -> str | None:
    """A text that satisfies every hard constraint of the set, checked by the verifiers; None when none was composed.

    Deterministic. Soft constraints are passed over: no rule can say that they are met.
    """
    hard = [constraint for constraint in constraints if constraint.kind == "hard"]

    def passes(text: str) -> bool:
        view = View(text)
        return all(verify(constraint.type, constraint.args, view) for constraint in hard)

    draft = draft_of(constraints)
    return None if draft is None else compose(draft, passes)


def satisfiable(constraints: Sequence[Constraint]) -> bool:
    """Whether the hard constraints of the set have a witness.

    A set that holds a hard type without one (a user's own, without `witness`) is taken to be satisfiable.
    """
    return draft_of(constraints) is None or witness_of(constraints) is not None
