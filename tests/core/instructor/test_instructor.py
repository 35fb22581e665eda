"""The instructor's stages on a random model, whose replies are noise: it trains, and its failure is in the figures."""

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LadderConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.instructions.stage import first_instructions, make_instructions, make_prompts
from ifrl_core.instructions.writers.record import Dropped, RejectedSeed, SeedRequest, Written
from ifrl_core.instructor.stage import instructor_plan, train_instructor
from ifrl_core.instructor.write import within_quota, write_instructions, writing_plan
from ifrl_core.records import Constraint
from tests.core.evolving.test_stage import TYPES, answered, few_seeds
from tests.core.policy.test_training import own_store

RECIPE = {
    "instructions": {
        "writer": "instructor",
        "types": TYPES,
        "hard_share": 1,
        "min_constraints": 1,
        "max_constraints": 2,
        "max_words": 30,
        "instructor": {"steps": 1},
        "model_writer": {"max_tokens": 16, "references": 1, "attempts": 1, "dtype": "float32"},
    },
    "policy": {"prompts_per_step": 1, "generations": 2, "micro_batch": 2, "curriculum": {"levels": [[1], [2]]}},
}


@pytest.mark.usefixtures("forked")
@pytest.mark.model
@pytest.mark.timeout(300)
def test_a_twin_that_writes_noise_is_replaced_and_said_to_have_failed(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: ArtifactRef, model_store: ArtifactStore
) -> None:
    folder = tmp_path_factory.mktemp("instructor")
    store = own_store(folder, tiny_model, model_store)
    config = build_config(RECIPE)
    seeds = few_seeds(store, folder, 6)
    given = make_instructions(first_instructions(config), {"seeds": seeds}, store)
    prompts = make_prompts(LadderConfig(), {"instructions": given}, store)
    rollouts = answered(store, prompts, "An answer, with commas.")
    inputs = {"model": tiny_model, "instructions": given, "prompts": prompts, "rollouts": rollouts}
    training, writing = instructor_plan(config), writing_plan(config)
    assert training is not None
    assert writing is not None
    instructor = train_instructor(training, inputs, store)
    figures = store.manifest(instructor).figures
    assert figures["steps"] == 1
    assert figures["writing"]["parsed"] == [0.0, 0.0]
    assert figures["reward_last"] == 0.0
    made = write_instructions(writing, inputs | {"instructor": instructor}, store)
    found = store.manifest(made).figures["writing"]
    train = store.manifest(made).figures["train"]
    assert (found["asked"], found["replaced"], found["parsed"]) == (train, train, 0.0)
    assert all(row["constraints"] for row in store.rows(made))


def test_what_the_instructor_did_not_write_itself_is_not_counted_as_its_own() -> None:
    comma, free = Constraint("punctuation:no_comma", "hard", "Use no commas."), "soft:free"
    speak, tells = (Constraint(free, "soft", text) for text in ("Speak of ships.", "The sea is deep and cold."))
    requests = [SeedRequest(f"i-{n}", "Describe a lighthouse.") for n in range(4)]
    outcomes = [
        Written("i-0", (comma, tells), "instructor"),
        Written("i-1", (comma, speak), "instructor", topped_up=1, dropped=(Dropped("x", "conflict"),)),
        RejectedSeed("i-2", "nothing", "raw", 1),
        Written("i-3", (speak,), "instructor"),
    ]
    readings = within_quota(requests, outcomes, quota=0.25)
    assert [reading.constraints for reading in readings] == [(comma,), (), (), (speak,)], "one a template of four seeds"
    assert [(reading.proposals, reading.directives) for reading in readings] == [(2, 1), (1, 1), (0, 0), (1, 1)]
