"""The curve of a training, and the step that is kept by it."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import MEASURED_AT_MOST, BenchmarkConfig, LoraConfig, PolicyConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.errors import InputError, TrainingError
from ifrl_core.evaluation.suite.benchmark import Benchmark, Item, Metric, Terms, by_rules
from ifrl_core.evaluation.suite.rows import benchmark_source
from ifrl_core.identity.fields import identity_of
from ifrl_core.models.folder import model_folder
from ifrl_core.policy.benchmark_sets import BenchmarkSet, Measured, measured_benchmarks
from ifrl_core.policy.curve import asked_rows, best_point, curve_figures, hard_point, validation_instructions
from ifrl_core.policy.job import Job
from ifrl_core.policy.stage import PolicyPlan, policy_plan, train_policy
from ifrl_core.records import Message, Row
from ifrl_core.stages.progress import no_progress
from ifrl_core.statistics.by_hash import share_by_hash
from ifrl_core.text.reasoning import THINK
from ifrl_core.training.checkpoints import best_step, last_checkpoint, step_of
from ifrl_core.training.clock import StepClock
from tests.core.forked import forked_trainings, killed_in
from tests.core.policy.test_training import CONFIG, HARD, make_inputs, own_store, weights

ROWS = [
    {"key": key, "prompt": f"Name {key} animals.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    for key in range(2, 6)
]


def benchmark_file(folder: Path) -> str:
    path = folder / "input_data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def planned(**changes: Any) -> PolicyPlan:
    return PolicyPlan.model_validate({**CONFIG.model_dump(), **changes})


# The random model's answers get better and worse again: the second and third of these four steps are the best.
BEST = planned(
    max_steps=4, evaluate_every=1, keep="best", learning_rate=1e-2, save_steps=100, validation_share=0.5, beta=0
)


def curve_of(store: ArtifactStore, ref: ArtifactRef) -> list[Row]:
    rows: list[Row] = store.read_table(ref, "curve.parquet").to_pylist()
    return rows


def checkpoints_of(scratch: Path) -> set[int]:
    return {int(path.name.removeprefix("checkpoint-")) for path in (scratch / "checkpoints").glob("checkpoint-*")}


def best_checkpoint(scratch: Path) -> Path:
    newest = last_checkpoint(scratch / "checkpoints")
    assert newest is not None
    return newest.with_name(f"checkpoint-{best_step(newest)}")


@pytest.mark.model
def test_the_best_step_is_kept_whatever_the_kills_and_one_in_a_measurement_costs_its_step(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    kept_best_whatever_the_kills(tiny_model, model_store, tmp_path, BEST, [("measure", 5), ("trained_model", 1)])


def kept_best_whatever_the_kills(
    model: ArtifactRef, models: ArtifactStore, folder: Path, config: PolicyPlan, kills: list[tuple[str, int]]
) -> None:
    undisturbed, killed = (own_store(folder / name, model, models) for name in ("whole", "killed"))
    with forked_trainings():
        whole = train_policy(config, make_inputs(undisturbed, model, types=HARD, train=12), undisturbed)
        inputs = make_inputs(killed, model, types=HARD, train=12)
        scratch = killed.scratch("policy", train_policy.fingerprint(config, inputs, seed=0))
        for function, call in kills:
            with killed_in(function, call):
                train_policy(config, inputs, killed)
            assert len(checkpoints_of(scratch)) <= 2, "the best and the newest"
        best = best_checkpoint(scratch)
        saved = load_file(best / "model.safetensors") if config.lora is None else None
        resumed = train_policy(config, inputs, killed)
    points, figures = curve_of(killed, resumed), killed.manifest(resumed).figures
    assert points == curve_of(undisturbed, whole)
    assert [row["step"] for row in points] == list(range(config.max_steps + 1))
    assert figures["kept"]["step"] == step_of(best) < config.max_steps, points
    assert figures["steps"] == config.max_steps
    assert weights(killed, resumed) == weights(undisturbed, whole)
    if saved is not None:
        exported = load_file(model_folder(resumed, killed) / "model.safetensors")
        assert all(torch.equal(exported[name], saved[name].bfloat16()) for name in exported)
    aside = validation_instructions(ids_of(killed, inputs["prompts"], "train"), config.validation_share, 0)
    assert len(aside) >= points[0]["clusters"] > 0
    asked = {row["prompt_id"] for row in killed.read_table(resumed, "samples.parquet").to_pylist()}
    left_out = {row["prompt_id"] for row in killed.rows(inputs["prompts"]) if row["instruction_id"] in aside}
    assert asked
    assert not asked & left_out, "nothing is trained on what the step is chosen by"


def ids_of(store: ArtifactStore, prompts: ArtifactRef, split: str) -> set[str]:
    return {row["instruction_id"] for row in store.rows(prompts) if row["split"] == split}


@pytest.mark.model  # it loads torch
def test_a_best_checkpoint_that_is_gone_is_named_and_one_whose_folder_has_moved_is_found(tmp_path: Path) -> None:
    from transformers import TrainerControl, TrainerState

    from ifrl_core.policy.measuring import Measuring

    job = Job(config=BEST, model=tmp_path, reward_model=None, seed=0, folder=tmp_path)
    measuring = Measuring(job, [], lambda trainer, prompts: [], gather=list, taken=[], clock=StepClock())
    state = TrainerState(global_step=4, best_global_step=2)
    arguments: Any = None
    with pytest.raises(TrainingError, match=r"checkpoint-2, the best so far .* is gone from .*: remove that folder"):
        measuring.on_train_begin(arguments, state, TrainerControl())
    (tmp_path / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    measuring.on_train_begin(arguments, state, TrainerControl())
    assert state.best_model_checkpoint == str(tmp_path / "checkpoints" / "checkpoint-2")


@pytest.mark.soak
@pytest.mark.parametrize("lora", [None, LoraConfig(rank=8)], ids=["weights", "adapters"])
def test_five_kills_in_a_row(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, lora: LoraConfig | None
) -> None:
    config = planned(**{**BEST.model_dump(), "lora": lora, "learning_rate": 1e-2 if lora is None else 0.3})
    kills = [("measure", 1), ("measure", 3), ("measure", 2), ("measure", 2), ("trained_model", 1)]
    kept_best_whatever_the_kills(tiny_model, model_store, tmp_path, config, kills)


@pytest.mark.model
def test_measuring_changes_nothing_of_the_training_also_with_trls_own_decoder(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    """trl draws its rollouts from the process's one source of random numbers."""
    told: list[tuple[int, str, dict[str, float]]] = []

    def progress(done: int, total: int, message: str = "", *, samples: Any = (), **metrics: float) -> None:
        told.append((done, message, metrics))

    made = []
    for every in (None, 1):
        store = own_store(tmp_path / str(every), tiny_model, model_store)
        inputs = make_inputs(store, tiny_model, types=HARD)
        config = planned(max_steps=2, evaluate_every=every, grpo={"top_k": 50})
        if every:
            sources = {"ifeval": benchmark_source("ifeval", BenchmarkConfig(path=benchmark_file(tmp_path), limit=3))}
            config = config.model_copy(update={"benchmarks": Measured(sources=sources)})
        with forked_trainings():
            ref = train_policy(config, inputs, store, no_progress if every is None else progress)
        made.append((ref.fingerprint, weights(store, ref)))
    assert made[0] == made[1]
    points = [row for row in curve_of(store, ref) if row["set"] == "held_out"]
    assert [row["step"] for row in points] == [0, 1, 2]
    of_benchmark = [row for row in curve_of(store, ref) if row["set"] == "ifeval"]
    assert [(row["step"], row["metric"], row["n"]) for row in of_benchmark] == [
        (step, "prompt_strict", 3) for step in range(3)
    ]
    assert store.manifest(ref).figures["curve"]["ifeval"]["last"] == of_benchmark[-1]["mean"]
    assert points[0]["clusters"] <= len(ids_of(store, inputs["prompts"], "held_out"))
    live = {step: metrics["held_out/hard"] for step, _, metrics in told if "held_out/hard" in metrics}
    assert live == {row["step"]: row["mean"] for row in points}, "in MLflow at the step's place"
    assert all(f"at step {step}" in message for step, message, _ in told if "held-out" in message)
    assert "kept" not in store.manifest(ref).figures


