"""The wiring of stages into the groups that flows are made of, in the order of the method: a call a stage."""

import logging
from dataclasses import dataclass

from flows.execution.run import Refs, Run
from flows.execution.shards import map_shards
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.config import GeneralConfig, GenerationConfig, InstructionsConfig, LaunchConfig, NoConfig, PipelineConfig
from ifrl_core.evaluation import comparison
from ifrl_core.evaluation import stage as evaluate
from ifrl_core.evaluation.benchmarks import ifeval
from ifrl_core.inference.open import server_urls
from ifrl_core.instructions import pass_rates
from ifrl_core.instructions import stage as dataset
from ifrl_core.labels import stage as labels
from ifrl_core.labels.rounds import is_worse, label_of, last_round
from ifrl_core.models import stage as models
from ifrl_core.policy import stage as policy
from ifrl_core.policy.launch import check_launch
from ifrl_core.promotion.champion import split_tags
from ifrl_core.report import stage as report
from ifrl_core.reward_model.train import stage as reward_model
from ifrl_core.rewards.problems import stage as problems
from ifrl_core.rollouts import stage as rollouts
from ifrl_core.seeds import stage as seeds_stage
from ifrl_core.tracking.tracker import TrackedRun
from tasks import registry
from tasks import stages as tasks

NOTHING = NoConfig()
log = logging.getLogger("ifrl_core.labels.rounds")


@dataclass(frozen=True)
class Sources:
    """Everything that the user points to, named by content."""

    seeds: seeds_stage.SeedsSource
    model: models.ModelSource | None  # None: training starts from an artifact of the store
    writer: models.ModelSource | None  # the model of writer llm, unless a server has it
    ifeval: ifeval.IFEvalSource | None
    general: problems.GeneralSource | None


def find_sources(config: PipelineConfig, *, model: bool = True) -> Sources:
    """Look at every file and model the config names, so that what is missing fails before any compute.

    `model` false: training starts from an artifact of the store, whatever model the config names.
    """
    instructions = config.instructions
    sections: list[GenerationConfig] = [config.rollouts, instructions.corridor]
    if instructions.writer != "catalog":
        sections.append(instructions.model_writer)
    if any(section.engine == "server" for section in sections):
        server_urls()
    _check_training(config)
    return Sources(
        seeds_stage.seeds_source(config.seeds),
        models.model_source(config.model) if model else None,
        _writer_source(config.instructions),
        ifeval.ifeval_source(config.evaluation),
        problems.general_source(config),
    )


def make_dataset(run: Run, sources: Sources) -> Refs:
    """seeds -> instructions -> prompts -> rollouts -> labels."""
    seeds = run.stage(seeds_stage.make_seeds, tasks.make_seeds, sources.seeds, {})
    return label_seeds(run, sources, {"seeds": seeds, "model": base_model(run, sources)})


def base_model(run: Run, sources: Sources) -> ArtifactRef:
    assert sources.model is not None, "the model was not looked for"
    return run.stage(models.import_model, tasks.import_model, sources.model, {}, seeded=False)


def label_seeds(run: Run, sources: Sources, given: Refs) -> Refs:
    """instructions -> prompts -> rollouts -> labels. given: seeds, and the model that answers."""
    config, (seeds, model) = run.config, (given["seeds"], given["model"])
    rates = _pass_rates(run, {"seeds": seeds, "model": model})
    inputs = {"seeds": seeds} | _writer_model(run, sources, model)
    if config.instructions.sampling == "corridor":
        inputs |= rates
    instructions = run.stage(dataset.make_instructions, tasks.make_instructions, config.instructions, inputs)
    inputs = {"instructions": instructions} | (rates if config.ladder.order == "easy_to_hard" else {})
    prompts = run.stage(dataset.make_prompts, tasks.make_prompts, config.ladder, inputs)
    made = {"seeds": seeds, "instructions": instructions, "prompts": prompts, "model": model}
    made |= rates | _label(run, prompts, model)
    if sources.general is not None:
        made["general"] = run.stage(problems.make_problems, tasks.make_problems, sources.general, {}, seeded=False)
    return made


def train_reward_model(run: Run, refs: Refs, number: int = 1) -> ArtifactRef:
    return run.stage(
        reward_model.train_reward_model,
        tasks.train_reward_model,
        run.config.reward_model,
        _only(refs, "model", "labels"),
        label=label_of("reward-model", number),
    )


def train_policy(run: Run, refs: Refs) -> Refs:
    """The reward model and the policy of the last round whose labels were no worse than those of the round before.

    The reward model is trained from the base model in every round, the policy from the policy of the round before.
    """
    trained = _train_round(run, refs, refs["model"], 1)
    for number in range(2, run.config.rounds + 1):
        found = _label(run, refs["prompts"], trained["policy"], number)
        earlier = (refs | trained)["labels"]
        if is_worse(*(run.store.manifest(ref).figures for ref in (found["labels"], earlier))):
            log.warning("round %d ends the loop: its labels agree less with the rules than those before", number)
            break
        trained = found | _train_round(run, refs | found, trained["policy"], number)
    return trained


