"""The stack as a team uses it: up, a run from the form in a browser, MLflow's pages, a kill, no secret anywhere.

The soak goes on: every kill, every server killed, down and up, back-up and restore.

The tests of this file run in their order on one stack: each starts where the one before ended.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.local_services import postgres_programs
from tests.browser import browser_context, text_with
from tests.deployments.conftest import PLANTED
from tests.deployments.stack_site import (
    FORM_OVERRIDES,
    Stack,
    changed_run,
    kill,
    mlflow_runs,
    nothing_is_left_or_doubled,
    slots_taken,
)
from tests.flows.site import watched
from tests.flows.workplace import REPO
from tests.patience import PATIENCE_S, wait_until
from tests.soak import campaign_seed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.e2e, pytest.mark.server]

NO_PAGE = "about:blank"  # a run's graph is drawn all the time, which takes most of a core
SERVERS = ("postgres", "s3", "mlflow", "prefect")


@pytest.fixture(scope="module")
def page() -> "Iterator[Page]":
    # The run graph is drawn with WebGL, in software here.
    drawing = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
    with browser_context(*drawing, viewport={"width": 1200, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def run_from_form(stack: Stack, page: "Page", screenshots: Path) -> str:
    """A run that was started in the UI's form with one nested field changed; its id, once it is Completed."""
    found = stack.ask("/deployments/filter", {"deployments": {"name": {"any_": ["tiny"]}}})[0]
    page.goto(f"{stack.ui}/deployments/deployment/{found['id']}/run")
    name = page.get_by_text("Max Steps (Optional)")
    name.wait_for()
    field = name.locator("xpath=ancestor::div[contains(concat(' ', @class, ' '), ' schema-form-property ')][1]//input")
    wait_until(lambda: field.input_value() == "2", field.input_value)
    field.fill("3")
    field.evaluate("input => input.scrollIntoView({block: 'center'})")
    page.screenshot(path=screenshots / "run-form.png")
    page.get_by_role("button", name="Submit").click()
    stack.wait_for(lambda: runs_of(stack, found["id"]), "the run of the form")
    page.goto(NO_PAGE)
    identity = str(runs_of(stack, found["id"])[0]["id"])
    run = stack.wait_for_run(identity)
    assert run["parameters"]["config"]["policy"]["max_steps"] == 3
    return identity


