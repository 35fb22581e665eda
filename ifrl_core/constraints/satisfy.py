"""Whether a set of constraints can be met together: a witness that every verifier passes says so.

The types write their demands into one draft, `witness/` makes a text of it, the verifiers judge the text. What is dropped
for lack of a witness may have been possible.
"""

from collections.abc import Sequence

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.turn_types import TurnDraft, TurnType
from ifrl_core.constraints.turns import rules_in
from ifrl_core.constraints.verdict import verify
from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.constraints.witness.compose import compose
from ifrl_core.constraints.witness.contradiction import least_words
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint, Conversation


def draft_of(constraints: Sequence[Constraint], conversation: Conversation | None = None) -> Draft | None:
    """The demands of the hard constraints in one draft; None when a type has no witness.

    A type of conversations demands nothing where none is given.
    """
    demands = []
    for constraint in constraints:
        if constraint.kind == "soft":
            continue
        type_ = CATALOG.get(constraint.type)
        if type_ is None or type_.witness is None:
            return None
        if conversation is not None or not isinstance(type_, TurnType):
            demands.append((type_.witness, constraint.args))
    bans = TurnDraft(conversation=conversation)
    for demand, args in demands:
        demand(bans, dict(args))
    draft = TurnDraft(conversation=conversation)
    draft.take_bans_of(bans)
    for demand, args in demands:
        demand(draft, dict(args))
    return draft


def witness_of(
    constraints: Sequence[Constraint], conversation: Conversation | None = None, *, max_words: int | None = None
) -> str | None:
    """A text that satisfies every hard constraint of the set, checked by the verifiers; None when none was composed.

    With `max_words`, one of at most so many words where there is one. Deterministic. Soft constraints are passed over: no
    rule can say that they are met.
    """
    hard = [constraint for constraint in constraints if constraint.kind == "hard"]
    if conversation is None:
        hard = [constraint for constraint in hard if not isinstance(CATALOG.get(constraint.type), TurnType)]
    rules = rules_in(conversation)

    def passes(text: str) -> bool:
        view = View(text)
        return all(verify(constraint.type, constraint.args, view, rules) for constraint in hard)

    draft = draft_of(constraints, conversation)
    found = None if draft is None else compose(draft, passes)
    if draft is None or found is None or max_words is None or count_words(found) <= max_words:
        return found
    draft.no_more_words_than(max_words)  # what is to be short is composed of shorter pieces
    return compose(draft, lambda text: count_words(text) <= max_words and passes(text)) or found


def unmet(constraints: Sequence[Constraint], max_words: int, conversation: Conversation | None = None) -> str | None:
    """Why no known text of at most `max_words` words satisfies the hard constraints of the set; None when one does.

    A set that holds a hard type without a witness (a user's own, without `witness`) is taken to be satisfiable.
    """
    draft = draft_of(constraints, conversation)
    if draft is None:
        return None
    if least_words(draft) > max_words:
        return "longer than max_words"
    witness = witness_of(constraints, conversation, max_words=max_words)
    if witness is None:
        return "no text satisfies all"
    return "longer than max_words" if count_words(witness) > max_words else None


def words_needed(constraints: Sequence[Constraint]) -> int:
    """Words without which the hard constraints of the set cannot be met, counted from below.

    Types without a witness are passed over: what they need is not known.
    """
    draft = draft_of([item for item in constraints if item.kind == "soft" or draft_of([item]) is not None])
    return 0 if draft is None else least_words(draft)
