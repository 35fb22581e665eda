"""Running `ifrl` as a user does: in its own process, with its own work folder."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def run(self, *arguments: str, timeout_s: float = 900) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), env=self.env, capture_output=True, text=True, timeout=timeout_s, cwd=REPO
        )

    def summary(self) -> dict[str, Any]:
        done = self.run("report", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def record(self) -> dict[str, Any]:
        latest = max((self.home / "store" / "runs").glob("*.json"))
        found: dict[str, Any] = json.loads(latest.read_text())
        return found
