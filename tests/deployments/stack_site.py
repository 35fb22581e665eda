"""The stack of `make stack` as tests use it: its own ports and state folder, its API, its processes, its logs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from deployments.local_services import PORTS
from tests.flows.workplace import CHEAP_OVERRIDES, REPO
from tests.patience import PATIENCE_S, wait_until
from tests.ports import free_port

FORM_OVERRIDES = [*CHEAP_OVERRIDES, "policy.max_steps=3"]  # what makes of the tiny recipe what the form starts


@dataclass(frozen=True)
class Stack:
    """`env` is the environment of `make stack`; `client` that of a person who has read client.env."""

    state: Path
    env: dict[str, str]
    recipe: str

    @property
    def client(self) -> dict[str, str]:
        script = f'. "{self.state / "client.env"}" && env -0'
        done = subprocess.run(["sh", "-c", script], env=self.env, capture_output=True, check=True, text=True)
        return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)

    @property
    def ui(self) -> str:
        return f"http://localhost:{self.env['IFRL_PREFECT_PORT']}"

    @property
    def mlflow(self) -> str:
        return f"http://localhost:{self.env['IFRL_MLFLOW_PORT']}"

    def make(self, command: str) -> "subprocess.CompletedProcess[str]":
        """What `make stack`, `make stack-down` and `make stack-status` run."""
        arguments = [sys.executable, "-m", "deployments.stack", command]
        return subprocess.run(
            arguments,
            env=self.env,
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A program of the environment (prefect, ifrl) as a person runs it."""
        command = [str(Path(sys.executable).parent / arguments[0]), *arguments[1:]]
        return subprocess.run(command, env=self.client, capture_output=True, text=True, cwd=REPO, timeout=PATIENCE_S)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return post(f"{self.ui}/api{path}", body or {})

    def answers(self) -> bool:
        """Whether the Prefect server, and the database behind it, does."""
        try:
            self.ask("/flow_runs/count")
        except OSError:
            return False
        return True

    def start_run(self, deployment: str, parameters: dict[str, Any]) -> str:
        """The id of a new flow run."""
        flow, name = deployment.split("/")
        found = self.ask(
            "/deployments/filter", {"deployments": {"name": {"any_": [name]}}, "flows": {"name": {"any_": [flow]}}}
        )
        made = self.ask(f"/deployments/{found[0]['id']}/create_flow_run", {"parameters": parameters})
        return str(made["id"])

    def flow_run(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [identity]}}})[0]
        return found

    def task_states(self, identity: str) -> dict[str, list[str]]:
        """State names of a run's task runs by stage, the latest attempt last."""
        body = {"flow_runs": {"id": {"any_": [identity]}}, "limit": 200, "sort": "EXPECTED_START_TIME_ASC"}
        states: dict[str, list[str]] = {}
        for item in self.ask("/task_runs/filter", body):
            states.setdefault(item["name"], []).append(item["state"]["name"])
        return states

    def wait_for_run(self, identity: str) -> dict[str, Any]:
        """The run once it is Completed; a server that is away for a moment is asked again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                run = self.flow_run(identity)
            except OSError:
                run = {"state_type": "no answer", "state_name": "no answer"}
            if run["state_type"] == "COMPLETED":
                return run
            assert time.monotonic() < end, f"{run['state_name']}: {self.log('worker')[-3000:]}"
            assert run["state_type"] not in {"FAILED", "CANCELLED"}, (
                f"{run['state']['message']} {self.log('worker')[-3000:]}"
            )
            time.sleep(0.5)

    def wait_for(self, found: Callable[[], object], what: str, about: Callable[[], str] = lambda: "") -> None:
        wait_until(found, lambda: f"{what} never came: {about()} {self.log('worker')[-2000:]}")

    def pid(self, service: str) -> int:
        """Of a service's process; 0 while it is between two."""
        try:
            return int(self.supervise("pid", service))
        except subprocess.CalledProcessError:  # how supervisorctl says that it does not run
            return 0

    def supervise(self, *arguments: str) -> str:
        """What the supervisor says to a command of its control program (pid, stop, start and a service)."""
        control = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.state / "supervisord.conf")]
        return subprocess.run([*control, *arguments], capture_output=True, text=True, check=True).stdout

    def flow_process(self, identity: str) -> psutil.Process | None:
        """The process that executes a flow run."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("PREFECT__FLOW_RUN_ID") == identity and "prefect" in " ".join(
                    process.cmdline()
                ):
                    return process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return None

    def log(self, service: str) -> str:
        return (self.state / "logs" / f"{service}.log").read_text(errors="replace")


def post(url: str, body: dict[str, Any]) -> Any:
    request = Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def mlflow_runs(stack: Stack, identity: str) -> list[dict[str, Any]]:
    """MLflow's runs of one flow run: parents and their children, as {name, status, parent}."""
    url = f"{stack.mlflow}/api/2.0/mlflow"
    experiments = post(f"{url}/experiments/search", {"max_results": 100})["experiments"]
    ids = [item["experiment_id"] for item in experiments]
    runs = post(f"{url}/runs/search", {"experiment_ids": ids, "max_results": 1000}).get("runs", [])
    parents = {run["info"]["run_id"] for run in runs if _tag(run, "prefect.flow_run_id") == identity}
    kept = [run for run in runs if run["info"]["run_id"] in parents or _tag(run, "mlflow.parentRunId") in parents]
    return [
        {
            "id": run["info"]["run_id"],
            "name": run["info"]["run_name"],
            "status": run["info"]["status"],
            "parent": _tag(run, "mlflow.parentRunId"),
        }
        for run in kept
    ]


