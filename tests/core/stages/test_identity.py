"""What is identity and what is not: for every field of a recipe, which stages it makes anew, and when it makes none.

A new field fails the first test until it has a line in FIELDS: it says what is made (the default), or its annotation says
that it does not (ifrl_core/identity/fields.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

import ifrl_core
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import PipelineConfig, PolicyConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.config.trl_fields import OWNED, PLACING, grpo_fields
from ifrl_core.errors import ConfigError
from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.identity.fields import identity_of
from ifrl_core.instructions.writers import prompt
from ifrl_core.models.reasoning import recipe_format
from ifrl_core.report import stage as report
from ifrl_core.reward_model.train import stage as reward_model
from ifrl_core.seeds import stage as seeds
from ifrl_core.stages import registry
from ifrl_core.text.reasoning import THINK, Reasoning
from tests.core.models.tiny import write_model

EVALUATIONS = ("evaluation-before", "evaluation-after")


@dataclass(frozen=True)
class Field:
    """On the base with `when`, the field as `value` (YAML) makes these stages anew; on the base with `idle`, none."""

    stages: tuple[str, ...]
    value: str
    when: tuple[str, ...] = ()
    idle: tuple[str, ...] | None = None


def field(stages: str | Sequence[str], value: object, *when: str, idle: tuple[str, ...] | None = None) -> Field:
    named = tuple(stages.split()) if isinstance(stages, str) else tuple(stages)
    return Field(named, str(value), when, idle)


# FILE, OTHER: seed files; MODEL: a model folder. The base asks every stage for something.
BASE = (
    "ladder.order=easy_to_hard",
    "policy.general.ratio=0.5",
    "evaluation.general_prompts=5",
    "evaluation.ifeval_path=FILE",
)
EVOLVING, INSTRUCTOR = "instructions.writer=evolving", "instructions.writer=instructor"
WRITING = "instructor instructor-instructions"
WARM = "policy.warm_start={rows: 10}"
SELF, SERVED = ("instructions.writer=self",), ("engine=server", "served_model=m")
CORRIDOR = ("instructions.sampling=corridor", "ladder.order=as_written")
ORDERED, WEIGHTED = "policy.reward.aggregation=ordered", "policy.reward.aggregation=weighted"
BY_RATE = "policy.curriculum.strategy=corridor"
SEEDED = "seeds pass-rates instructions prompts rollouts labels reward-model policy comparison".split()  # noqa: SIM905


def answers(label: str) -> tuple[str, ...]:
    return f"answers-before.{label}", f"answers-after.{label}"


def judgements(label: str) -> tuple[str, ...]:
    return f"judgements-before.{label}", f"judgements-after.{label}"


BASES_ANSWERS, POLICYS_ANSWERS = zip(*(answers(label) for label in ("ifeval", "general")), strict=True)
ANSWERS = (*BASES_ANSWERS, *POLICYS_ANSWERS)
SERVED_BOTH = ("evaluation={engine: server, served_model: m, served_policy: p, ifeval_path: FILE, general_prompts: 5}",)
JUDGEMENTS = (*judgements("ifeval"), *judgements("general"))
READING = (
    "pass-rates",
    "rollouts",
    "reward-model",
    "policy",
    *EVALUATIONS,
    *ANSWERS,
)  # answers of a model, or what scores them
DRAWN = "instructions pass-rates"
WRITER = "instructions.model_writer"
JUDGED = ("evaluation.benchmarks={cfbench: FILE}",)
JUDGE = (*JUDGED, "evaluation.judge.model=embedded:smollm2-135m")


ONE_OF = "collie"  # a key of a mapping of sections
ASKED, COLLIE = f"evaluation.benchmarks.{ONE_OF}", f"evaluation.benchmarks={{{ONE_OF}: {{path: FILE}}}}"


def served(section: str) -> tuple[str, ...]:
    return tuple(f"{section}.{item}" for item in SERVED)


FIELDS: Mapping[str, Field] = {
    "name": field("report", "other"),
    "model": field("model report", "MODEL"),
    "seed": field([*SEEDED, *EVALUATIONS, *ANSWERS, *JUDGEMENTS], 1),
    "rounds": field("", 2),
    "reasoning.format": field(READING, "always"),
    "reasoning.open": field(READING, "<r>"),
    "reasoning.close": field(READING, "</r>"),
    "seeds.files": field("seeds", "[FILE]"),
    "seeds.builtin": field("seeds", "false", "seeds.files=[FILE]"),
    "seeds.train": field("seeds", 10),
    "seeds.held_out": field("seeds", 10),
    "seeds.held_out_share": field("seeds", 0.3),
    "instructions.writer": field("instructions", "self"),
    "instructions.min_constraints": field("instructions", 2),
    "instructions.max_constraints": field(DRAWN, 4, "policy.curriculum.levels=[[1], [2]]"),
    "instructions.hard_share": field(DRAWN, 0.5),
    "instructions.max_words": field(DRAWN, 100),
    "instructions.types": field(DRAWN, "['tone:', 'keywords:existence']"),
    "instructions.sampling": field(DRAWN, "corridor", "ladder.order=as_written"),
    "instructions.weights": field(
        DRAWN, "{'tone:': 3}", "instructions.sampling=weighted", "instructions.weights={'tone:': 2}"
    ),
    "instructions.corridor.engine": field("pass-rates", "vllm"),
    "instructions.corridor.served_model": field("pass-rates", "n", *served("instructions.corridor")),
    "instructions.corridor.batch_size": field("", 8),
    "instructions.corridor.dtype": field("pass-rates", "float32", idle=served("instructions.corridor")),
    "instructions.corridor.low": field("pass-rates", 0.1, *CORRIDOR, idle=()),
    "instructions.corridor.high": field("pass-rates", 0.9, *CORRIDOR, idle=()),
    "instructions.corridor.rounds": field("pass-rates", 2, *CORRIDOR, idle=()),
    "instructions.corridor.seeds": field("pass-rates", 10, idle=("ladder.order=as_written",)),
    "instructions.corridor.max_tokens": field("pass-rates", 10, idle=("ladder.order=as_written",)),
    "instructions.corridor.temperature": field("pass-rates", 0.5, idle=("ladder.order=as_written",)),
    "instructions.evolving.low": field("evolved-instructions", 0.2, EVOLVING, idle=()),
    "instructions.evolving.high": field("evolved-instructions", 0.8, EVOLVING, idle=()),
    "instructions.instructor.steps": field(WRITING, 5, INSTRUCTOR, idle=()),
    "instructions.instructor.quota": field(WRITING, 0.5, INSTRUCTOR, idle=()),
    f"{WRITER}.engine": field("instructions", "vllm", *SELF, idle=()),
    f"{WRITER}.served_model": field("instructions", "n", *SELF, *served(WRITER)),
    f"{WRITER}.batch_size": field("", 8, *SELF),
    f"{WRITER}.dtype": field("instructions", "float32", *SELF, idle=(*SELF, *served(WRITER))),
    f"{WRITER}.model": field(
        "writer-model", "MODEL", "instructions.writer=llm", f"{WRITER}.model=embedded:smollm2-135m"
    ),
    f"{WRITER}.references": field("instructions", 4, *SELF, idle=()),
    f"{WRITER}.attempts": field("instructions", 2, *SELF, idle=()),
    f"{WRITER}.too_few": field("instructions", "reject", *SELF, idle=()),
    f"{WRITER}.fallback": field("instructions", "none", *SELF, idle=()),
    f"{WRITER}.temperature": field("instructions", 0.5, *SELF, idle=()),
    f"{WRITER}.top_p": field("instructions", 0.5, *SELF, idle=(*SELF, f"{WRITER}.temperature=0")),
    f"{WRITER}.max_tokens": field("instructions", 100, *SELF, idle=()),
    f"{WRITER}.structured_output": field("instructions", "false", *SELF, f"{WRITER}.engine=vllm", idle=SELF),
    "ladder.order": field("prompts pass-rates", "random"),
    "ladder.layout": field("prompts pass-rates", "list"),
    "ladder.place": field("prompts pass-rates", "system"),
    "rollouts.engine": field("rollouts", "vllm"),
    "rollouts.served_model": field("rollouts", "n", *served("rollouts")),
    "rollouts.batch_size": field("", 8),
    "rollouts.dtype": field("rollouts", "float32", idle=served("rollouts")),
    "rollouts.samples": field("rollouts", 2),
    "rollouts.temperature": field("rollouts", 0.5),
    "rollouts.top_p": field("rollouts", 0.5, idle=("rollouts.temperature=0",)),
    "rollouts.max_tokens": field(f"prompts rollouts {DRAWN}", 10),
    "rollouts.ladders_per_shard": field("", 8),
    "rollouts.own_history": field("histories histories-after", "true"),
    "labels.validation_share": field("labels", 0.3),
    "labels.drop_identical": field("labels", "false"),
    "labels.drop_empty": field("labels", "false"),
    "labels.negatives": field("labels", "all_lower"),
    "labels.positive_rungs": field("labels", "all_upper"),
    "labels.positives": field("labels", "best_of_n", "rollouts.samples=2"),
    "labels.contradicted": field("labels", "drop_label"),
    "labels.drop_types_without_contrast": field("labels", 0),
    "reward_model.learning_rate": field("reward-model", 1e-3),
    "reward_model.epochs": field("reward-model", 2),
    "reward_model.batch_size": field("reward-model", 32),
    "reward_model.micro_batch": field("", 2),
    "reward_model.warmup_share": field("reward-model", 0.2),
    "reward_model.layers": field("reward-model", 4),
    "reward_model.max_tokens": field("reward-model", 100),
    "reward_model.max_pairs": field("reward-model", 100),
    "reward_model.noise": field("reward-model", "posterior"),
    "reward_model.calibrate": field("reward-model", "false"),
    "reward_model.lora": field("reward-model", 8),
    "reward_model.early_stopping": field("reward-model", 2),
    "reward_model.baselines": field("reward-model", "false"),
    "reward_model.save_steps": field("reward-model", 50, "reward_model.early_stopping=2", idle=()),
    "reward_model.bf16": field("reward-model", "false"),
    "reward_model.gradient_checkpointing": field("", "true"),
    "reward_model.launch.device": field("", "cpu"),
    "reward_model.launch.processes_per_machine": field("", 2, "reward_model.launch.strategy=ddp"),
    "reward_model.launch.machines": field("", 2, "reward_model.launch={strategy: ddp, processes_per_machine: 1}"),
    "reward_model.launch.strategy": field("", "fsdp2"),
    "reward_model.launch.offload": field("", "true", "reward_model.launch.strategy=fsdp2"),
    "policy.max_steps": field("policy", 100),
    "policy.prompts_per_step": field("policy", 8),
    "policy.generations": field("policy", 10),
    "policy.max_tokens": field(f"policy {DRAWN}", 100),
    "policy.max_prompt_tokens": field("policy", 100),
    "policy.temperature": field("policy", 0.5),
    "policy.learning_rate": field("policy", 1e-5),
    "policy.warmup_steps": field("policy", 5),
    "policy.schedule": field("policy", "linear"),
    "policy.turns": field("policy", "all"),
    "policy.trained_layers": field("policy", 2),
    "policy.beta": field("policy", 0),
    "policy.curriculum.strategy": field("policy", "mixed"),
    "policy.curriculum.levels": field("policy", "[[1], [5]]", idle=("policy.curriculum.strategy=final",)),
    "policy.curriculum.promote_at": field("policy", 0.5),
    "policy.curriculum.window": field("policy", 3, "policy.curriculum.promote_at=0.5", idle=()),
    "policy.curriculum.low": field("policy", 0.1, BY_RATE, idle=()),
    "policy.curriculum.high": field("policy", 0.9, BY_RATE, idle=()),
    "policy.curriculum.passed": field("policy", "all", BY_RATE, idle=()),
    "policy.curriculum.remeasured": field("policy", 0.5, BY_RATE, idle=()),
    "policy.curriculum.rest": field("policy", 2),
    "policy.train_on": field("policy", 16),
    "policy.general.ratio": field("policy", 0.25),
    "policy.general.sources": field("general-problems", "['builtin:math']"),
    "policy.general.held_out_share": field("general-problems", 0.4),
    "policy.scale_rewards": field("policy", "batch"),
    "policy.reward.aggregation": field("policy", "all"),
    "policy.reward.soft": field("policy", "likelihood"),
    "policy.reward.weights": field("policy", "{'tone:': 3}", WEIGHTED, "policy.reward.weights={'tone:': 2}"),
    "policy.reward.decay": field("policy", 0.5, ORDERED, idle=()),
    "policy.reward.cut_off_factor": field("policy", 0.5),
    "policy.reward.intent_factor": field("policy", 0.4),
    "policy.reward.intent": field("policy", "embedding", idle=("policy.reward.intent_factor=1",)),
    "policy.reward.intent_threshold": field("policy", 0.5, "policy.reward.intent=embedding", idle=()),
    "policy.reward.degenerate_factor": field("policy", 0.5),
    "policy.reward.require_reasoning": field(READING, "true"),
    "policy.reward.max_hack_share": field("", 0.5),
    "policy.guards.min_entropy": field("", 0.5),
    "policy.guards.min_length": field("", 5),
    "policy.guards.patience": field("", 9),
    "policy.max_unscored_share": field("", 0.5),
    "policy.micro_batch": field("", 4),
    "policy.save_steps": field("", 10),
    "policy.evaluate_every": field("policy", 20, "policy.evaluate_every=10", "policy.keep=best", idle=()),
    "policy.keep": field("policy", "best", "policy.evaluate_every=10"),
    "policy.warm_start.rows": field("warm-start", 9, WARM),
    "policy.warm_start.epochs": field("warm-start", 3, WARM),
    "policy.warm_start.batch": field("warm-start", 2, WARM),
    "policy.warm_start.learning_rate": field("warm-start", 2e-3, WARM),
    "policy.bf16": field("policy", "false"),
    "policy.gradient_checkpointing": field("", "true"),
    "policy.lora.rank": field("policy", 8, "policy.lora={rank: 4}"),
    "policy.lora.alpha": field("policy", 8, "policy.lora={rank: 4}"),
    "policy.lora.dropout": field("policy", 0.1, "policy.lora={rank: 4}"),
    "policy.lora.target_modules": field("policy", "[q_proj]", "policy.lora={rank: 4}"),
    "policy.generation": field("policy", "vllm_colocate"),
    "policy.grpo": field("policy", "{epsilon_high: 0.28}"),
    "policy.launch.device": field("", "cpu"),
    "policy.launch.processes_per_machine": field("", 2),
    "policy.launch.machines": field("", 2, "policy.launch.processes_per_machine=1"),
    "policy.launch.strategy": field("", "fsdp2"),
    "policy.launch.offload": field("", "true", "policy.launch.strategy=fsdp2"),
    "policy.launch.vllm_gpu_memory_utilization": field("", 0.5, "policy.generation=vllm_colocate"),
    "policy.launch.reward_model": field("", "service"),
    "policy.launch.show_samples_every": field("", 1),
    "policy.launch.assumed.device_memory_gib": field("", 40),
    "policy.launch.assumed.tokens_per_second": field("", 40),
    "policy.launch.assumed.answer_tokens": field("", 40),
    "evaluation.engine": field((*EVALUATIONS, *ANSWERS), "vllm"),
    "evaluation.served_model": field((EVALUATIONS[0], *BASES_ANSWERS), "n", *SERVED_BOTH),
    "evaluation.served_policy": field((EVALUATIONS[1], *POLICYS_ANSWERS), "q", *SERVED_BOTH),
    "evaluation.batch_size": field("", 8),
    "evaluation.dtype": field((*EVALUATIONS, *ANSWERS), "float32"),
    "evaluation.max_tokens": field(EVALUATIONS, 100),
    "evaluation.temperature": field(EVALUATIONS, 0.5),
    "evaluation.samples": field(EVALUATIONS, 2),
    "evaluation.levels": field(EVALUATIONS, "[1]"),
    "evaluation.ifeval_path": field("benchmark.ifeval", "OTHER"),
    "evaluation.ifeval_prompts": field("benchmark.ifeval", 10, idle=("evaluation.ifeval_path=null",)),
    "evaluation.ifeval_max_tokens": field(answers("ifeval"), 10, idle=("evaluation.ifeval_path=null",)),
    "evaluation.general_prompts": field("general-rows.general", 6),
    "evaluation.general_max_tokens": field(answers("general"), 10, idle=("evaluation.general_prompts=0",)),
    f"{ASKED}.path": field("benchmark.collie", "OTHER", COLLIE),
    f"{ASKED}.limit": field("benchmark.collie", 5, COLLIE),
    f"{ASKED}.samples": field(answers("collie"), 5, COLLIE),
    f"{ASKED}.max_tokens": field(answers("collie"), 5, COLLIE),
    "evaluation.official": field((*judgements("ifeval"), *judgements("general")), "true"),
    "evaluation.run_code": field("", "true"),  # neither benchmark comes with code
    "evaluation.items_per_shard": field("", 8),
    "evaluation.judge.engine": field(judgements("cfbench"), "vllm", *JUDGE),
    "evaluation.judge.served_model": field(judgements("cfbench"), "n", *JUDGED, *served("evaluation.judge")),
    "evaluation.judge.batch_size": field("", 8, *JUDGE),
    "evaluation.judge.dtype": field(judgements("cfbench"), "float32", *JUDGE),
    "evaluation.judge.model": field("judge-model", "MODEL", *JUDGE),
    "evaluation.judge.revision": field(judgements("cfbench"), "may", *JUDGED, *served("evaluation.judge")),
    "evaluation.judge.template": field("", "FILE", *JUDGE),
    "evaluation.judge.max_tokens": field(judgements("cfbench"), 100, *JUDGE),
    "evaluation.judge.retries": field(judgements("cfbench"), 1, *JUDGE),
    "evaluation.judge.max_unscored_share": field("", 0.5, *JUDGE),
    "evaluation.judge.checks": field(judgements("cfbench"), 10, *JUDGE),
    "evaluation.judge.recorded": field("", "FILE", *JUDGE),
    "registry.policy_name": field("", "other"),
    "registry.reward_model_name": field("", "other"),
    "registry.alias": field("", "other"),
    "execution.runner": field("", "processes"),
    "execution.workers": field("", 2),
    "execution.pool": field("", "gpu"),
    "execution.deployments": field("", "{policy: gpu}"),
    "retrain.min_new_seeds": field("", 30),
    "retrain.reuse_refused": field("", "false"),
    "retrain.min_held_out": field("", 30),
    "retrain.accuracy_margin": field("", 5),
    "retrain.general_prompts": field("", 30),
    "retrain.length_margin": field("", 5),
    "retrain.hack_margin": field("", 5),
} | {
    f"{section}.vllm.{name}": field("", value, *way, f"{section}.engine=vllm")
    for section, way in {
        WRITER: SELF,
        "instructions.corridor": (),
        "rollouts": (),
        "evaluation": (),
        "evaluation.judge": JUDGE,
    }.items()
    for name, value in {"tensor_parallel_size": 2, "max_model_len": 4096, "gpu_memory_utilization": 0.5}.items()
}


def fields_of(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in section.model_fields.items():
        kinds = (info.annotation, *get_args(info.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is not None and get_origin(info.annotation) is dict:
            yield from fields_of(inner, f"{prefix}{name}.{ONE_OF}.")
        elif inner is None:
            yield f"{prefix}{name}"
        else:
            yield from fields_of(inner, f"{prefix}{name}.")


def test_every_field_of_a_recipe_is_decided() -> None:
    assert set(fields_of(PipelineConfig)) == set(FIELDS), "a line in FIELDS for each: which stages does it make anew?"


Fingerprints = dict[str, str]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the upper-case words of FIELDS stand for; files are read once."""
    folder = tmp_path_factory.mktemp("identity")
    for name in ("FILE", "OTHER"):
        (folder / f"{name}.jsonl").write_text(f'{{"seed": "Describe {name}."}}\n{{"seed": "Praise {name}."}}\n')
    write_model(folder / "MODEL")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "seeds_source", cache(seeds.seeds_source))
        yield {"FILE": str(folder / "FILE.jsonl"), "OTHER": str(folder / "OTHER.jsonl"), "MODEL": str(folder / "MODEL")}


