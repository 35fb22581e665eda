"""From a draft to a text."""

import doctest

from ifrl_core.constraints import witness
from ifrl_core.constraints.witness.compose import compose
from ifrl_core.constraints.witness.draft import Draft


def test_the_worked_example_of_the_package_holds() -> None:
    results = doctest.testmod(witness)
    assert results.attempted > 0
    assert results.failed == 0


def test_texts_are_composed_until_one_passes() -> None:
    refused: list[str] = []

    def passes(text: str) -> bool:
        refused.append(text)
        return len(refused) == 4

    assert compose(Draft(phrases=["chess"]), passes) == refused[-1]
    assert len(set(refused)) > 1
    assert compose(Draft(), lambda text: False) is None


def test_nothing_is_composed_for_demands_that_contradict_each_other() -> None:
    draft = Draft(phrases=["chess"], banned_words={"chess"})
    assert compose(draft, lambda text: True) is None