def test_validation_instructions_are_those_of_the_labels() -> None:
    ids = [f"i{number}" for number in range(50)]
    of_labels = {name for name in ids if share_by_hash("labels", 7, name) < 0.2}
    assert validation_instructions(ids, 0.2, 7) == of_labels
    many = [f"i{number}" for number in range(3000)]
    chosen = validation_instructions(many, 0.2, 7)
    assert len(chosen) == MEASURED_AT_MOST
    assert all(share_by_hash("labels", 7, name) < 0.2 for name in chosen)


def test_a_benchmark_of_several_turns_has_the_policys_own_answers_in_its_history() -> None:
    said: list[list[dict[str, str]]] = []

    def ask(prompts: Sequence[Sequence[Message]]) -> list[str]:
        said.extend([dict(message) for message in messages] for messages in prompts)
        return [f"<think>so</think>answer {len(messages)}" for messages in prompts]

    def marks(item: Item, answer: str) -> dict[str, list[float | None]]:
        return {"right": [float(answer == "answer 3")] if item.id != "unscored" else [None]}

    user = [({"role": "user", "content": text},) for text in ("a", "b")]
    items = [Item("two", tuple(user), {}), Item("one", tuple(user[:1]), {}), Item("unscored", tuple(user[:1]), {})]
    opened = contextmanager(lambda terms: iter([by_rules(marks)]))
    benchmark = Benchmark("toy", "Toy", (Metric("right"),), lambda path: items, opened, "", "", max_tokens=1)
    of_set = BenchmarkSet("toy:x", benchmark, items, Terms(), THINK)
    answers = of_set.answers(ask)
    assert answers == [["answer 1", "answer 3"], ["answer 1"], ["answer 1"]]
    assert [message["content"] for message in said[-1]] == ["a", "answer 1", "b"]
    found = of_set.point(answers)
    assert found is not None
    assert (found["set"], found["metric"], found["mean"], found["n"]) == ("toy-x", "right", 0.5, 2)
    alone = BenchmarkSet("toy", benchmark, items[2:], Terms(), THINK)
    assert alone.point([["answer 1"]]) is None


