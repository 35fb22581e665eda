"""One stack for all tests of this folder: starting it takes half a minute."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.wanted import DEPLOYMENT_FILE
from ifrl_core.config.recipes import load_recipe
from tests.deployments.stack_site import Stack, running_stack
from tests.flows.workplace import CHEAP_OVERRIDES

PLANTED = {
    "IFRL_SERVER_API_KEY": "planted-api-key-5d1c",
    "HF_TOKEN": "planted-hub-token-77aa",
    "IFRL_WEBHOOK_URL": "http://127.0.0.1:9/planted-webhook-2b9e",
}
ASKED = [
    {"prompt": f"Describe {what} without commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    for what in ("a river", "a bridge")
]


@pytest.fixture(scope="package")
def stack(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`make stack`, up, with keys for the workers and a deployment `pipeline/tiny` whose whole config is in the form."""
    folder = tmp_path_factory.mktemp("stack")
    keys = folder / "worker.env"
    keys.write_text("".join(f"{name}={value}\n" for name, value in PLANTED.items()))
    with running_stack(tiny, IFRL_WORKER_ENV=str(keys)) as made:
        done = made.make("up")
        assert done.returncode == 0, done.stdout + done.stderr
        (made.state / "up.txt").write_text(done.stdout)
        done = made.call("ifrl", "deploy", "--file", str(_tiny_deployment(folder, tiny)))
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


@pytest.fixture(scope="package")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: IFRL_SCREENSHOTS, which CI keeps, or a temporary folder."""
    named = os.environ.get("IFRL_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tiny_deployment(folder: Path, tiny: str) -> Path:
    shipped: dict[str, Any] = yaml.safe_load(DEPLOYMENT_FILE.read_text())
    cpu = next(item["work_pool"] for item in shipped["deployments"] if item["name"] == "pipeline")
    (folder / "ifeval.jsonl").write_text(
        "".join(json.dumps(row | {"key": key}) + "\n" for key, row in enumerate(ASKED))
    )
    asked = {"ifeval": {"path": [str(folder / "ifeval.jsonl")], "max_tokens": 8}}
    benchmark = {
        "name": "tiny-benchmark",
        "entrypoint": "flows/benchmark.py:benchmark",
        "description": "Two rows of IFEval's shape.",
        "tags": ["ifrl"],
        "parameters": {"models": [], "benchmarks": asked, "recipe": tiny, "overrides": [*CHEAP_OVERRIDES]},
        "work_pool": cpu,
    }
    entry = {
        "name": "tiny",
        "entrypoint": "flows/pipeline.py:pipeline",
        "description": "The whole pipeline at its smallest.",
        "tags": ["ifrl"],
        "parameters": {"config": load_recipe(tiny, CHEAP_OVERRIDES).model_dump(mode="json", exclude_unset=True)},
        "work_pool": cpu,
    }
    path = folder / "tiny-deployment.yaml"
    path.write_text(yaml.safe_dump({**shipped, "deployments": [entry, benchmark]}, sort_keys=False))
    return path
