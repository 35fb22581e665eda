"""A Prefect server with ifrl on it, asked and commanded as users and CI do."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.flows.servers import ask
from tests.flows.workplace import REPO
from tests.patience import PATIENCE_S, wait_until

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Site:
    """The environment that points to the server (workers get it too), and a folder for logs."""

    env: dict[str, str]
    folder: Path

    @property
    def api(self) -> str:
        return self.env["PREFECT_API_URL"]

    def prefect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, cwd=REPO, timeout=PATIENCE_S)

    def watched(self, deployment: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`prefect deployment run DEPLOYMENT ... --watch`."""
        return watched(lambda: self.prefect("deployment", "run", deployment, *arguments, "--watch"))

    def ifrl(self, *arguments: str, cwd: Path = REPO, **env: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "flows.cli", *arguments]
        environment = {**self.env, "PYTHONPATH": str(REPO), **env}
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd, timeout=PATIENCE_S)

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        return ask(self.api, path, body, method)

    def start(self, deployment: str, **parameters: Any) -> str:
        """Create a run of a deployment; returns its id."""
        flow, name = deployment.split("/")
        found = self.ask(f"/deployments/name/{flow}/{name}", method="GET")
        run = self.ask(f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/flow_runs/{run_id}", method="GET")
        return found

    def state(self, run_id: str) -> str:
        return str(self.run(run_id)["state_type"])

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait for a run's final state."""
        wait_until(lambda: self.state(run_id) in FINAL, lambda: f"{self.run(run_id)['state']}\n{self.logs()}")
        return self.run(run_id)

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def process_of(self, run_id: str) -> psutil.Process:
        """The flow process of a run, once it is there."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [process for process in psutil.process_iter() if _runs(process, run_id)]
            return bool(found)

        wait_until(look, self.logs)
        return found[0]

    @contextmanager
    def worker(self, pool: str, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker that polls every second, ended with the test."""
        with (self.folder / f"worker-{pool}.log").open("a") as log:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
            process = subprocess.Popen(command, env={**self.env, **env}, stdout=log, stderr=log, cwd=REPO)
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(3)  # short: then it is killed
                except subprocess.TimeoutExpired:
                    process.kill()


def make_site(folder: Path, server: dict[str, str], env: dict[str, str]) -> Site:
    return Site({**env, **server, "IFRL_CODE": str(REPO), "PREFECT_WORKER_QUERY_SECONDS": "1"}, folder)


def watched(run: Callable[[], "subprocess.CompletedProcess[str]"]) -> "subprocess.CompletedProcess[str]":
    """`run` starts a run and watches it; it is called again where the watcher lost its connection. Prefect's then ends before
    the run does, or never (issues 19989 and 22549 of Prefect), and its exit code says nothing."""
    for _ in range(3):
        with suppress(subprocess.TimeoutExpired):
            done = run()
            ended_in = re.search(r"Flow run finished in state '(\w+)'", done.stdout + done.stderr)
            if ended_in is None or ended_in[1].upper() in FINAL:
                return done
    raise AssertionError("the watcher lost its connection three times")


def _runs(process: psutil.Process, run_id: str) -> bool:
    try:
        if process.environ().get("PREFECT__FLOW_RUN_ID", "").replace("-", "") != run_id.replace("-", ""):
            return False
        return "prefect.engine" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