def test_the_curve_takes_the_benchmarks_that_need_no_judge(tmp_path: Path) -> None:
    path = benchmark_file(tmp_path)
    asked = [f"evaluation.benchmarks={{ifbench: {path}, cfbench: {path}}}", f"evaluation.ifeval_path={path}"]
    recipe = build_config({}, [*asked, "policy.evaluate_every=10"])
    assert set(measured_benchmarks(recipe).sources) == {"ifeval", "ifbench"}
    assert not measured_benchmarks(build_config({}, asked)).sources
    assert identity_of(policy_plan(recipe)) == identity_of(policy_plan(build_config({}, [])))


def prompt(instruction: str, level: int, *kinds: str) -> Row:
    constraints = [{"type": "t", "kind": kind, "text": "x", "args": "{}"} for kind in kinds]
    return {
        "instruction_id": instruction,
        "prompt_id": f"{instruction}-L{level}",
        "level": level,
        "messages": [{"role": "user", "content": "Name a fruit."}],
        "constraints": constraints,
    }


def test_an_instruction_is_asked_at_its_highest_level_for_its_hard_constraints() -> None:
    rows = [
        prompt("a", 1, "hard"),
        prompt("a", 2, "hard", "soft"),
        prompt("a", 3, "hard", "soft", "hard"),
        prompt("b", 1, "soft"),
        prompt("c", 3, "hard"),
        *(prompt(name, 0) for name in "abc"),
    ]
    asked = asked_rows("held_out", rows, {1, 2}, seed=0)
    assert [(row["prompt_id"], len(row["constraints"])) for row in asked] == [("a-L2", 1)]


def test_a_point_has_an_interval_over_instructions() -> None:
    names = [f"i{index}" for index in range(20) for _ in range(2)]
    half = hard_point("held_out", names, [1.0, 0.0] * 20)
    assert (half["mean"], half["clusters"], half["n"]) == (0.5, 20, 40)
    mixed = hard_point("held_out", names, [float(index % 4 < 2) for index in range(40)])
    assert mixed["mean"] == 0.5
    assert 0.2 < mixed["low"] < 0.3
    assert 0.7 < mixed["high"] < 0.8
    all_hold = hard_point("held_out", names, [1.0] * 40)
    assert (all_hold["mean"], all_hold["high"]) == (1.0, 1.0)
    assert 0.8 < all_hold["low"] < 0.9, "twenty that hold do not show that all do"


def test_of_equal_points_the_earliest_is_best_and_the_untrained_model_is_none() -> None:
    shares = {0: 0.9, 10: 0.5, 20: 0.7, 30: 0.7}
    points = [{**hard_point("validation", ["a", "b"], [share, share]), "step": step} for step, share in shares.items()]
    best = best_point(points)
    assert best is not None
    assert best["step"] == 20
    figures = curve_figures(points, "best")
    assert (figures["kept"]["step"], figures["kept"]["of"]) == (20, 3)
    assert "kept" not in curve_figures(points, "last")
    assert curve_figures([], "last") == {}


def test_a_choice_without_steps_to_choose_from_is_refused() -> None:
    with pytest.raises(ValidationError, match="chooses among the steps that evaluate_every measures: set that"):
        PolicyConfig(keep="best")
    with pytest.raises(ValidationError, match="leaves the last of max_steps 50 alone: use a smaller evaluate_every"):
        PolicyConfig(keep="best", evaluate_every=50, max_steps=50)


def test_what_is_chosen_by_is_identity_and_a_curve_alone_is_not() -> None:
    def identity(*overrides: str) -> dict[str, Any]:
        return identity_of(policy_plan(build_config({}, list(overrides))))

    plain = identity()
    assert identity("policy.evaluate_every=20", "labels.validation_share=0.3") == plain
    best = ("policy.keep=best", "policy.evaluate_every=20")
    assert identity(*best).keys() - plain.keys() == {"keep", "evaluate_every", "validation_share"}
    assert identity(*best, "labels.validation_share=0.3") != identity(*best)


@pytest.mark.model
def test_nothing_to_measure_is_said_before_anything_starts(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    store = own_store(tmp_path, tiny_model, model_store)
    inputs = make_inputs(store, tiny_model, types=HARD)
    few = planned(**{**BEST.model_dump(), "validation_share": 1e-6})
    with pytest.raises(InputError, match=r"of 0 validation instructions .*; use more seeds, or a larger labels.valid"):
        train_policy(few, inputs, store)