def _train_round(run: Run, refs: Refs, start: ArtifactRef, number: int) -> Refs:
    """The reward model of refs["labels"], and the policy that it makes of `start`."""
    trained = train_reward_model(run, refs, number)
    inputs = {"model": start, "prompts": refs["prompts"], "reward_model": trained}
    # Where the problems lie is no part of what is trained: their rows are an input.
    config = run.config.policy
    config = config.model_copy(update={"general": GeneralConfig(ratio=config.general.ratio)})
    if config.general.ratio:
        inputs |= _only(refs, "general")
    made = run.stage(policy.train_policy, tasks.train_policy, config, inputs, label=label_of("policy", number))
    return {"reward_model": trained, "policy": made}


def _label(run: Run, prompts: ArtifactRef, model: ArtifactRef, number: int = 1) -> Refs:
    """Rollouts of `model` and their pseudo-labels."""
    answers = _roll_out(run, {"model": model, "prompts": prompts}, number)
    inputs = {"prompts": prompts, "rollouts": answers}
    made = run.stage(labels.make_labels, tasks.make_labels, run.config.labels, inputs, label=label_of("labels", number))
    return {"rollouts": answers, "labels": made}


def evaluate_both(run: Run, refs: Refs, sources: Sources) -> Refs:
    """The base model and the policy on the same prompts, then their comparison."""
    # Where IFEval's file lies is no part of what is measured: its rows are an input.
    config = run.config.evaluation.model_copy(update={"ifeval_path": None})
    inputs = _only(refs, "prompts", "reward_model", *(["general"] if config.general_prompts else []))
    if sources.ifeval is not None:
        inputs["ifeval"] = run.stage(ifeval.import_ifeval, tasks.import_ifeval, sources.ifeval, {}, seeded=False)
    done = {
        label: run.stage(
            evaluate.evaluate, tasks.evaluate_model, config, {**inputs, "model": model}, label=f"evaluation-{label}"
        )
        for label, model in (("before", refs["model"]), ("after", refs["policy"]))
    }
    return {**done, "comparison": run.stage(comparison.compare, tasks.compare, NOTHING, done)}


def register(run: Run, refs: Refs) -> list[dict[str, str]]:
    """Both models as MLflow versions with an alias, their main figures beside them."""
    names, store = run.config.registry, run.store
    gain = store.manifest(refs["comparison"]).figures["hard"]["overall"]
    quality = store.manifest(refs["reward_model"]).figures["hard"]
    policy_metrics = {"satisfaction/hard/before": gain["before"], "satisfaction/hard/after": gain["after"]}
    wanted = [
        (refs["reward_model"], names.reward_model_name, {"auc": quality["auc"]}),
        (refs["policy"], names.policy_name, policy_metrics),
    ]
    return [
        registry.register_model(
            ref,
            name=name,
            alias=names.alias,
            run=run.tracker.run,
            metrics={key: value for key, value in metrics.items() if value is not None},
            tags=split_tags(run.config),
        )
        for ref, name, metrics in wanted
    ]


def write_report(run: Run, refs: Refs) -> ArtifactRef:
    config = report.ReportConfig(name=run.config.name, model=run.config.model)
    _, rounds = last_round(run.refs)
    of_rounds = {f"labels_{number}": ref for number, ref in enumerate(rounds, 1)} if len(rounds) > 1 else {}
    return run.stage(report.write_report, tasks.write_report, config, refs | of_rounds, seeded=False)


def _check_training(config: PipelineConfig) -> None:
    """Whether this machine can train as the recipe says; a placed stage is checked where it runs. Without wishes there is
    nothing to check, and torch need not be loaded."""
    policy, here = config.policy, config.execution.deployment_of("policy") is None
    wishes = policy.generation != "transformers" or policy.launch != LaunchConfig(assumed=policy.launch.assumed)
    if here and wishes:
        check_launch(policy)


def _roll_out(run: Run, inputs: Refs, number: int) -> ArtifactRef:
    config = run.config.rollouts

    def prepare(fingerprint: str, child: TrackedRun) -> None:
        map_shards(
            config, inputs, run.store, run.config.execution, seed=run.config.seed, fingerprint=fingerprint, run=child
        )

    label = label_of("rollouts", number)
    return run.stage(rollouts.make_rollouts, tasks.make_rollouts, config, inputs, label=label, prepare=prepare)


def _pass_rates(run: Run, inputs: Refs) -> Refs:
    """Pass rates by type where the recipe needs them: to reach the corridor, or to order ladders."""
    config, to_corridor = run.config, run.config.instructions.sampling == "corridor"
    if not to_corridor and config.ladder.order != "easy_to_hard":
        return {}
    plan = pass_rates.PassRatesPlan(
        instructions=config.instructions, layout=config.ladder.layout, to_corridor=to_corridor
    )
    return {"pass_rates": run.stage(pass_rates.measure_pass_rates, tasks.measure_pass_rates, plan, inputs)}


def _writer_source(config: InstructionsConfig) -> models.ModelSource | None:
    """The weights that writer llm loads, None where it has none of its own."""
    own = config.writer == "llm" and config.model_writer.engine != "server"
    return models.model_source(config.model_writer.model) if own else None


def _writer_model(run: Run, sources: Sources, policy: ArtifactRef) -> Refs:
    """The weights that write constraints, as an input of the instructions: the policy's or another model's."""
    if run.config.instructions.writer == "self":
        return {"model": policy}  # a server's, too, by its digest
    if sources.writer is None:
        return {}
    return {
        "model": run.stage(
            models.import_model, tasks.import_model, sources.writer, {}, label="writer-model", seeded=False
        )
    }


def _only(refs: Refs, *names: str) -> Refs:
    return {name: refs[name] for name in names}