def fingerprints(*overrides: str, places: Mapping[str, str], content: bool = False) -> Fingerprints:
    """Of every stage of a recipe by label, given the same inputs; without code and templates, unless `content`."""
    return of_config(config_of(*overrides, places=places), content=content)


def config_of(*overrides: str, places: Mapping[str, str]) -> PipelineConfig:
    placed = []
    for override in (*BASE, *overrides):
        for word, path in places.items():
            override = override.replace(word, path)
        placed.append(override)
    return build_config({}, placed)


def of_config(config: PipelineConfig, *, content: bool = False) -> Fingerprints:
    found = {}
    for stage in registry.stages():
        for label, chosen in stage.configs(config).items():
            known = stage if content else replace(stage, content=None)
            seed = config.seed if stage.seeded else 0
            inputs = stage.inputs_of(config, REFS)
            reasoning = asked_format(config) if "model" in inputs else THINK
            found[label] = known.fingerprint(chosen, inputs, seed=seed, reasoning=reasoning)
    return found


def asked_format(config: PipelineConfig) -> Reasoning:
    """The reasoning format of a recipe, for a model whose chat template says nothing of it."""
    return recipe_format(config, lambda name: None, "m")


def with_value(section: Any, path: Sequence[str], value: Any) -> Any:
    """The same section with another value at a path, whatever its validators think of it."""
    inner = with_value(getattr(section, path[0]), path[1:], value) if path[1:] else value
    return section.model_copy(update={path[0]: inner})


