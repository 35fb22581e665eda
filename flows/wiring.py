"""The wiring of stages into the groups that flows are made of, in the order of the method: a call a stage.

A stage takes its inputs out of `refs` by name, and adds its artifact to them.
"""

import logging

from flows.execution.run import Refs, Run
from ifrl_core.artifacts import ArtifactRef
from ifrl_core.evaluation.comparison import compare, compare_warm_start
from ifrl_core.evaluation.soft_audit import audit_soft
from ifrl_core.evaluation.stage import evaluate_after, evaluate_before, evaluate_warm_start
from ifrl_core.evaluation.suite.answers import answers_after, answers_before
from ifrl_core.evaluation.suite.general_rows import make_general_rows
from ifrl_core.evaluation.suite.judgements import asks_judge, import_judge, judgements_after, judgements_before
from ifrl_core.evaluation.suite.rows import GENERAL_LABEL, asked_benchmarks, import_benchmark
from ifrl_core.evolving.stage import evolve_instructions, evolve_prompts
from ifrl_core.instructions.pass_rates import measure_pass_rates
from ifrl_core.instructions.stage import import_writer, make_instructions, make_prompts
from ifrl_core.instructor.stage import train_instructor
from ifrl_core.instructor.write import write_instructions
from ifrl_core.labels.rounds import is_worse, label_of, last_round
from ifrl_core.labels.stage import make_labels
from ifrl_core.models.stage import import_model
from ifrl_core.policy.stage import train_policy
from ifrl_core.promotion.champion import split_tags
from ifrl_core.promotion.version_metrics import policy_metrics, reward_model_metrics
from ifrl_core.report.stage import write_report
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.rewards.problems.stage import make_problems
from ifrl_core.rewards.writing import has_decayed
from ifrl_core.rollouts.histories import make_histories, make_histories_after
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.seeds.stage import make_seeds
from ifrl_core.stages.stage import Stage, part_of
from ifrl_core.warm_start.stage import train_warm_start
from tasks import registry

log = logging.getLogger("ifrl_core.labels.rounds")


def dataset(run: Run) -> Refs:
    """seeds, model -> instructions -> prompts -> rollouts -> labels."""
    refs = run.stage(make_seeds, {})
    return label_seeds(run, refs | run.stage(import_model, {}))


def label_seeds(run: Run, refs: Refs) -> Refs:
    """instructions -> prompts -> rollouts -> labels. refs: seeds, and the model that answers."""
    refs = refs | run.stage(measure_pass_rates, refs)
    writer = run.stage(import_writer, {}).get(import_writer.output, refs["model"])
    refs |= run.stage(make_instructions, refs | {"model": writer})
    refs |= run.stage(make_prompts, refs)
    refs |= _label(run, refs)
    return refs | run.stage(make_problems, {})


def train(run: Run, refs: Refs) -> Refs:
    """The reward model and the policy of the last round whose labels were no worse than those of the round before.

    The reward model is trained from the base model in every round, the policy from the policy of the round before.
    """
    of_base = {name: ref for name, ref in refs.items() if name == make_histories.output}
    refs = _train_round(run, refs, refs["model"])
    for number in range(2, run.config.rounds + 1):
        labelled = _label(run, refs | {"model": refs["policy"]}, number)
        if is_worse(*(run.store.manifest(ref).figures for ref in (labelled["labels"], refs["labels"]))):
            log.warning("round %d ends the loop: its labels agree less with the rules than those before", number)
            break
        refs = _train_round(run, refs | labelled, refs["policy"], number)
    return refs | of_base  # which the base model is measured with


def _label(run: Run, refs: Refs, number: int = 1) -> Refs:
    """Rollouts of refs["model"] and their pseudo-labels; before them, where the recipe asks for it, its own histories."""
    histories = run.stage(make_histories, refs, number=number)
    refs = _asked(refs | histories)
    answers = histories | run.stage(make_rollouts, refs, number=number)
    return answers | run.stage(make_labels, refs | answers, number=number)


def _asked(refs: Refs, histories: str = make_histories.output) -> Refs:
    """With the prompts that are asked: those with the histories of that name, where there are any."""
    return refs | {"prompts": refs.get(histories, refs["prompts"])}


def _train_round(run: Run, refs: Refs, start: ArtifactRef, number: int = 1) -> Refs:
    """The reward model of refs["labels"], and the policy that it makes of the model `start`, in the first round after a warm
    start where the recipe asks for one."""
    answered = _asked(refs)
    refs = refs | _evolve(run, refs, number)
    refs |= run.stage(train_reward_model, refs, number=number)
    if number == 1 and (warm := run.stage(train_warm_start, answered | {"model": start})):
        refs |= warm
        start = warm[train_warm_start.output]
    asked = {"prompts": refs.get(evolve_prompts.output, answered["prompts"])}
    return refs | run.stage(train_policy, refs | asked | {"model": start}, number=number)


