"""The whole pipeline, from instructions to a registered policy and a report; and a flow for each part of it.

A part's flow runs everything it needs first; what is in the store already is taken from there.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, get_args, get_type_hints

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field
from pydantic.fields import FieldInfo

from flows import wiring
from flows.execution.open_run import open_run
from flows.execution.run import Run
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import build_config, load_recipe
from ifrl_core.evaluation.soft_audit import audit_soft
from ifrl_core.plan.disk import training_disk_bytes
from ifrl_core.policy.stage import train_policy
from ifrl_core.report.benchmark_tables import section_metrics, table_rows
from ifrl_core.report.summary import run_summary, summary_markdown
from ifrl_core.reward_model.train.stage import train_reward_model
from ifrl_core.rewards.problems.stage import make_problems
from ifrl_core.stages import registry
from ifrl_core.stages.stage import Stage
from tasks.secrets import load_secrets
from tasks.telling import best_effort

Recipe = Annotated[
    str, Field(description="A shipped recipe's name, or the path of a recipe file on the worker's machine")
]
Overrides = Annotated[list[str], Field(description="Changes to the recipe, one a line, such as policy.max_steps=5")]
Config = Annotated[
    PipelineConfig | None, Field(description="A whole config instead of the recipe; what is left out has its default")
]

# One worker: a shard already uses every core through torch.
_RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=1)


def ifrl_flow(name: str) -> Callable[[Callable[..., Any]], Any]:
    def decorated(function: Callable[..., Any]) -> Any:
        about = inspect.getdoc(function) or ""
        function.__doc__ = about + _form_help(function)
        return flow(
            name=name,
            description=about,
            task_runner=_RUNNER,  # type: ignore[arg-type]
            log_prints=False,
            result_serializer="json",
            persist_result=True,
        )(function)

    return decorated


def _form_help(function: Callable[..., Any]) -> str:
    """The descriptions of a flow's parameters where Prefect's form looks for them: in the docstring."""
    hints = get_type_hints(function, include_extras=True)
    fields = {name: item for name, hint in hints.items() for item in get_args(hint)[1:] if isinstance(item, FieldInfo)}
    return "\n\nArgs:\n" + "".join(f"    {name}: {field.description}\n" for name, field in fields.items())


def choose_config(recipe: str, overrides: list[str], config: PipelineConfig | None) -> PipelineConfig:
    """What a flow's parameters ask for."""
    return build_config(config.model_dump(), overrides) if config else load_recipe(recipe, overrides)


@contextmanager
def started(
    name: str, recipe: str, overrides: list[str], config: PipelineConfig | None, *, until: Stage | None = None
) -> Iterator[Run]:
    """The run of a flow that goes as far as a stage, None: to the last. What these stages need is looked at first."""
    chosen = choose_config(recipe, overrides, config)
    load_secrets()
    plan = registry.look(chosen, until=until)
    trains = train_reward_model.label in plan
    with open_run(name, chosen, plan, need_bytes=training_disk_bytes(plan) if trains else 0) as run:
        yield run


@ifrl_flow("pipeline")
def pipeline(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> dict[str, Any]:  # noqa: B006
    """Instructions -> ladders -> rollouts -> pseudo-labels -> reward model -> GRPO -> evaluation -> registry and report."""
    with started("pipeline", recipe, overrides, config) as run:
        refs = wiring.dataset(run)
        refs = wiring.train(run, refs)
        refs = wiring.evaluate(run, refs)
        versions = wiring.register(run, refs)
        refs = wiring.report(run, refs)
        publish_report(run, versions)
    return {"run": run.name, "report": refs["report"].model_dump(), "registered": versions}


@ifrl_flow("dataset")
def dataset(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> dict[str, Any]:  # noqa: B006
    """Seeds to pseudo-labels."""
    with started("dataset", recipe, overrides, config, until=make_problems) as run:
        refs = wiring.dataset(run)
    return {"run": run.name, "labels": refs["labels"].model_dump()}


@ifrl_flow("reward-model")
def reward_model(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> dict[str, Any]:  # noqa: B006
    """Everything up to the reward model."""
    with started("reward-model", recipe, overrides, config, until=train_reward_model) as run:
        refs = wiring.dataset(run)
        refs |= run.stage(train_reward_model, refs)
    return {"run": run.name, "reward_model": refs["reward_model"].model_dump()}


@ifrl_flow("policy")
def policy(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> dict[str, Any]:  # noqa: B006
    """Everything up to the policy."""
    with started("policy", recipe, overrides, config, until=train_policy) as run:
        refs = wiring.train(run, wiring.dataset(run))
    return {"run": run.name, "policy": refs["policy"].model_dump()}


@ifrl_flow("evaluate")
def evaluate(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> dict[str, Any]:  # noqa: B006
    """Everything up to the comparison of the policy with the base model, and the audit of soft constraints."""
    with started("evaluate", recipe, overrides, config, until=audit_soft) as run:
        refs = wiring.train(run, wiring.dataset(run))
        refs = wiring.evaluate(run, refs)
    return {"run": run.name, "comparison": refs["comparison"].model_dump()}


def publish_report(run: Run, versions: list[dict[str, str]]) -> None:
    """The report beside the parent run in MLflow, with the benchmarks' metrics; its summary as a Prefect artifact, and a
    table of the benchmarks where there are any."""
    report, store = run.refs["report"], run.store
    run.tracker.file(report, "report.html")
    summary = run_summary(run.record("completed"), store)
    sections = store.read_json(report, "report.json").get("benchmarks")
    if sections:
        run.tracker.live(section_metrics(sections), step=0)
    with best_effort("the report"):
        create_markdown_artifact(summary_markdown(summary, versions), key="ifrl-report", description=run.name)
        if sections:
            create_table_artifact(table_rows(sections), key="ifrl-benchmarks", description=run.name)
        if url := run.tracker.url:
            create_link_artifact(url, link_text="MLflow run", key="ifrl-mlflow-run")