REFS = {
    stage.output: ArtifactRef(uri="/x", stage=stage.name, fingerprint="0" * 64, digest="0" * 64, rows=1)
    for stage in registry.stages()
} | {
    name: ArtifactRef(uri="/x", stage=name, fingerprint="0" * 64, digest="0" * 64, rows=1)
    for name in ("benchmark", "answers")
}


def changed(before: Fingerprints, after: Fingerprints) -> set[str]:
    return {label for label in before.keys() | after.keys() if before.get(label) != after.get(label)}


def test_a_field_makes_anew_what_it_says_and_nothing_else(places: dict[str, str]) -> None:
    @cache
    def before(when: tuple[str, ...]) -> Fingerprints:
        return fingerprints(*when, places=places)

    def by(path: str, row: Field) -> set[str]:
        return changed(before(row.when), fingerprints(*row.when, f"{path}={row.value}", places=places))

    assert {path: by(path, row) for path, row in FIELDS.items()} == {
        path: set(row.stages) for path, row in FIELDS.items()
    }


def test_an_option_that_is_not_used_makes_nothing_new(places: dict[str, str]) -> None:
    def made(path: str, row: Field) -> set[str]:
        config, idle = config_of(*(row.idle or ()), places=places), row.idle or ()
        try:
            other = config_of(*idle, f"{path}={row.value}", places=places)
        except ConfigError:  # config/modes.py: a recipe cannot set most of what has no effect, the code can
            other = with_value(config, path.split("."), yaml.safe_load(row.value))
        return changed(of_config(config), of_config(other))

    unused = {path: row for path, row in FIELDS.items() if row.idle is not None}
    assert {path: made(path, row) for path, row in unused.items()} == {path: set() for path in unused}


