"""The instructor's stages on a random model, whose replies are noise: it trains, and its failure is in the figures."""

import random
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LadderConfig, PipelineConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.evolving.seen import Seen
from ifrl_core.evolving.taste import Learnable
from ifrl_core.instructions.stage import first_instructions, make_instructions, make_prompts
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.instructor import write
from ifrl_core.instructor.stage import instructor_plan, train_instructor
from ifrl_core.instructor.write import filled, within_quota, write_instructions, writing_plan
from ifrl_core.records import Constraint
from ifrl_core.rewards.writing import Reading
from tests.core.evolving.test_stage import TYPES, answered, few_seeds
from tests.core.forked import killed_at
from tests.core.policy.test_training import assert_same_policy, own_store

RECIPE: dict[str, Any] = {
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


Made = dict[str, ArtifactRef]


def given(store: ArtifactStore, folder: Path, model: ArtifactRef, config: PipelineConfig) -> Made:
    """What the instructor's stages take of a round."""
    written = make_instructions(first_instructions(config), {"seeds": few_seeds(store, folder, 6)}, store)
    prompts = make_prompts(LadderConfig(), {"instructions": written}, store)
    rollouts = answered(store, prompts, "An answer, with commas.")
    return {"model": model, "instructions": written, "prompts": prompts, "rollouts": rollouts}


@pytest.mark.usefixtures("forked")
@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_a_twin_that_writes_noise_is_replaced_and_said_to_have_failed(
    tmp_path: Path, tiny_model: ArtifactRef, model_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a kill between the writing and its manifest costs no reply."""
    store = own_store(tmp_path, tiny_model, model_store)
    config = build_config(RECIPE)
    inputs = given(store, tmp_path, tiny_model, config)
    training, writing = instructor_plan(config), writing_plan(config)
    assert training is not None
    assert writing is not None
    instructor = train_instructor(training, inputs, store)
    figures = store.manifest(instructor).figures
    assert figures["steps"] == 1
    assert figures["writing"]["parsed"] == [0.0, 0.0]
    assert figures["reward_last"] == 0.0

    def killed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "put_evolved", killed)
        with pytest.raises(KeyboardInterrupt):
            write_instructions(writing, inputs | {"instructor": instructor}, store)
    monkeypatch.setattr(write, "open_engine", lambda *_, **__: None)
    made = write_instructions(writing, inputs | {"instructor": instructor}, store)
    found = store.manifest(made).figures["writing"]
    train = store.manifest(made).figures["train"]
    assert (found["asked"], found["replaced"], found["parsed"]) == (train, train, 0.0)
    rows = list(store.rows(made))
    assert all(row["constraints"] for row in rows)
    assert {row["writer"] for row in rows if row["split"] == "train"} == {"evolving"}, "none of it is the instructor's"


@pytest.mark.soak
@pytest.mark.usefixtures("forked")
@pytest.mark.timeout(1_200)
def test_a_killed_training_of_the_twin_goes_on_and_ends_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path, tiny_model: ArtifactRef, model_store: ArtifactStore
) -> None:
    config = build_config(
        {
            "instructions": {**RECIPE["instructions"], "instructor": {"steps": 2}},
            "policy": {**RECIPE["policy"], "save_steps": 1},
        }
    )
    training = instructor_plan(config)
    assert training is not None
    whole, broken = (own_store(tmp_path / name, tiny_model, model_store) for name in ("whole", "broken"))
    undisturbed = train_instructor(training, given(whole, tmp_path, tiny_model, config), whole)
    inputs = given(broken, tmp_path, tiny_model, config)
    scratch = broken.scratch("instructor", train_instructor.fingerprint(training, inputs, seed=0))
    with killed_at(scratch / "checkpoints" / "checkpoint-1" / "trainer_state.json"):
        train_instructor(training, inputs, broken)
    assert broken.find("instructor", scratch.name) is None
    assert_same_policy(whole, undisturbed, broken, train_instructor(training, inputs, broken))


COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
SPEAK = Constraint("soft:free", "soft", "Speak of ships.")


def test_more_of_a_template_than_its_quota_is_left_out() -> None:
    of_replies = [(COMMA, SPEAK), (COMMA,), (), (SPEAK,)]
    readings = [Reading(len(items), len(items), items) for items in of_replies]
    assert within_quota(readings, 0.25) == [(COMMA, SPEAK), (), (), ()], "one a template of four seeds"
    assert within_quota(readings, 1.0) == of_replies


def test_what_is_too_little_of_its_own_is_filled_up_so_that_every_level_has_a_prompt() -> None:
    config = build_config(RECIPE).instructions.model_copy(update={"min_constraints": 2})
    request, taste = SeedRequest("i-0", "Describe a lighthouse."), Learnable(Seen(), config.evolving)
    whole = (COMMA, SPEAK)
    some, none, all_ = (filled(request, own, config, taste, random.Random(0)) for own in ((SPEAK,), (), whole))
    assert some.constraints[0] == SPEAK
    assert len(some.constraints) == 2
    assert (some.topped_up, some.writer) == (len(some.constraints) - 1, "instructor")
    assert (none.topped_up, none.writer) == (len(none.constraints), "evolving")
    assert (all_.constraints, all_.topped_up) == (whole, 0)