def changed_run(stack: Stack, base: Sequence[str] = FORM_OVERRIDES, **values: str) -> str:
    """A new run of the tiny recipe with `base`, in which only what lies below the policy has to be computed."""
    changes = [f"{name.replace('__', '.')}={value}" for name, value in values.items()]
    return stack.start_run("pipeline/pipeline", {"recipe": stack.recipe, "overrides": [*base, *changes]})


def nothing_is_left_or_doubled(stack: Stack, identity: str) -> None:
    """What was done before is Cached, MLflow has one finished run of each stage, and nothing runs or holds a slot."""

    def unfinished() -> dict[str, list[str]]:
        return {
            name: all_ for name, all_ in stack.task_states(identity).items() if all_[-1] not in {"Completed", "Cached"}
        }

    # The server learns of a task's end by an event, which it may write down after the run's own end.
    stack.wait_for(lambda: not unfinished(), "the end of every task", lambda: str(unfinished()))
    runs = mlflow_runs(stack, identity)
    assert not [run for run in runs if run["status"] == "RUNNING"], runs
    parents = [run["id"] for run in runs if run["parent"] is None and run["status"] == "FINISHED"]
    assert len(parents) == 1, runs
    stages = [run["name"] for run in runs if run["parent"] == parents[0]]
    assert len(stages) == len(set(stages))
    running = stack.ask("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}})
    assert not running
    assert not slots_taken(stack)


def slots_taken(stack: Stack) -> int:
    return sum(limit["active_slots"] for limit in stack.ask("/v2/concurrency_limits/filter"))


def _tag(run: dict[str, Any], name: str) -> str | None:
    return next((tag["value"] for tag in run["data"].get("tags", []) if tag["key"] == name), None)


@contextmanager
def running_stack(recipe: str, **env: str) -> Iterator[Stack]:
    """`make stack` with an empty state folder; stopped and removed afterwards. Its runs are of `recipe`."""
    # Not under pytest's folder: Postgres runs as a user who cannot look into that of root.
    state = Path(tempfile.mkdtemp(prefix="ifrl-stack-"))
    state.chmod(0o711)
    kept = {name: value for name, value in os.environ.items() if not re.match("PREFECT_|MLFLOW_|IFRL_|AWS_", name)}
    ports = {name: str(free_port()) for name in PORTS}
    python_path = os.pathsep.join([str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])])
    stack = Stack(state, {**kept, **ports, "IFRL_STACK": str(state), "PYTHONPATH": python_path, **env}, recipe)
    try:
        yield stack
    finally:
        stack.make("down")
        shutil.rmtree(state, ignore_errors=True)
