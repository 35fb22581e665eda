"""Likelihood contrasts of stored ladders."""

import pytest

from benchmarks.likelihood_contrast import likelihood_contrasts
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.core.ladders import ladders


@pytest.mark.model
def test_every_answer_to_the_instructions_in_question_is_held_against_all_constraints_of_its_ladder(
    model_store: ArtifactStore, small_model: ArtifactRef
) -> None:
    made = ladders(model_store, {"i-1": ["Hi.", "HI.", "", "Hello."], "i-2": ["Hi.", "A.", "b", "hi"]})
    contrasts = likelihood_contrasts(made | {"model": small_model}, model_store, {"i-1"})
    assert set(contrasts) == {f"i-1-L{rung}-0-c{level}" for rung in range(4) for level in (1, 2, 3)}
    assert [name for name, contrast in contrasts.items() if contrast is None] == [f"i-1-L2-0-c{n}" for n in (1, 2, 3)]
