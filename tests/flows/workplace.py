"""Running `ifrl` as a user does: in its own process, with its own work folder."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.flows.forked import run_forked
from tests.flows.servers import ask
from tests.patience import PATIENCE_S

TINY = str(Path(__file__).parent / "tiny.yaml")
# What halves the time of the tiny recipe's trainings, and the disk they take, where it does not matter what comes of them.
CHEAP_OVERRIDES = ("reward_model.layers=1", "reward_model.baselines=false", "policy.trained_layers=1")
CHEAP = tuple(part for override in CHEAP_OVERRIDES for part in ("--set", override))
REPO = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Workplace:
    """A user's machine: a work folder and the environment that points to it."""

    home: Path
    env: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        log = (self.home.parent / "ifrl.log").open("a")
        return subprocess.Popen(self.command(*arguments), env=self.env, stdout=log, stderr=log, text=True, cwd=REPO)

    def run(self, *arguments: str, timeout_s: float = PATIENCE_S) -> "subprocess.CompletedProcess[str]":
        return run_forked(arguments, self.env, timeout_s=timeout_s)

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        """An answer of the Prefect server that the runs of this workplace report to."""
        return ask(self.env["PREFECT_API_URL"], path, body)

    def summary(self) -> dict[str, Any]:
        done = self.run("report", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def records(self) -> list[dict[str, Any]]:
        """The records of all runs, the first one first."""
        return [json.loads(path.read_text()) for path in sorted((self.home / "store" / "runs").glob("*.json"))]

    def record(self) -> dict[str, Any]:
        return self.records()[-1]


def trainings_of(process: psutil.Process) -> list[psutil.Process]:
    """The training processes below a process, launchers included, the inner ones last."""
    trainings = []
    for child in process.children(recursive=True):
        try:
            if {"ifrl_core.policy.process", "ifrl_core.reward_model.train.process"} & set(child.cmdline()):
                trainings.append(child)
        except psutil.NoSuchProcess:
            continue
    return trainings
