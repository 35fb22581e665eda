"""`ifrl score` and `ifrl serve`: a trained reward model over a file, and over HTTP."""

import json
import os
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from flows.cli.options import Override, ReasoningFormat, ReasoningOption, TagsOption, reasoning_from
from ifrl_core.errors import ConfigError
from ifrl_core.settings import configure_environment, store_root

if TYPE_CHECKING:
    from ifrl_core.config import Dtype
    from ifrl_core.reward_model.model.scorer import Scorer

app = typer.Typer()
RECIPE = "demo-cpu"  # its execution, which --set changes
Format = tuple[ReasoningFormat | None, tuple[str, str] | None]  # --reasoning, --tags


class Precision(StrEnum):
    """What the model computes in."""

    bfloat16 = "bfloat16"
    float32 = "float32"


class Engine(StrEnum):
    """What scores a file."""

    transformers = "transformers"
    vllm = "vllm"
    server = "server"


Computed = Annotated[Precision | None, typer.Option(help="Default: bfloat16 where the processor computes in it")]


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="Parquet or JSONL with response, constraint")],
    reward_model: Annotated[str, typer.Option(help="A reward model's folder, or models:/name@alias")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where the rows go, with probability")] = None,
    dtype: Computed = None,
    engine: Annotated[
        Engine, typer.Option(help="server: `ifrl serve` of that model at IFRL_REWARD_MODEL_URL, one or several")
    ] = Engine.transformers,
    reasoning: ReasoningOption = None,
    tags: TagsOption = None,
    rows_per_shard: Annotated[
        int, typer.Option(min=1, help="A file of more rows is scored shard by shard, by a run that a kill costs one")
    ] = 10_000,
    overrides: Override = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts for scripts")] = False,
) -> None:
    """Probabilities that responses satisfy constraints: the same rows in the same order, plus `probability`.

    Responses are read as those that the model was trained on: their reasoning is cut off. --set execution.workers=4 and the
    like say where and how wide the shards of a large file are scored.
    """
    from ifrl_core.row_files import check_paths, has_more_rows, split_name

    stem, suffix = split_name(file)
    target = output or file.with_name(f"{stem}-scored{suffix}")
    check_paths(file, target)  # before the model is loaded
    if engine is Engine.server and dtype:
        raise ConfigError(f"--dtype {dtype.value} is for a model that is loaded here: give it to `ifrl serve`")
    if overrides or has_more_rows(file, rows_per_shard):
        found = _by_a_run(file, target, reward_model, dtype, engine, (reasoning, tags), rows_per_shard, overrides)
    else:
        found = _here(file, target, reward_model, dtype, engine, (reasoning, tags))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from ifrl_core.reward_model.model.files import unscored_lines

    for line in unscored_lines(found["unscored"]):
        typer.echo(line)
    typer.echo(f"{found['scored']} of {found['rows']} rows scored: {target}")


def _here(
    file: Path, target: Path, reward_model: str, dtype: Precision | None, engine: Engine, format: Format
) -> dict[str, Any]:
    """The counts of a file that this process scores in one go."""
    from tqdm import tqdm

    from ifrl_core.reward_model.model.files import score_file
    from ifrl_core.reward_model.model.scorer import OfAnswers
    from ifrl_core.reward_model.model.settings import read_settings

    folder = _folder(reward_model)
    scorer = OfAnswers(_scorer(folder, dtype, engine), reasoning_from(*format, read_settings(folder).reasoning))
    with tqdm(unit=" rows", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return {**asdict(score_file(file, target, scorer, progress=progress)), "output": str(target)}


def _by_a_run(
    file: Path,
    target: Path,
    reward_model: str,
    dtype: Precision | None,
    engine: Engine,
    format: Format,
    rows_per_shard: int,
    overrides: list[str],
) -> dict[str, Any]:
    """The counts of a file that a run of the flow `score` scores; whatever can be refused is, before a server starts."""
    configure_environment()
    from flows.execution.orphans import end_orphaned_servers
    from flows.score import planned
    from flows.score import score as score_flow
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.config.recipes import load_recipe
    from ifrl_core.reward_model.model.settings import read_settings

    named = ["name=score", *overrides]
    config = load_recipe(RECIPE, named)
    ArtifactStore(store_root()).check_writable()
    usual = read_settings(_folder(reward_model)).reasoning
    how: dict[str, Any] = {
        "engine": engine.value,
        "dtype": dtype and dtype.value,
        "reasoning": reasoning_from(*format, usual),
        "rows_per_shard": rows_per_shard,
    }
    planned(config, str(file), reward_model, **how)
    end_orphaned_servers()
    found: dict[str, Any] = score_flow(RECIPE, named, str(file), str(target), reward_model, **how)
    return found


@app.command()
def serve(
    reward_model: Annotated[str, typer.Argument(metavar="DIR", help="A reward model's folder, or models:/name@alias")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one, which is printed")],
    host: Annotated[str, typer.Option(help="The default is reachable from this machine only")] = "127.0.0.1",
    token_env: Annotated[
        str | None, typer.Option(help="Environment variable with the bearer token that clients must send")
    ] = None,
    dtype: Computed = None,
    reasoning: ReasoningOption = None,
    tags: TagsOption = None,
    batch_pairs: Annotated[int, typer.Option(min=1, help="Pairs scored together, when as many wait")] = 64,
    queue_pairs: Annotated[int, typer.Option(min=1, help="Pairs that may wait; more are told to come back")] = 4096,
    max_bytes: Annotated[int, typer.Option(min=1, help="Longest request")] = 1 << 20,
) -> None:
    """The reward model over HTTP: POST /predict, POST /v1/score, GET /health and /metrics. SIGTERM ends it gracefully.

    Reasoning is cut off from what clients send, which may be answers alone; with --reasoning always it is whole responses.
    """
    from ifrl_core.reward_model.model.scorer import OfAnswers
    from ifrl_core.reward_model.model.settings import folder_digest, read_settings
    from ifrl_core.reward_model.serve.app import make_app
    from ifrl_core.reward_model.serve.limits import Limits
    from ifrl_core.reward_model.serve.server import bind, is_loopback, run

    token = _token(token_env)
    bound = bind(host, port)  # before the model is loaded
    if token is None and not is_loopback(bound):
        typer.secho("anyone who reaches this address can use the model: see --token-env", fg="yellow", err=True)
    limits = Limits(body_bytes=max_bytes, queue_pairs=queue_pairs, batch_pairs=batch_pairs)
    folder = _folder(reward_model)
    # The paper's clients, and our trainer, send answers.
    usual = read_settings(folder).reasoning.model_copy(update={"always": False})
    scorer = OfAnswers(_scorer(folder, dtype), reasoning_from(reasoning, tags, usual))
    app = make_app(scorer, limits, model=reward_model, digest=folder_digest(folder), token=token)
    run(app, bound, ready=lambda url: typer.echo(f"serving {reward_model} on {url}"))


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    token = os.environ.get(name, "")
    if not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise ConfigError(f"--token-env {name}: the environment variable {name} has to hold a token in printable ASCII")
    return token


def _folder(uri: str) -> Path:
    from ifrl_core.reward_model.model.files import reward_model_folder

    return reward_model_folder(uri)


def _scorer(folder: Path, dtype: Precision | None, engine: Engine = Engine.transformers) -> "Scorer":
    from ifrl_core.reward_model.open import open_scorer

    if engine is not Engine.server:
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
    return open_scorer(folder, engine.value, dtype=cast("Dtype | None", dtype and dtype.value))
