"""`ifrl demo`, `ifrl run` and `ifrl plan`: the whole pipeline of a recipe, and what it takes."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from flows.cli.options import Override, RecipeName
from flows.cli.report import report_path
from ifrl_core.settings import configure_environment, store_root

app = typer.Typer()


@app.command()
def demo(
    overrides: Override = [],  # noqa: B006
    ifeval: Annotated[
        str | None, typer.Option(help="IFEval's input_data.jsonl, to measure it before and after")
    ] = None,
) -> None:
    """The whole pipeline on the embedded model, on a laptop, in minutes."""
    paths = [f"evaluation.ifeval_path={json.dumps(ifeval)}"] if ifeval else []
    _run_pipeline("demo-cpu", [*paths, *overrides])


@app.command()
def run(
    recipe: RecipeName,
    overrides: Override = [],  # noqa: B006
) -> None:
    """Run the whole pipeline of a recipe."""
    _run_pipeline(recipe, overrides)


@app.command()
def plan(
    recipe: RecipeName,
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan for scripts")] = False,
) -> None:
    """What a recipe's training takes: processes, batches, memory, hours; its first prompt; what its held-out sets can show.
    Refuses what cannot work."""
    from ifrl_core.config.recipes import load_recipe
    from ifrl_core.evaluation.suite.beyond_budget import beyond_budget
    from ifrl_core.evaluation.suite.to_plan import planned_benchmarks
    from ifrl_core.instructions.budget import answer_budget
    from ifrl_core.instructions.fitting import count_too_long
    from ifrl_core.instructions.types import check_types, count_not_askable
    from ifrl_core.models.looks.at_hand import folder_at_hand, look_at_hand, tokenizer_at_hand
    from ifrl_core.models.looks.chat import first_prompt
    from ifrl_core.models.reasoning import reasoning_at_hand
    from ifrl_core.plan.plan import make_plan
    from ifrl_core.plan.text import plan_lines, prompt_lines, reasoning_line, seeds_lines, uncounted_lines
    from ifrl_core.policy.dialogs import answers_of
    from ifrl_core.promotion.power import gate_power, power_lines
    from ifrl_core.seeds.read import read_seeds

    config = load_recipe(recipe, overrides)
    check_types(config)
    look_at_hand(config.model)
    benchmarks = list(planned_benchmarks(config))
    tokenizer, prompt, too_long, not_askable = tokenizer_at_hand(config.model), None, 0, 0
    dialogs, turns = config.policy.turns == "all", [1]
    if dialogs or tokenizer is not None:
        seeds, _ = read_seeds(config.seeds.files, builtin=config.seeds.builtin)
    if dialogs:
        turns = [answers_of(seed.conversation.messages) for seed in seeds]
    recipe_plan = make_plan(config, benchmarks, turns)
    if tokenizer is not None:
        not_askable = count_not_askable(config, [seed.conversation for seed in seeds])
        prompt = first_prompt(tokenizer, seeds[0].text, config.model, conversation=seeds[0].messages)
        too_long = count_too_long(folder_at_hand(config.model), seeds, config.rollouts.max_tokens)
    budget, beyond = answer_budget(config), beyond_budget(config)
    power, reasoning = gate_power(config), reasoning_at_hand(config)
    if as_json:
        further: dict[str, Any] = {
            "power": [asdict(question) for question in power],
            "first_prompt": prompt and asdict(prompt),
        }
        of_answers = {"reasoning": reasoning.model_dump() if reasoning else None, "seeds_too_long": too_long}
        of_answers |= {"seeds_not_askable": not_askable}
        further |= {"benchmarks": [asdict(benchmark) for benchmark in benchmarks]}
        further |= {"answer_budget": asdict(budget), "beyond_budget": beyond}
        typer.echo(json.dumps({**asdict(recipe_plan), **further, **of_answers}, indent=2))
        return
    lengths = [f"asked for   at most {budget} an answer", *(f"files       {line}" for line in beyond)]
    unknown = [f"answers.{item.label}" for item in benchmarks if item.answers is None]
    lines = [
        *plan_lines(recipe_plan),
        *uncounted_lines(unknown),
        *power_lines(power),
        reasoning_line(reasoning),
        *lengths,
    ]
    lines += [*prompt_lines(prompt), *seeds_lines(too_long, not_askable)]
    typer.echo("\n".join(lines))


def _run_pipeline(recipe: str, overrides: list[str]) -> None:
    configure_environment()
    from ifrl_core.config.recipes import load_recipe

    config = load_recipe(recipe, overrides)  # before anything is imported or started: a typo costs no minute
    from flows.execution.orphans import end_orphaned_servers
    from flows.pipeline import pipeline
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.evaluation.suite.beyond_budget import beyond_budget
    from ifrl_core.report.summary import run_summary
    from ifrl_core.stages import registry
    from ifrl_core.stages.runs import load_record

    store = ArtifactStore(store_root())
    store.check_writable()
    registry.look(config)
    for line in beyond_budget(config):
        typer.secho(line, fg="yellow", err=True)
    end_orphaned_servers()
    result = pipeline(recipe=recipe, overrides=overrides)
    record = load_record(store, result["run"])
    _print_end(record, run_summary(record, store), report_path(record, store), result["registered"])


def _print_end(record: dict[str, Any], summary: dict[str, Any], path: str, versions: list[dict[str, str]]) -> None:
    stages, scripts = record["stages"], Path(sys.executable).parent
    cached = [name for name, stage in stages.items() if stage["cached"]]
    from_cache = f", {len(cached)} from cache ({', '.join(cached)})" if cached else ""
    # Prefect's temporary server ends with the run; its database stays.
    server = f"PREFECT_HOME={quote(os.environ['PREFECT_HOME'])} {quote(str(scripts / 'prefect'))} server start"
    ui = f"{quote(str(scripts / 'mlflow'))} ui --backend-store-uri {quote(record['mlflow']['uri'])}"
    lines = [
        f"run        {record['run']}: {record['seconds']:.0f} s, peak memory {record['peak_rss_mb'] / 1024:.1f} GiB",
        f"stages     {len(stages) - len(cached)} computed{from_cache}",
        f"gain       {_gain_line(summary)}",
        *(f"model      {item['uri']} (version {item['version']})" for item in versions),
        f"mlflow     {record['mlflow']['url'] or ui}",
        f"prefect    {record['prefect']['url'] or server}",
        f"report     {path}",
    ]
    typer.echo("\n" + "\n".join(lines))


def _gain_line(summary: Mapping[str, Any]) -> str:
    gain, of = summary["gain"], "hard constraints"
    if gain is None:
        gain, of = summary["soft_gain_by_instruments"], "soft constraints, by instruments,"
    if gain is None:
        return "not measured: the held-out instructions have no hard constraint, and no soft one with an instrument"
    interval = f"{gain['mean']:+.1f} points [{gain['low']:+.1f}, {gain['high']:+.1f}]"
    return f"{interval} in satisfaction of {of} on held-out instructions"