def test_fields_of_trl_that_only_place_a_training_make_no_other_policy() -> None:
    assert set(grpo_fields()) >= PLACING
    assert not set(OWNED) & PLACING
    placing = dict.fromkeys(sorted(PLACING), 1)
    both = PolicyConfig().model_copy(update={"grpo": {**placing, "epsilon_high": 0.28}})
    assert identity_of(both)["grpo"] == {"epsilon_high": 0.28}
    assert "grpo" in both.model_dump()


DATA_OF_STAGES = {  # files of the package that are no code, and the stages whose identity has them
    "data/seeds.jsonl": "seeds",
    "data/conversations.jsonl": "seeds",
    "data/tools.jsonl": "seeds",
    "data/math.jsonl": "general-problems",
    "data/science.jsonl": "general-problems",
    "instructions/writers/prompt.txt": "instructions",
    "reward_model/model/template.txt": "reward-model",
    **{f"evaluation/judge/templates/{name}.txt": "judgements" for name in templates().texts},
    **{f"report/templates/{name}": "report" for name in report.template_digests()},
}
OF_NO_STAGE = {"data/README.md", "data/interacting.jsonl", "labels/people/sheet.html.jinja"}


def test_every_file_of_the_package_that_is_no_code_belongs_to_a_stage_or_to_none() -> None:
    root = Path(ifrl_core.__file__).parent
    paths = (path for path in root.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    assert {path.relative_to(root).as_posix() for path in paths} == DATA_OF_STAGES.keys() | OF_NO_STAGE


def test_templates_are_identity(places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def now(*overrides: str) -> Fingerprints:
        return fingerprints(*overrides, places=places, content=True)

    before, written = now(), now(*SELF)
    monkeypatch.setattr(reward_model, "TEMPLATE", "{response}\n{constraint}?")
    assert changed(before, now()) == {"reward-model"}
    before, written = now(), now(*SELF)
    monkeypatch.setattr(prompt, "template_digest", lambda: "another")
    assert changed(before, now()) == set()
    assert changed(written, now(*SELF)) == {"instructions"}
    before = now()
    monkeypatch.setattr(report, "template_digests", lambda: {"report.html.jinja": "another"})
    assert changed(before, now()) == {"report"}