def runs_of(stack: Stack, deployment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.ask("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
    return found


def test_up_says_where_everything_is_and_all_services_run(stack: Stack) -> None:
    said = (stack.state / "up.txt").read_text()
    for line in (f"prefect    {stack.ui}", f"mlflow     {stack.mlflow}", f"shell      . {stack.state / 'client.env'}"):
        assert line in said
    status = stack.make("status")
    assert status.returncode == 0, status.stdout
    assert {line.split()[0] for line in status.stdout.splitlines()} == {*SERVERS, "worker"}
    again = stack.make("up")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.browser
def test_a_run_of_the_form_completes_and_shows_its_graph_and_artifacts(
    stack: Stack, page: "Page", run_from_form: str, screenshots: Path
) -> None:
    page.goto(f"{stack.ui}/runs/flow-run/{run_from_form}")
    text_with(page, "Completed")
    page.wait_for_timeout(3000)  # the graph is a canvas, which has no text to wait for
    page.screenshot(path=screenshots / "run-graph.png")
    page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).last.click()
    text_with(page, "ifrl-report")
    page.set_viewport_size({"width": 1200, "height": 2400})  # what is out of sight is not loaded
    text_with(page, "progress-policy")
    page.screenshot(path=screenshots / "run-artifacts.png")
    page.set_viewport_size({"width": 1200, "height": 800})


@pytest.mark.browser
def test_mlflow_shows_parent_and_children_curves_the_report_and_the_model(
    stack: Stack, page: "Page", run_from_form: str, screenshots: Path
) -> None:
    runs = mlflow_runs(stack, run_from_form)
    parent = next(run for run in runs if run["parent"] is None)
    policy = next(run for run in runs if run["name"] == "policy")
    experiment = stack.call("mlflow", "experiments", "search").stdout
    number = next(line.split()[0] for line in experiment.splitlines() if " ifrl " in line)
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs")
    text_with(page, parent["name"])
    page.get_by_role("button", name="Close").last.click()  # an assistant of MLflow's that covers the table
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs/{parent['id']}")
    for name in ("Child runs", "rollouts", "reward-model", "policy", "report"):
        text_with(page, name)
    page.wait_for_timeout(1000)
    page.screenshot(path=screenshots / "mlflow-runs.png")
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs/{policy['id']}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("reward")
    text_with(page, "Step")
    page.wait_for_timeout(2000)
    page.screenshot(path=screenshots / "mlflow-curves.png")
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs/{parent['id']}/artifacts")
    text_with(page, "report.html")
    page.goto(f"{stack.mlflow}/#/models/ifrl-policy")
    assert "challenger" in text_with(page, "challenger")
    page.screenshot(path=screenshots / "mlflow-model.png")


@pytest.mark.browser
def test_a_benchmark_starts_from_its_form_and_shows_its_table_and_its_page(
    stack: Stack, page: "Page", run_from_form: str, screenshots: Path
) -> None:
    found = stack.ask("/deployments/filter", {"deployments": {"name": {"any_": ["tiny-benchmark"]}}})[0]
    page.goto(f"{stack.ui}/deployments/deployment/{found['id']}/run")
    for field in ("recipe (Optional)", "models (Optional)", "benchmarks (Optional)"):
        text_with(page, field)
    page.screenshot(path=screenshots / "benchmark-form.png")
    page.get_by_role("button", name="Submit").click()
    stack.wait_for(lambda: runs_of(stack, found["id"]), "the run of the form")
    page.goto(NO_PAGE)
    identity = str(runs_of(stack, found["id"])[0]["id"])
    stack.wait_for_run(identity)
    page.goto(f"{stack.ui}/runs/flow-run/{identity}")
    page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).last.click()
    text_with(page, "ifrl-benchmarks")
    own = {"flow_runs": {"id": {"any_": [identity]}}, "artifacts": {"key": {"any_": ["ifrl-benchmarks"]}}}
    table = stack.ask("/artifacts/filter", own)[0]
    page.goto(f"{stack.ui}/artifacts/artifact/{table['id']}")
    text_with(page, "inst_strict")
    page.screenshot(path=screenshots / "benchmark-table.png")
    runs = mlflow_runs(stack, identity)
    parent = next(run for run in runs if run["parent"] is None)
    assert {"benchmark.ifeval", "benchmark-report.all"} <= {run["name"] for run in runs}
    experiment = stack.call("mlflow", "experiments", "search").stdout
    number = next(line.split()[0] for line in experiment.splitlines() if " ifrl " in line)
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs/{parent['id']}/artifacts")
    text_with(page, "report.html")
    page.goto(f"{stack.mlflow}/#/experiments/{number}/runs/{parent['id']}")
    text_with(page, "benchmark/ifeval/prompt_strict")
    page.screenshot(path=screenshots / "benchmark-mlflow.png")
    page.goto(NO_PAGE)


def test_the_command_line_reaches_the_same_store_and_computes_nothing_again(stack: Stack, run_from_form: str) -> None:
    given = ["-p", f"recipe={stack.recipe}", "-p", f"overrides={json.dumps(FORM_OVERRIDES)}"]
    command = ("prefect", "--no-prompt", "deployment", "run", "pipeline/pipeline", *given, "--watch")
    done = watched(lambda: stack.call(*command))
    assert done.returncode == 0, done.stdout + done.stderr
    report = stack.call("ifrl", "report", "--json")
    assert report.returncode == 0, report.stderr
    assert '"cached": false' not in report.stdout


