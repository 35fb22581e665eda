"""Which stages a recipe goes through, in which order, and what each is made of: the wiring without anything computed."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows import wiring
from flows.execution.run import Refs, Run
from flows.score import score
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import InputError
from ifrl_core.labels.rounds import label_of
from ifrl_core.stages import registry
from ifrl_core.stages.stage import Stage, part_of
from tasks import registry as registry_task
from tests.core.report.small_run import small_run


class Recorder:
    """Goes through stages like a Run; an artifact is named after the label that it was made under."""

    def __init__(self, *overrides: str, rates: dict[str, float] | None = None) -> None:
        self.config = load_recipe("demo-cpu", overrides)
        self.plan = registry.look(self.config)
        self.store = SimpleNamespace(manifest=lambda ref: SimpleNamespace(figures=agreement((rates or {})[ref.uri])))
        self.refs: Refs = {}
        self.made_of: dict[str, dict[str, str]] = {}

    def stage(self, stage: Stage, refs: Refs, *, number: int = 1, part: str = "") -> Refs:
        planned = part_of(stage.label, part)
        if stage.optional and planned not in self.plan:
            return {}
        assert type(self.plan[planned]) is stage.config_type
        label = label_of(planned, number)
        inputs = stage.inputs_of(self.config, refs)
        self.made_of[label] = {name: ref.uri for name, ref in inputs.items() if ref.uri != name.replace("_", "-")}
        self.refs[label] = ArtifactRef(uri=label, stage=stage.name, fingerprint="0" * 64, digest="", rows=0)
        return {part_of(stage.output, part): self.refs[label]}

    def pipeline(self) -> dict[str, dict[str, str]]:
        """Of each label in order the inputs that are not called like the label of their artifact."""
        run = cast(Run, self)
        refs = wiring.evaluate(run, wiring.train(run, wiring.dataset(run)))
        wiring.report(run, refs)
        return self.made_of


def agreement(rate: float) -> dict[str, Any]:
    return {"audit": {"overall": {"positives": {"rate": rate}, "negatives": {"rate": rate}}}}


SIDES = {"before": "evaluation-before", "after": "evaluation-after"}
AS_NAMED = [
    "seeds",
    "model",
    "instructions",
    "prompts",
    "rollouts",
    "labels",
    "reward-model",
    "policy",
    "evaluation-before",
]
PLAIN: dict[str, dict[str, str]] = {
    **{label: {} for label in AS_NAMED},
    "evaluation-after": {"model": "policy"},
    "comparison": SIDES,
    "soft-audit": SIDES,
    "report": SIDES,
}


def test_a_plain_recipe_goes_through_the_method_in_its_order() -> None:
    made_of = Recorder().pipeline()
    assert made_of == PLAIN
    assert list(made_of) == list(PLAIN)


def test_versions_carry_what_instruments_say_of_soft_constraints(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, dict[str, float]] = {}

    def register_model(ref: ArtifactRef, *, name: str, metrics: dict[str, float], **_: Any) -> None:
        told[name] = metrics

    monkeypatch.setattr(registry_task, "register_model", register_model)
    refs = small_run(store)
    run = SimpleNamespace(config=load_recipe("demo-cpu", []), store=store, tracker=SimpleNamespace(run=None))
    wiring.register(cast(Run, run), refs)
    gain = store.manifest(refs["soft_audit"]).figures["gain"]["instruments"]["overall"]
    assert told["ifrl-policy"]["satisfaction/soft_by_instruments/change"] == gain["mean"]
    assert "soft/auc_by_instruments" in told["ifrl-reward-model"]


def test_the_policy_of_a_round_makes_the_rollouts_of_the_next_and_starts_its_training() -> None:
    made_of = Recorder("rounds=2", rates={"labels": 0.6, "labels-2": 0.7}).pipeline()
    assert made_of["rollouts-2"] == {"model": "policy"}
    assert made_of["labels-2"] == {"rollouts": "rollouts-2"}
    assert made_of["reward-model-2"] == {"labels": "labels-2"}
    assert made_of["policy-2"] == {"model": "policy", "reward_model": "reward-model-2"}
    assert made_of["evaluation-after"] == {"model": "policy-2", "reward_model": "reward-model-2"}
    assert {"labels_1": "labels", "labels": "labels-2"}.items() <= made_of["report"].items()


def test_a_round_that_made_labels_worse_ends_the_loop_with_the_policy_before_it() -> None:
    made_of = Recorder("rounds=3", rates={"labels": 0.6, "labels-2": 0.5}).pipeline()
    assert "labels-2" in made_of
    assert not {"policy-2", "rollouts-3"} & set(made_of)
    assert made_of["evaluation-after"] == {"model": "policy"}


def test_what_rollouts_showed_decides_what_the_policy_of_their_round_is_trained_on() -> None:
    made_of = Recorder("rounds=2", "instructions.writer=evolving", rates={"labels": 0.6, "labels-2": 0.7}).pipeline()
    assert (made_of["evolved-instructions"], made_of["evolved-instructions-2"]) == ({}, {"rollouts": "rollouts-2"})
    assert made_of["evolved-prompts-2"] == {"instructions": "evolved-instructions-2"}
    assert made_of["policy"] == {"prompts": "evolved-prompts"}
    trained = {"prompts": "evolved-prompts-2", "model": "policy", "reward_model": "reward-model-2"}
    assert made_of["policy-2"] == trained
    assert "prompts" not in made_of["evaluation-after"], "every round is measured on the same instructions"


def test_own_histories_are_of_the_model_that_goes_on_with_them_and_measured_with_each_models_own() -> None:
    rates = {"labels": 0.6, "labels-2": 0.7}
    made_of = Recorder("rollouts.own_history=true", "rounds=2", rates=rates).pipeline()
    first, second = {"prompts": "histories"}, {"prompts": "histories-2"}
    assert (made_of["histories"], made_of["histories-2"]) == ({}, {"model": "policy"})
    assert (made_of["rollouts"], made_of["labels"], made_of["policy"]) == (first, first, first)
    assert made_of["rollouts-2"] == {"model": "policy"} | second
    assert second.items() <= made_of["policy-2"].items()
    assert made_of["histories-after"] == {"model": "policy-2"}
    assert made_of["evaluation-before"]["prompts"] == "histories"
    assert made_of["evaluation-after"]["prompts"] == "histories-after"


def test_a_warm_start_is_made_once_and_measured_beside_the_policy() -> None:
    made_of = Recorder("rounds=2", "policy.warm_start={rows: 9}", rates={"labels": 0.6, "labels-2": 0.7}).pipeline()
    assert made_of["warm-start"] == {}
    assert made_of["policy"] == {"model": "warm-start"}
    assert "warm-start-2" not in made_of
    assert made_of["policy-2"]["model"] == "policy"
    assert made_of["evaluation-warm-start"]["model"] == "warm-start"
    assert made_of["comparison-warm-start"] == {"before": "evaluation-before", "after": "evaluation-warm-start"}


@pytest.mark.parametrize("decays", [False, True])
def test_the_instructor_learns_in_turns_with_the_policy_until_it_writes_worse(decays: bool) -> None:
    recorder = Recorder("rounds=2", "instructions.writer=instructor", rates={"labels": 0.6, "labels-2": 0.7})
    of_labels = recorder.store.manifest
    shares = {"instructor-instructions": 0.8, "instructor-instructions-2": 0.2 if decays else 0.8}

    def manifest(ref: ArtifactRef) -> SimpleNamespace:
        if ref.uri not in shares:
            return cast(SimpleNamespace, of_labels(ref))
        return SimpleNamespace(
            figures={"writing": {"kept": 1.0, "directive": shares[ref.uri], "distinct": 0.5, "top": 0.1}}
        )

    recorder.store.manifest = manifest
    made_of = recorder.pipeline()
    assert made_of["instructor"] == {}
    assert made_of["instructor-2"] == {"model": "instructor", "rollouts": "rollouts-2"}
    last = "evolved-prompts" if decays else "evolved-prompts-2"
    assert made_of["policy-2"] == {"prompts": last, "model": "policy", "reward_model": "reward-model-2"}


def test_what_a_recipe_adds_is_made_before_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "ifeval.jsonl").write_text("{}\n")
    made_of = Recorder(
        "instructions.sampling=corridor",
        "policy.general.ratio=0.25",
        "evaluation.general_prompts=5",
        f"evaluation.ifeval_path={tmp_path / 'ifeval.jsonl'}",
    ).pipeline()
    order = list(made_of)
    for first, then in (
        ("pass-rates", "instructions"),
        ("general-problems", "policy"),
        ("benchmark.ifeval", "answers-before.ifeval"),
        ("answers-after.ifeval", "judgements-after.ifeval"),
        ("general-rows.general", "judgements-after.general"),
        ("judgements-after.general", "comparison"),
    ):
        assert order.index(first) < order.index(then)
    problems = {"general": "general-problems"}
    assert made_of["policy"] == problems
    assert made_of["evaluation-before"] == {}
    assert made_of["answers-after.ifeval"] == {"benchmark": "benchmark.ifeval", "model": "policy"}
    assert made_of["judgements-after.general"] == {
        "benchmark": "general-rows.general",
        "answers": "answers-after.general",
    }
    rows = {"benchmark.general": "general-rows.general"}
    assert made_of["comparison"] == SIDES | rows
    assert made_of["report"] == problems | SIDES | rows


@pytest.mark.parametrize(
    ("writer", "model"),
    [
        (["instructions.writer=self"], {}),
        (
            ["instructions.writer=llm", "instructions.model_writer.model=embedded:smollm2-135m"],
            {"model": "writer-model"},
        ),
    ],
)
def test_constraints_are_written_by_the_model_of_the_recipe(writer: list[str], model: dict[str, str]) -> None:
    assert Recorder(*writer).pipeline()["instructions"] == model


def test_a_file_that_scores_cannot_be_written_to_is_refused_before_the_model_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"out\.txt: unknown kind of file"):
        score.fn(file=str(tmp_path / "in.jsonl"), output="out.txt", reward_model="nowhere")


def test_threads_sleep_while_they_wait_in_a_process_that_a_worker_starts() -> None:
    told = "import flows, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    bare = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", told], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PASSIVE", "False"]
