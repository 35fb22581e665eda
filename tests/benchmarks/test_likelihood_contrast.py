"""Likelihood contrasts of stored ladders."""

import pytest

from benchmarks.likelihood_contrast import asked_of, likelihood_contrasts
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.labels.contrasts import ladders as read_ladders
from ifrl_core.records import Constraint
from tests.core.ladders import FRIENDLY, LOWERCASE, NO_COMMA, ladders


@pytest.mark.model
def test_every_answer_to_the_instructions_in_question_is_held_against_all_constraints_of_its_ladder(
    model_store: ArtifactStore, small_model: ArtifactRef
) -> None:
    made = ladders(model_store, {"i-1": ["Hi.", "HI.", "", "Hello."], "i-2": ["Hi.", "A.", "b", "hi"]})
    contrasts = likelihood_contrasts(made | {"model": small_model}, model_store, {"i-1"})
    assert set(contrasts) == {f"i-1-L{rung}-0-c{level}" for rung in range(4) for level in (1, 2, 3)}
    assert [name for name, contrast in contrasts.items() if contrast is None] == [f"i-1-L2-0-c{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("among", "without", "including"),
    [(False, [], [FRIENDLY]), (True, [NO_COMMA, LOWERCASE], [NO_COMMA, FRIENDLY, LOWERCASE])],
)
def test_a_constraint_is_asked_for_alone_or_among_the_others(
    store: ArtifactStore, among: bool, without: list[Constraint], including: list[Constraint]
) -> None:
    made = ladders(store, {"i": ["a", "b", "c", "d"]})
    [ladder] = read_ladders(made["prompts"], made["rollouts"], store)
    asked = dict(asked_of(ladder, "sentences", among))["i-L0-0-c2"]
    assert asked.answer == "a"
    for [message], constraints in ((asked.without, without), (asked.including, including)):
        assert message["content"].split("\n\n")[0] == "Say hello."
        assert message["content"].partition("\n\n")[2] == " ".join(constraint.text for constraint in constraints)
