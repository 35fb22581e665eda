"""Deployed on a real Prefect server: run from the command line as CI does, and looked at in a real browser."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.flows.servers import prefect_server
from tests.flows.workplace import REPO, TINY, Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]


@dataclass(frozen=True)
class Site:
    """A Prefect server with ifrl deployed, and a worker on its pool."""

    env: dict[str, str]
    place: Workplace

    @property
    def api(self) -> str:
        return self.env["PREFECT_API_URL"]

    def prefect(self, *arguments: str, timeout_s: float = 900) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, cwd=REPO, timeout=timeout_s)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body or {}).encode()
        request = Request(f"{self.api}{path}", data=data, headers={"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def site(workplace: Callable[..., Workplace], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = workplace("deployed")
    folder = tmp_path_factory.mktemp("server")
    with prefect_server(folder) as server:
        env = {**place.env, **server, "IFRL_CODE": str(REPO), "PREFECT_WORKER_QUERY_SECONDS": "2"}
        made = Site(env, place)
        for arguments in (
            ["work-pool", "create", "cpu", "--type", "process"],
            ["deploy", "--all", "--prefect-file", "deployments/prefect.yaml"],
        ):
            done = made.prefect(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        with (folder / "worker.log").open("w") as log:
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "cpu"]
            worker = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=REPO)
        yield made
        worker.terminate()
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()


@pytest.fixture(scope="module")
def finished(site: Site) -> "subprocess.CompletedProcess[str]":
    """`prefect deployment run` of the tiny recipe, watched to its end."""
    return site.prefect("deployment", "run", "pipeline/cpu", "-p", f"recipe={TINY}", "--watch")


def test_every_flow_is_deployed(site: Site) -> None:
    names = {item["name"] for item in site.ask("/flows/filter")}
    assert {"pipeline", "dataset", "reward-model", "policy", "evaluate"} <= names


def test_no_deployment_names_the_deployers_machine(site: Site) -> None:
    text = (REPO / "deployments" / "prefect.yaml").read_text()
    assert str(REPO) not in text
    assert re.search(r"\$IFRL_CODE", text)


def test_a_good_run_exits_with_0(finished: "subprocess.CompletedProcess[str]", site: Site) -> None:
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert site.place.record()["state"] == "completed"


def test_a_failing_run_does_not_exit_with_0(site: Site) -> None:
    done = site.prefect("deployment", "run", "pipeline/cpu", "-p", "recipe=no-such-recipe", "--watch")
    assert done.returncode == 1


def test_an_unknown_parameter_is_refused_before_a_run_exists(site: Site) -> None:
    before = len(site.ask("/flow_runs/filter"))
    done = site.prefect("deployment", "run", "pipeline/cpu", "-p", "recpie=tiny", "--watch")
    assert done.returncode == 1
    assert len(site.ask("/flow_runs/filter")) == before


def test_results_are_references_in_json(finished: "subprocess.CompletedProcess[str]", site: Site) -> None:
    records = [path for path in Path(site.env["PREFECT_RESULTS_LOCAL_STORAGE_PATH"]).rglob("*") if path.is_file()]
    assert records
    for path in records:
        document = json.loads(path.read_text())  # a pickle would not parse
        assert document.get("metadata", {}).get("serializer", {"type": "json"})["type"] == "json"
        assert path.stat().st_size < 4096


def test_prefect_and_mlflow_point_to_each_other(finished: "subprocess.CompletedProcess[str]", site: Site) -> None:
    record = site.place.record()
    run = site.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [record["prefect"]["flow_run_id"]]}}})[0]
    assert run["state_type"] == "COMPLETED"
    markdown = site.ask("/artifacts/filter", {"artifacts": {"key": {"any_": ["ifrl-report"]}}})[0]["data"]
    assert record["mlflow"]["run_id"] in markdown


@pytest.mark.browser
def test_the_ui_shows_the_run_its_form_and_its_artifacts(
    finished: "subprocess.CompletedProcess[str]", site: Site, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    record, ui = site.place.record(), site.api.removesuffix("/api")
    deployment = next(item for item in site.ask("/deployments/filter") if item["entrypoint"].endswith(":pipeline"))
    flow_run = site.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [record["prefect"]["flow_run_id"]]}}})[0]
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("IFRL_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1600})

        def text_of(path: str, expected: str) -> str:
            page.goto(f"{ui}{path}")
            end = time.monotonic() + 60
            while expected not in (seen := page.inner_text("body")):
                assert time.monotonic() < end, f"{path} never showed {expected!r}: {seen[:800]}"
                page.wait_for_timeout(250)
            page.screenshot(path=str(tmp_path / f"{path.strip('/').replace('/', '-')}.png"))
            return str(seen)

        text_of(f"/runs/flow-run/{flow_run['id']}", flow_run["name"])
        form = text_of(f"/deployments/deployment/{deployment['id']}/run", "recipe")
        assert "overrides" in form
        artifacts = text_of("/artifacts", "ifrl-report")
        assert "ifrl-report" in artifacts
        browser.close()
