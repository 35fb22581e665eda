"""`ifrl reproduce` as a user calls it: a run up to its labels once more, and in the soak a whole one, trainings included."""

import json
from collections.abc import Iterator

import pytest

from flows.cli.reproduce import _config_of
from ifrl_core.errors import InputError
from tests.flows.workplace import Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]

MADE = ("seeds", "model", "instructions", "prompts", "rollouts", "labels", "general-problems")


@pytest.fixture
def part(whole_run: Workplace) -> Iterator[str]:
    """The name of a run that went as far as the labels of the whole one."""
    record = {**whole_run.records()[0], "run": "00000000-part", "flow": "dataset"}
    path = whole_run.home / "store" / "runs" / f"{record['run']}.json"
    path.write_text(json.dumps({**record, "refs": {label: record["refs"][label] for label in MADE}}))
    yield record["run"]
    path.unlink()


def test_a_run_again_makes_the_same(whole_run: Workplace, part: str) -> None:
    runs = len(whole_run.records())
    done = whole_run.run("reproduce", part)
    assert done.returncode == 0, done.stdout + done.stderr
    words = [line.split() for line in done.stdout.splitlines() if line and line[0] != " "]
    assert {line[0]: line[-1] for line in words if line[0] in MADE} == dict.fromkeys(MADE, "agrees")
    assert "both were made by the same code, libraries and machine type" in done.stdout
    assert len(whole_run.records()) == runs, "the run again is in a folder of its own"


def test_a_run_that_is_not_there_is_named(whole_run: Workplace) -> None:
    done = whole_run.run("reproduce", "nothing")
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
