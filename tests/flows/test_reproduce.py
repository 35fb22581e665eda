"""`ifrl reproduce` as a user calls it: a run up to its labels once more, and in the soak a whole one, trainings included."""

import json
from pathlib import Path

import pytest

from flows.cli.reproduce import _config_of
from ifrl_core.errors import InputError
from tests.flows.conftest import NewWorkplace
from tests.flows.forked import call_forked
from tests.flows.workplace import Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]


def _dataset(recipe: str, seeds: str) -> None:
    from ifrl_core.settings import configure_environment

    configure_environment()
    from flows.pipeline import dataset

    own = [f"seeds.files=[{seeds}]", "seeds.builtin=false", "seeds.held_out_share=0.5", "policy.general.ratio=0"]
    dataset(recipe=recipe, overrides=own)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeds") / "mine.jsonl"
    path.write_text("".join(json.dumps({"seed": f"Describe the {number}th day."}) + "\n" for number in range(16)))
    return path


@pytest.fixture(scope="module")
def place(workplace: NewWorkplace, tiny: str, seeds: Path) -> Workplace:
    made = workplace("reproduce")
    done = call_forked(_dataset, [tiny, str(seeds)], made.env, timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_a_run_again_makes_the_same(place: Workplace) -> None:
    done = place.run("reproduce")
    assert done.returncode == 0, done.stdout + done.stderr
    made = ("seeds", "model", "instructions", "prompts", "rollouts", "labels")
    outcomes = {
        line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if line.split()[:1] and line[0] != " "
    }
    assert {stage: outcomes[stage] for stage in made} == dict.fromkeys(made, "agrees")
    assert "both were made by the same code, libraries and machine type" in done.stdout
    assert len(place.records()) == 1, "the run again is in a folder of its own"


def test_a_run_that_is_not_there_is_named(place: Workplace) -> None:
    done = place.run("reproduce", "nothing")
    assert done.returncode == 1
    assert "no run 'nothing'" in done.stderr


@pytest.mark.soak
def test_a_whole_run_again_trains_the_same_weights(whole_run: Workplace) -> None:
    done = whole_run.run("reproduce", whole_run.records()[0]["run"], "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert {stage["outcome"] for name, stage in stages.items() if name != "report"} == {"agrees"}
    assert stages["report"]["outcome"] == "not compared"
    assert stages["policy"]["first"] != stages["policy"]["second"], "its table holds times, which are no difference"


def test_a_retraining_is_refused_and_a_registered_model_is_asked_for_where_it_is() -> None:
    record = {"run": "r", "flow": "retrain", "config": {}}
    with pytest.raises(InputError, match="run r is a retraining: it began with the champion of its day"):
        _config_of(record)
    placed = {"model": "models:/mine@champion", "execution": {"runner": "processes", "workers": 2, "pool": "gpu"}}
    config = _config_of({**record, "flow": "pipeline", "config": placed})
    assert (config.execution.pool, config.execution.workers) == ("", 2)
    assert config.registry.policy_name == "ifrl-policy-again", (
        "the registry that has the model gets no challenger of its own"
    )
    assert _config_of({**record, "flow": "pipeline"}).registry.policy_name == "ifrl-policy"
