"""One server for all that a process of the tests forks: it has imported what takes seconds, torch and trl and MLflow."""

import multiprocessing
from multiprocessing import forkserver
from typing import Any

import pytest

from ifrl_core.training.launch import KEEP_MEMORY

PRELOADED = [
    "mlflow.pyfunc",
    "transformers.models.llama.modeling_llama",
    "ifrl_core.evaluation.stage",
    "ifrl_core.policy.process",
    "ifrl_core.policy.stage",
    "ifrl_core.report.stage",
    "ifrl_core.reward_model.train.process",
    "ifrl_core.reward_model.train.stage",
    "tests.flows.forked",  # whose functions forks begin with
]
_SERVER: Any = forkserver._forkserver  # type: ignore[attr-defined]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(PRELOADED)  # of the whole process: the last list counts, so there is only this one


def start_server() -> None:
    """Start it where it does not run, with what a training's memory needs set, which is read when a process starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEEP_MEMORY.items():
            patch.setenv(name, value)
        _SERVER.ensure_running()


def fork_siblings() -> None:
    """In a fork: what it forks comes from the server that it came from. By itself, multiprocessing would start another."""
    _SERVER.ensure_running = lambda: None
