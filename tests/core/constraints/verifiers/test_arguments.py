"""Wrong arguments are refused at construction, with type, argument and what is allowed."""

import pytest

from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.verdict import validated, verdicts, verify
from ifrl_core.constraints.verifiers.view import View
from ifrl_core.errors import ConstraintError
from ifrl_core.records import Constraint


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"num_words": 5}, "'relation' is missing; expected one of 'less than', 'at least'"),
        ({"num_words": "5", "relation": "at least"}, "'num_words' is '5'; expected a whole number of words"),
        ({"num_words": True, "relation": "at least"}, "'num_words' is True"),
        ({"num_words": 2.5, "relation": "at least"}, "'num_words' is 2.5"),
        ({"num_words": float("nan"), "relation": "at least"}, "'num_words' is nan"),
        ({"num_words": 5, "relation": "exactly"}, "'relation' is 'exactly'"),
        (
            {"num_words": 5, "relation": "at least", "n": 1},
            "unknown argument 'n'; its arguments are: num_words, relation",
        ),
    ],
)
def test_the_error_names_type_argument_and_allowed_values(args: dict[str, object], named: str) -> None:
    type_ = CATALOG["length_constraints:number_words"]
    with pytest.raises(ConstraintError) as caught:
        type_.constraint(args)
    assert str(caught.value).startswith("length_constraints:number_words: ")
    assert named in str(caught.value)


def test_nulls_are_absent_and_whole_floats_are_whole() -> None:
    args = {"num_words": 5.0, "relation": "at least", "keywords": None}
    assert validated("length_constraints:number_words", args) == {"num_words": 5, "relation": "at least"}


def test_an_unknown_type_is_answered_with_those_like_it() -> None:
    with pytest.raises(ConstraintError, match="length_constraints:number_words"):
        verify("length_constraint:number_words", {}, View("a"))


def test_a_soft_constraint_has_no_verdict() -> None:
    soft = Constraint("tone:tone", "soft", "Be warm.", {"tone": "warm"})
    hard = Constraint("punctuation:no_comma", "hard", "No commas.")
    assert verdicts([soft, hard], "Hello, you.") == [None, False]


def test_a_keyword_is_text_and_not_a_regular_expression() -> None:
    assert verify("keywords:existence", {"keywords": ["C++ (new)"]}, View("I like c++ (NEW)."))
    assert not verify("keywords:existence", {"keywords": ["a.c"]}, View("abc"))