def kill_and_wait(stack: Stack, killed: tuple[str, ...], **changes: str) -> None:
    """Kill parts of a run in its policy stage, and see that it costs the run only time."""
    identity = changed_run(stack, **changes)
    stack.wait_for(lambda: "policy" in stack.task_states(identity), "the policy stage")
    process = stack.flow_process(identity)
    assert process is not None
    pids = {"flow process": process.pid, "worker": stack.pid("worker")}
    for name in killed:
        kill(pids[name])
    run = stack.wait_for_run(identity)
    assert run["run_count"] == 2
    stack.wait_for(lambda: not slots_taken(stack), "a free slot")
    nothing_is_left_or_doubled(stack, identity)


KILLS = [("flow process",), ("worker",), ("worker", "flow process")]


def test_what_is_killed_costs_a_run_only_time(stack: Stack, run_from_form: str) -> None:
    """One of the kills, drawn by IFRL_SOAK_SEED; the soak has all of them."""
    killed = KILLS[campaign_seed() % len(KILLS)]
    kill_and_wait(stack, killed, policy__learning_rate="2e-5")


@pytest.mark.soak
@pytest.mark.parametrize("killed", KILLS, ids=["flow process", "worker", "both"])
def test_each_kill_costs_a_run_only_time(stack: Stack, run_from_form: str, killed: tuple[str, ...]) -> None:
    rate = f"{4 + KILLS.index(killed)}e-5"  # a rate of its own makes the policy something new
    kill_and_wait(stack, killed, policy__learning_rate=rate)


@pytest.mark.soak
def test_killed_servers_are_started_again_and_the_run_completes(
    stack: Stack, run_from_form: str, soak_random: random.Random
) -> None:
    """One after the other, in an order drawn by the seed, while the policy trains, which takes longer than all of them."""
    identity = changed_run(stack, policy__learning_rate="3e-5", policy__max_steps="40")
    stack.wait_for(lambda: "policy" in stack.task_states(identity), "the policy stage")
    for name in soak_random.sample(SERVERS, len(SERVERS)):
        before = stack.pid(name)
        kill(before)
        stack.wait_for(lambda name=name, before=before: stack.pid(name) not in {0, before}, f"a new {name}")  # type: ignore[misc]
        stack.wait_for(stack.answers, f"an answer after the end of {name}")
    stack.wait_for_run(identity)
    nothing_is_left_or_doubled(stack, identity)


def test_killed_servers_come_back_with_all_they_hold(stack: Stack, run_from_form: str) -> None:
    """All at once, while nothing runs; the soak kills them under a run, and takes the stack down and up."""
    before, pids = mlflow_runs(stack, run_from_form), {name: stack.pid(name) for name in SERVERS}
    for pid in pids.values():
        kill(pid)
    for name, pid in pids.items():
        stack.wait_for(lambda name=name, pid=pid: stack.pid(name) not in {0, pid}, f"a new {name}")  # type: ignore[misc]
    assert_state_is_kept(stack, run_from_form, before)


@pytest.mark.soak
def test_down_and_up_keep_all_state(stack: Stack, run_from_form: str) -> None:
    before = mlflow_runs(stack, run_from_form)
    down = stack.make("down")
    assert down.returncode == 0, down.stderr
    assert stack.make("status").returncode == 1
    assert_state_is_kept(stack, run_from_form, before)


