"""What rollouts showed, and what is drawn by it: nothing dies, what teaches comes more often."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.config import EvolvingConfig, InstructionsConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.evolving.seen import Seen, bucket
from ifrl_core.evolving.taste import FLOOR, Learnable, worth, write
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.records import Constraint

BAND = EvolvingConfig(low=0.1, high=0.9)
TITLE, COMMA, WORDS = "detectable_format:title", "punctuation:no_comma", "length_constraints:number_words"
POSTSCRIPT = "detectable_content:postscript"


def asked(type_id: str, **args: object) -> Constraint:
    return Constraint(type_id, CATALOG[type_id].kind, "", args)


def seen(*rollouts: tuple[tuple[Constraint, ...], tuple[bool | None, ...], int]) -> Seen:
    """Each so many times."""
    made = Seen()
    for constraints, verdicts, times in rollouts:
        for _ in range(times):
            made.add(constraints, verdicts)
    return made


@given(st.floats(0, 1), st.floats(0, 0.98), st.floats(0.01, 1))
def test_worth_lies_between_floor_and_one_and_is_the_floor_outside_the_band(p: float, low: float, width: float) -> None:
    band = EvolvingConfig(low=low, high=min(1.0, low + width))
    value = worth(p, band)
    assert FLOOR <= value <= 1
    if not band.low <= p <= band.high:
        assert value == FLOOR
    elif abs(p - 0.5) > 1e-9:
        nearer = p + (0.5 - p) / 2
        assert worth(nearer, EvolvingConfig(low=0, high=1)) > worth(p, EvolvingConfig(low=0, high=1)) or p in (0, 1)


@given(st.lists(st.booleans(), max_size=40))
def test_rates_are_open_shares_and_unasked_ones_lie_in_the_middle(verdicts: list[bool]) -> None:
    made = seen(*(((asked(COMMA),), (verdict,), 1) for verdict in verdicts))
    assert 0 < made.of_type(COMMA) < 1
    assert made.of_type(COMMA) == (sum(verdicts) + 1) / (len(verdicts) + 2)
    assert made.of_type(TITLE) == 0.5
    assert made.answers(COMMA) == (len(verdicts), sum(verdicts))


def test_what_was_seen_is_told_apart_by_arguments_company_and_number() -> None:
    short, long = asked(WORDS, relation="at least", num_words=5), asked(WORDS, relation="at least", num_words=40)
    made = seen(((short,), (True,), 10), ((long,), (False,), 10), ((short, asked(TITLE)), (False, True), 10))
    assert made.of_args(WORDS, short.args) > made.of_args(WORDS, long.args)
    assert bucket(WORDS, {"relation": "at least", "num_words": 7}) == bucket(WORDS, short.args)
    assert bucket(WORDS, {"relation": "less than", "num_words": 5}) != bucket(WORDS, short.args)
    assert made.beside(WORDS, TITLE) < made.of_type(WORDS) < 0.5
    assert made.of_number(1) == 11 / 22
    assert made.of_number(2) < 0.1


def test_what_was_seen_does_not_depend_on_the_order_of_the_answers() -> None:
    pair, alone = (asked(COMMA), asked(WORDS, relation="at least", num_words=9)), (asked(TITLE),)
    answers = [(pair, (True, False), 2), (alone, (False,), 1), (pair, (False, True), 1), (alone, (True,), 3)]
    forward, backward = seen(*answers), seen(*reversed(answers))
    assert forward == backward
    assert forward.types() == backward.types()


def test_soft_constraints_are_counted_for_nothing_but_as_company() -> None:
    soft = Constraint("tone:formal", "soft", "", {})
    made = seen(((soft,), (None,), 5), ((soft, asked(COMMA)), (None, True), 5))
    assert made.types() == [COMMA]
    assert made.of_number(1) == 0.5
    assert made.beside(COMMA, "tone:formal") > made.of_type(COMMA)


REQUEST = [SeedRequest(f"i-{n}", f"Describe lighthouse number {n}.") for n in range(40)]
CONFIG = InstructionsConfig(
    writer="evolving",
    types=(TITLE, COMMA, WORDS, POSTSCRIPT, "detectable_format:number_bullet_lists"),
    hard_share=1.0,
    min_constraints=1,
    max_constraints=3,
    max_words=50,
)


def drawn(made: Seen) -> list[list[Constraint]]:
    taste = Learnable(made, BAND)
    return [write(request, CONFIG, taste, random.Random(request.seed_id)) for request in REQUEST]


def test_types_that_always_or_never_pass_are_drawn_seldom_and_still_drawn() -> None:
    made = seen(((asked(TITLE),), (False,), 30), ((asked(COMMA),), (True,), 30), ((asked(POSTSCRIPT),), (True,), 15))
    made.add([asked(POSTSCRIPT)], [False])
    even, chosen = drawn(Seen()), drawn(made)
    assert {TITLE, COMMA, WORDS} <= {item.type for items in chosen for item in items}
    before, after = (Counter(items[0].type for items in of_all) for of_all in (even, chosen))
    assert after[TITLE] + after[COMMA] < (before[TITLE] + before[COMMA]) / 2
    assert after[WORDS] > before[WORDS]
    assert chosen == drawn(made)


@pytest.mark.parametrize(("passing", "more"), [("short", "long"), ("long", "short")])
def test_arguments_move_to_where_some_pass(passing: str, more: str) -> None:
    """Of one end of the range all pass, of the middle some: the end is left."""
    made = Seen()
    for number in range(1, 51):
        far = number < 16 if passing == "short" else number >= 16
        args = asked(WORDS, relation="at least", num_words=number)
        for verdict in (True, True) if far else (True, False):
            made.add([args], [verdict])

    def share(items: list[list[Constraint]]) -> float:
        numbers = [item.args["num_words"] for of_seed in items for item in of_seed if item.type == WORDS]
        return sum((n >= 16) == (more == "long") for n in numbers) / len(numbers)

    assert share(drawn(made)) > share(drawn(Seen()))


def test_a_model_that_meets_many_constraints_gets_more_of_them() -> None:
    one, three = (asked(COMMA),), (asked(COMMA), asked(TITLE), asked(POSTSCRIPT))
    able = seen((one, (True,), 20), (three, (True, True, True), 10), (three, (True, True, False), 10))
    weak = seen((one, (True,), 10), (one, (False,), 10), (three, (False, False, False), 20))
    assert sum(map(len, drawn(able))) > sum(map(len, drawn(weak)))