def _evolve(run: Run, refs: Refs, number: int) -> Refs:
    """What a recipe trains on in the place of the prompts that refs["rollouts"] are answers to; nothing: on what it did.

    The instructor starts from the base model and goes on from itself. Once it writes worse than in the round before, what it
    wrote then is trained on again.
    """
    taught = run.stage(train_instructor, refs | {"model": refs.get("instructor", refs["model"])}, number=number)
    evolved = run.stage(write_instructions, refs | taught, number=number) if taught else {}
    evolved |= run.stage(evolve_instructions, refs, number=number)
    if not evolved:
        return {}
    if taught and number > 1 and _writes_worse(run, evolved, refs):
        log.warning("round %d: the instructor writes worse than in the round before, and is left as it was", number)
        return {}
    written = {"instructions": evolved[evolve_instructions.output]}
    return taught | evolved | run.stage(evolve_prompts, refs | written, number=number)


def _writes_worse(run: Run, evolved: Refs, earlier: Refs) -> bool:
    now, before = (
        run.store.manifest(refs[evolve_instructions.output]).figures["writing"] for refs in (evolved, earlier)
    )
    return has_decayed(now, before)


def evaluate(run: Run, refs: Refs) -> Refs:
    """The base model and the policy on the same prompts and benchmarks, then their comparison, and what is known of soft
    constraints."""
    refs = refs | run.stage(evaluate_before, _asked(refs))
    of_policy = refs | {"model": refs["policy"]}
    own = run.stage(make_histories_after, of_policy)
    refs |= own | run.stage(evaluate_after, _asked(of_policy | own, make_histories_after.output))
    if train_warm_start.output in refs:
        refs |= run.stage(evaluate_warm_start, _asked(refs) | {"model": refs[train_warm_start.output]})
        refs |= run.stage(compare_warm_start, {"before": refs["before"], "after": refs[evaluate_warm_start.output]})
    refs |= run.stage(import_judge, {})
    for label in asked_benchmarks(run.config):
        source = import_benchmark if label != GENERAL_LABEL else make_general_rows
        refs |= run.stage(source, refs, part=label)
        for answers, judgements, model in (
            (answers_before, judgements_before, refs["model"]),
            (answers_after, judgements_after, refs["policy"]),
        ):
            refs |= judged(run, label, refs, model, answers, judgements)
    refs |= run.stage(compare, refs)
    return refs | run.stage(audit_soft, refs)


def judged(run: Run, label: str, refs: Refs, model: ArtifactRef | None, answers: Stage, judgements: Stage) -> Refs:
    """A model's answers (None: those of a file) to the rows of a benchmark, and their worth. refs: the rows, and the judge
    where one is asked."""
    asked = {"benchmark": refs[part_of("benchmark", label)]}
    given = run.stage(answers, asked | ({} if model is None else {"model": model}), part=label)
    judge = {"judge": refs["judge"]} if asks_judge(label, run.config) else {}
    return given | run.stage(judgements, asked | judge | {"answers": given[part_of(answers.output, label)]}, part=label)


def register(run: Run, refs: Refs) -> list[dict[str, str]]:
    """Both models as MLflow versions with an alias, their main figures beside them. refs: all that was evaluated."""
    names = run.config.registry
    comparison, quality, soft = (
        run.store.manifest(refs[name]).figures for name in ("comparison", "reward_model", "soft_audit")
    )
    models = [
        (refs["reward_model"], names.reward_model_name, reward_model_metrics(quality, soft)),
        (refs["policy"], names.policy_name, policy_metrics(comparison, soft)),
    ]
    return [
        registry.register_model(
            ref,
            name=name,
            alias=names.alias,
            run=run.tracker.run,
            metrics=metrics,
            tags=split_tags(run.config),
        )
        for ref, name, metrics in models
    ]


def report(run: Run, refs: Refs) -> Refs:
    """The page of everything that the run made; of several rounds, every round's labels, and what an instructor wrote."""
    _, rounds = last_round(run.refs)
    of_rounds = {f"labels_{number}": ref for number, ref in enumerate(rounds, 1)} if len(rounds) > 1 else {}
    numbers = range(1, run.config.rounds + 1)
    written = {number: run.refs.get(label_of(write_instructions.label, number)) for number in numbers}
    of_rounds |= {f"{write_instructions.output}_{number}": ref for number, ref in written.items() if ref is not None}
    return refs | run.stage(write_report, refs | of_rounds)
