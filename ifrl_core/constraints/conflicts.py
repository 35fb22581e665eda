"""Which constraints cannot, or should not, be asked together: pairwise rules by type and argument.

Pairs first, by rule; then a set as a whole, by composing its witnesses (`witness_of`).
"""

from collections.abc import Callable, Iterable, Sequence

from ifrl_core.constraints.catalog import CATALOG
from ifrl_core.constraints.model import Constraint


def _bound(constraint: Constraint, type_id: str, name: str, relation: str) -> int | None:
    """The number of a bounded type when its relation is the one given."""
    if constraint.type == type_id and constraint.args.get("relation") == relation:
        return int(constraint.args[name])
    return None


def _least_words(constraint: Constraint) -> int:
    """Words without which the constraint cannot be met, estimated from below."""
    args = constraint.args
    at_least = _bound(constraint, "length_constraints:number_words", "num_words", "at least")
    if at_least is not None:
        return at_least
    sentences = _bound(constraint, "length_constraints:number_sentences", "num_sentences", "at least")
    if sentences is not None:
        return sentences
    if constraint.type == "combination:repeat_prompt":
        return len(args["prompt_to_repeat"].split()) + 1
    if constraint.type == "keywords:frequency" and args["relation"] == "at least":
        return int(args["frequency"])
    countable = ("num_paragraphs", "num_bullets", "num_sections", "num_placeholders", "num_highlights")
    return max((int(args[name]) for name in countable if name in args), default=1)


def _too_long(a: Constraint, b: Constraint) -> bool:
    """`a` allows fewer words than `b` needs."""
    fewer_than = _bound(a, "length_constraints:number_words", "num_words", "less than")
    return fewer_than is not None and _least_words(b) >= fewer_than


def _wanted_text_is_banned(a: Constraint, b: Constraint) -> bool:
    """`a` bans commas and `b` asks for a text that holds one."""
    texts = [str(value) for value in b.args.values()]
    return a.type == "punctuation:no_comma" and any("," in text for text in texts if b.type.startswith("startend:"))


_RULES: tuple[Callable[[Constraint, Constraint], bool], ...] = (_too_long, _wanted_text_is_banned)


def conflict(a: Constraint, b: Constraint) -> bool:
    """Whether two constraints exclude each other; symmetric.

    They do when they are of one type (a near-duplicate), claim the same slot of the text, or a rule by their
    arguments says so. A constraint whose type the catalog does not know (written by a model, soft) conflicts only with
    one of the same text.
    """
    if a.type == b.type and a.type in CATALOG:
        return True
    if a.text == b.text:
        return True
    type_a, type_b = CATALOG.get(a.type), CATALOG.get(b.type)
    if type_a is None or type_b is None:
        return False
    if type_a.slots & type_b.slots:
        return True
    if (type_a.excludes and type_a.excludes(a.args, b)) or (type_b.excludes and type_b.excludes(b.args, a)):
        return True
    return any(rule(a, b) or rule(b, a) for rule in _RULES)


def without_conflicts(constraints: Iterable[Constraint]) -> list[Constraint]:
    """The constraints that do not conflict with an earlier one that was kept, in order."""
    kept: list[Constraint] = []
    for constraint in constraints:
        if not any(conflict(constraint, other) for other in kept):
            kept.append(constraint)
    return kept


def conflicting_pairs(constraints: Sequence[Constraint]) -> list[tuple[int, int]]:
    """Index pairs (i < j) of constraints that exclude each other."""
    return [
        (i, j)
        for i in range(len(constraints))
        for j in range(i + 1, len(constraints))
        if conflict(constraints[i], constraints[j])
    ]
