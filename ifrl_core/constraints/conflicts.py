"""Which two constraints cannot, or should not, be asked together; a whole set is `satisfy`'s matter.

By type (one type twice, one slot of the text claimed twice), by argument (what one demands against what the other forbids,
and the counts of both), and by what their demands on a text contradict.
"""

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.satisfy import draft_of
from ifrl_core.constraints.verifiers.scripts import word_set
from ifrl_core.constraints.witness.contradiction import contradiction
from ifrl_core.records import Constraint, Conversation


def near_duplicates(a: str, b: str) -> bool:
    """Whether two texts share at least four fifths of their words (intersection over union, case aside)."""
    words_a, words_b = word_set(a), word_set(b)
    return a == b or len(words_a & words_b) >= max(1.0, 0.8 * len(words_a | words_b))


def conflict(a: Constraint, b: Constraint, conversation: Conversation | None = None) -> bool:
    """Whether two constraints exclude each other, in a conversation where that matters; symmetric.

    They do when they are of one type (a near-duplicate), claim the same slot of the text, or a rule by their
    arguments says so. A constraint whose type the catalog does not know (written by a model, soft) conflicts only with
    one of nearly the same text.
    """
    if a.type == b.type and a.type in CATALOG:
        return True
    if near_duplicates(a.text, b.text):
        return True
    type_a, type_b = CATALOG.get(a.type), CATALOG.get(b.type)
    if type_a is None or type_b is None:
        return False
    if type_a.slots & type_b.slots:
        return True
    if (type_a.excludes and type_a.excludes(a.args, b)) or (type_b.excludes and type_b.excludes(b.args, a)):
        return True
    if a.kind == "soft" or b.kind == "soft":
        return False
    draft = draft_of([a, b], conversation)
    return draft is not None and contradiction(draft) is not None
