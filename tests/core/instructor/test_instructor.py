"""The instructor's stages on a random model, whose replies are noise: it trains, and its failure is in the figures."""

import random

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LadderConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.evolving.seen import Seen
from ifrl_core.evolving.taste import Learnable
from ifrl_core.instructions.stage import first_instructions, make_instructions, make_prompts
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.instructor.stage import instructor_plan, train_instructor
from ifrl_core.instructor.write import filled, within_quota, write_instructions, writing_plan
from ifrl_core.records import Constraint
from ifrl_core.rewards.writing import Reading
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
    rows = list(store.rows(made))
    assert all(row["constraints"] for row in rows)
    assert {row["writer"] for row in rows if row["split"] == "train"} == {"evolving"}, "none of it is the instructor's"


COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
SPEAK = Constraint("soft:free", "soft", "Speak of ships.")


def test_more_of_a_template_than_its_quota_is_left_out() -> None:
    of_replies = [(COMMA, SPEAK), (COMMA,), (), (SPEAK,)]
    readings = [Reading(len(items), len(items), items) for items in of_replies]
    assert within_quota(readings, 0.25) == [(COMMA, SPEAK), (), (), ()], "one a template of four seeds"
    assert within_quota(readings, 1.0) == of_replies


def test_what_is_too_little_of_its_own_is_filled_up_so_that_every_level_has_a_prompt() -> None:
    config = build_config(
        {"instructions": {"writer": "instructor", "min_constraints": 3, "hard_share": 1}}
    ).instructions
    request, taste = SeedRequest("i-0", "Describe a lighthouse."), Learnable(Seen(), config.evolving)
    whole = (COMMA, SPEAK, Constraint("soft:free", "soft", "Mention the smell of oil."))
    some, none, all_ = (filled(request, own, config, taste, random.Random(0)) for own in ((SPEAK,), (), whole))
    assert some.constraints[0] == SPEAK
    assert 3 <= len(some.constraints) <= 5
    assert (some.topped_up, some.writer) == (len(some.constraints) - 1, "instructor")
    assert (none.topped_up, none.writer) == (len(none.constraints), "evolving")
    assert (all_.constraints, all_.topped_up) == (whole, 0)