def assert_state_is_kept(stack: Stack, run: str, mlflow: list[dict[str, Any]]) -> None:
    """Once everything is healthy again, the run is there with what MLflow had of it, and its report."""
    up = stack.make("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert stack.flow_run(run)["state_type"] == "COMPLETED"
    assert mlflow_runs(stack, run) == mlflow
    report = stack.call("ifrl", "report", "--json")
    assert report.returncode == 0, report.stderr


def documented(stack: Stack, folder: Path, number: int) -> None:
    """Run the very commands of docs/operate.md (0: back up, 1: restore), with `make stack` replaced by what it runs."""
    page = (REPO / "docs" / "operate.md").read_text().split("## Back up and restore")[1]
    script = "set -eu\n" + page.split("```sh\n")[1 + number].split("```")[0]
    script = script.replace("make stack\n", f"{sys.executable} -m deployments.stack up\n")
    programs = os.pathsep.join([str(Path(sys.executable).parent), str(postgres_programs()), stack.env["PATH"]])
    env = {**stack.env, "PATH": programs, "BACKUP": str(folder)}
    done = subprocess.run(["sh", "-c", script], env=env, cwd=REPO, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_back_up_holds_both_databases_and_every_object(stack: Stack, run_from_form: str, tmp_path: Path) -> None:
    """The soak restores one after everything is lost."""
    documented(stack, tmp_path / "backup", 0)
    for name, table in (("prefect", "flow_run"), ("mlflow", "registered_models")):
        restore = [str(postgres_programs() / "pg_restore"), "--list", str(tmp_path / "backup" / f"{name}.dump")]
        assert (
            f"TABLE DATA public {table} " in subprocess.run(restore, capture_output=True, check=True, text=True).stdout
        )
    for kept, place in (("s3", stack.state / "data" / "s3"), ("secrets", stack.state / "secrets")):
        assert sizes(tmp_path / "backup" / kept) == sizes(place)


def sizes(folder: Path) -> dict[Path, int]:
    return {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


@pytest.mark.soak
def test_a_back_up_is_restored_after_everything_is_lost(stack: Stack, run_from_form: str, tmp_path: Path) -> None:
    before = mlflow_runs(stack, run_from_form)
    documented(stack, tmp_path / "backup", 0)
    assert stack.make("down").returncode == 0
    for name in ("postgres", "data", "secrets"):
        shutil.rmtree(stack.state / name)
    documented(stack, tmp_path / "backup", 1)
    assert stack.flow_run(run_from_form)["state_type"] == "COMPLETED"
    assert mlflow_runs(stack, run_from_form) == before
    verified = stack.call("ifrl", "store", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_no_secret_is_in_a_log_a_database_or_an_object(stack: Stack, run_from_form: str) -> None:
    """After runs and a crash with its notification: all logs, both databases, all objects, all command lines."""
    own = {path.name: path.read_text() for path in (stack.state / "secrets").iterdir()}
    assert set(own) == {"PGPASSWORD", "AWS_SECRET_ACCESS_KEY"}
    values = [value.encode() for value in (*own.values(), *PLANTED.values())]
    seen: dict[str, bytes] = {"supervisord.conf": (stack.state / "supervisord.conf").read_bytes()}
    for name in ("prefect", "mlflow"):
        dump = [str(postgres_programs() / "pg_dump"), "--host", "127.0.0.1", "--username", "ifrl", name]
        env = {**stack.env, "PGPASSWORD": own["PGPASSWORD"], "PGPORT": stack.env["IFRL_POSTGRES_PORT"]}
        done = subprocess.run(dump, env=env, capture_output=True, check=True)
        assert len(done.stdout) > 10_000
        seen[f"database {name}"] = done.stdout
    files = [path for folder in ("logs", "data") for path in (stack.state / folder).rglob("*") if path.is_file()]
    for path in files:
        with suppress(FileNotFoundError):  # the services go on, and rename and remove files
            seen |= {str(path): path.read_bytes()} if path.stat().st_size < 20_000_000 else {}
    seen["processes"] = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    assert any("progress" in name or name.endswith(".html") for name in seen)
    leaks = {name for name, text in seen.items() for value in values if value in text}
    assert not leaks


def test_a_port_in_use_is_named_and_so_is_the_way_out(stack: Stack, tmp_path: Path) -> None:
    env = {**stack.env, "IFRL_STACK": str(tmp_path / "other")}
    command = [sys.executable, "-m", "deployments.stack", "up"]
    done = subprocess.run(command, env=env, cwd=REPO, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert f"port {stack.env['IFRL_POSTGRES_PORT']} is in use" in done.stderr
    assert "IFRL_POSTGRES_PORT=PORT" in done.stderr
