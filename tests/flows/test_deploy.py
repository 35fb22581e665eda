"""`ifrl deploy` on a real server, and what it puts there at work: slots, retries, notifications, exit codes, collisions."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.templating import apply_values

from deployments.wanted import DEPLOYMENT_FILE, Pool, deployment_file, server_file
from flows.execution.child_runs import check_deployments
from ifrl_core.errors import ConfigError, PlacementError
from tests.flows.site import Site, make_site
from tests.flows.workplace import REPO
from tests.patience import wait_until

pytestmark = [pytest.mark.server]

SMALL = str(REPO / "tests" / "flows" / "small.yaml")
SECRET = "T0KEN-OF-THE-WEBHOOK"


class Receiver:
    """An HTTP server that keeps what is posted to it."""

    def __init__(self) -> None:
        received: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.received = received
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def site(prefect: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A server with nothing of ifrl's on it yet: no file before this one deploys."""
    folder = tmp_path_factory.mktemp("deploy")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "IFRL_"))}
    return make_site(folder, prefect, {**kept, "IFRL_HOME": str(folder / "home")})


@pytest.fixture(scope="module")
def deployed(site: Site, receiver: Receiver) -> Iterator[Site]:
    """With ifrl's pools, slots and automations, the small flows, and a worker."""
    done = site.ifrl("deploy", "--file", SMALL, "--slots", "gpu=1", IFRL_WEBHOOK_URL=receiver.url)
    assert done.returncode == 0, done.stderr
    with site.worker("cpu"):
        yield site


@pytest.fixture(scope="module")
def killed(deployed: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, float]:
    """A run that held the only slot when its process was killed: its id, the file of its starts, when it was killed."""
    starts = tmp_path_factory.mktemp("killed") / "starts"
    run_id = deployed.start("small/pipeline", seconds=600, starts=str(starts))
    wait_until(starts.exists, deployed.logs)
    deployed.process_of(run_id).send_signal(signal.SIGKILL)
    return run_id, starts, time.time()


def changes(done: Any) -> dict[str, str]:
    """Action by kind and name, of the command's JSON."""
    assert done.returncode == 0, done.stderr
    return {f"{item['kind']} {item['name']}": item["action"] for item in json.loads(done.stdout)["changes"]}


def everything(site: Site) -> dict[str, Any]:
    """All objects that ifrl puts on a server, as the server gives them."""
    return {
        "pools": site.ask("/work_pools/filter"),
        "limits": site.ask("/v2/concurrency_limits/filter"),
        "automations": site.ask("/automations/filter"),
        "deployments": site.ask("/deployments/filter"),
        "blocks": site.ask("/block_documents/filter"),
    }


def updated(site: Site) -> dict[str, str]:
    return {item["id"]: item["updated"] for items in everything(site).values() for item in items}


def test_twice_changes_nothing_and_a_dry_run_nothing_at_all(site: Site, receiver: Receiver, tmp_path: Path) -> None:
    dry = changes(site.ifrl("deploy", "--dry-run", "--json", cwd=tmp_path, IFRL_WEBHOOK_URL=receiver.url))
    assert not any(everything(site)[kind] for kind in ("pools", "limits", "automations", "deployments"))
    first = site.ifrl("deploy", "--json", cwd=tmp_path, IFRL_WEBHOOK_URL=receiver.url)
    assert changes(first) == dry
    assert set(dry.values()) == {"create"}, "a flow of prefect.yaml is missing"

    before = updated(site)
    again = site.ifrl("deploy", "--json", cwd=tmp_path, IFRL_WEBHOOK_URL=receiver.url)
    assert set(changes(again).values()) == {"unchanged"}
    assert updated(site) == before
    assert not list(tmp_path.iterdir()), "deploying leaves files in the current folder"

    shown = json.dumps(everything(site)) + first.stdout + first.stderr + again.stdout
    assert SECRET not in shown
    assert str(REPO) not in shown, "the deployer's machine is on the server"


def test_a_change_is_mended_by_name_and_what_people_switch_and_tune_stays(site: Site) -> None:
    found = site.ask("/deployments/name/pipeline/pipeline", method="GET")
    site.ask(f"/deployments/{found['id']}", {"description": "by hand", "tags": ["ifrl", "mine"]}, method="PATCH")
    template = site.ask("/work_pools/gpu-k8s", method="GET")["base_job_template"]
    template["variables"]["properties"]["image"]["default"] = "registry.example/ifrl:7"
    site.ask("/work_pools/gpu-k8s", {"base_job_template": template, "description": "by hand"}, method="PATCH")
    site.ask("/v2/concurrency_limits/gpu", {"limit": 3}, method="PATCH")
    automation = site.ask("/automations/filter")[0]
    site.ask(f"/automations/{automation['id']}", {"enabled": False}, method="PATCH")

    dry = site.ifrl("deploy", "--dry-run").stdout
    assert "update     deployment pipeline/pipeline: description, tags" in dry
    assert "update     work pool  gpu-k8s: description\n" in dry
    assert site.ask("/work_pools/gpu-k8s", method="GET")["description"] == "by hand"

    changed = {name for name, action in changes(site.ifrl("deploy", "--json")).items() if action == "update"}
    assert changed == {"deployment pipeline/pipeline", "work pool gpu-k8s"}
    assert site.ask(f"/deployments/{found['id']}", method="GET")["tags"] == ["ifrl"]
    pool = site.ask("/work_pools/gpu-k8s", method="GET")
    assert pool["base_job_template"]["variables"]["properties"]["image"]["default"] == "registry.example/ifrl:7"
    assert site.ask(f"/automations/{automation['id']}", method="GET")["enabled"] is False
    site.ask(f"/automations/{automation['id']}", {"enabled": True}, method="PATCH")
    assert site.ask("/v2/concurrency_limits/gpu", method="GET")["limit"] == 3


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["--slots", "gpu=0"], {}, "at least 1"),
        (["--slots", "cpu=2"], {}, "pools that have some: gpu, gpu-docker, gpu-k8s"),
        (["--file", "/nowhere.yaml"], {}, "/nowhere.yaml cannot be read"),
        ([], {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}, "does not answer"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(site: Site, arguments: list[str], env: dict[str, str], says: str) -> None:
    done = site.ifrl("deploy", *arguments, **env)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_form_of_every_flow_has_order_help_and_ranges(site: Site) -> None:
    for entry in deployment_file().deployments:
        name = f"{entry.flow().name}/{entry.name}"
        schema = site.ask(f"/deployments/name/{name}", method="GET")["parameter_openapi_schema"]
        fields = schema["properties"]
        if entry.name == "retrain":
            assert "new_seeds" in fields
        if entry.flow().name != "stage":  # which no one starts by hand
            assert sorted(fields, key=lambda name: int(fields[name]["position"]))[:2] == ["recipe", "overrides"], name
            assert all(field["description"] for field in fields.values()), name
            assert set(entry.parameters) <= set(fields), name
    schema = site.ask("/deployments/name/pipeline/pipeline", method="GET")["parameter_openapi_schema"]
    sections = {name: model["properties"] for name, model in schema["definitions"].items() if "properties" in model}
    assert len(sections) > 10
    for name, properties in sections.items():
        assert sorted(field["position"] for field in properties.values()) == list(range(len(properties))), name
    rollouts = sections["RolloutsConfig"]
    assert rollouts["samples"]["maximum"] == 64
    assert rollouts["engine"]["enum"] == ["transformers", "vllm", "server"]


def test_gpu_pools_ask_for_gpus_and_hold_no_secret(site: Site) -> None:
    k8s = site.ask("/work_pools/gpu-k8s", method="GET")["base_job_template"]["job_configuration"]
    pod = k8s["job_manifest"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpu_count }}"
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/dev/shm", "/models"}
    assert container["envFrom"] == [{"secretRef": {"name": "{{ secret_name }}", "optional": True}}]
    template = site.ask("/work_pools/gpu-docker", method="GET")["base_job_template"]
    cache = template["variables"]["properties"]["env"]["default"]["IFRL_CACHE"]
    mounts = [volume.split(":")[1] for volume in template["variables"]["properties"]["volumes"]["default"]]
    assert any(cache.startswith(f"{mount}/") for mount in mounts), "models would be fetched once a container"
    docker = template["job_configuration"]
    assert docker["container_create_kwargs"]["device_requests"][0]["Capabilities"] == [["gpu"]]
    done = site.prefect("deployment", "run", "stage/gpu-k8s", "-jv", "gpu_count=99")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["-p", "seconds=0"], 0, ""),
        (["-p", "reason=out of milk"], 1, "out of milk"),
        (["-p", "seconds=-1"], 1, "seconds"),
        (["-p", "sceonds=1"], 1, "sceonds"),
        (["-p", "seconds=30", "--watch-timeout", "5"], 1, ""),
    ],
    ids=["good", "fails", "bad value", "unknown parameter", "timeout"],
)
@pytest.mark.usefixtures("killed")  # it waits for its slot meanwhile
def test_exit_codes_of_a_watched_run(deployed: Site, arguments: list[str], code: int, says: str) -> None:
    done = deployed.watched("small/plain", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr


def test_a_place_that_the_server_lacks_is_named_before_any_stage_works(deployed: Site, prefect: dict[str, str]) -> None:
    with temporary_settings({PREFECT_API_URL: prefect["PREFECT_API_URL"]}):
        check_deployments(["small/plain"])
        with pytest.raises(PlacementError, match="deployment stage/nowhere, which the Prefect server does not have"):
            check_deployments(["small/plain", "stage/nowhere"])


def test_two_at_once_wait_or_are_refused_as_the_deployment_says(deployed: Site) -> None:
    deployed.ask(
        "/work_pools/cpu", {"is_paused": True}, method="PATCH"
    )  # no worker takes one before the others are there
    waits = [deployed.start("small/waits", seconds=4) for _ in range(2)]
    refused = [deployed.start("small/refused", seconds=4) for _ in range(2)]
    deployed.ask("/work_pools/cpu", {"is_paused": False}, method="PATCH")
    assert sorted(deployed.ended(run)["state_type"] for run in refused) == ["CANCELLED", "COMPLETED"]
    first, second = sorted((deployed.ended(run) for run in waits), key=lambda run: str(run["start_time"]))
    assert first["state_type"] == second["state_type"] == "COMPLETED"
    assert second["start_time"] >= first["end_time"]


def test_a_killed_run_is_retried_and_gets_its_slot_back_within_two_minutes(
    deployed: Site, killed: tuple[str, Path, float]
) -> None:
    run_id, starts, killed_at = killed
    wait_until(lambda: len(starts.read_text().splitlines()) == 2, deployed.logs)
    assert float(starts.read_text().splitlines()[1]) - killed_at < 120
    run = deployed.ended(run_id)
    assert run["state_type"] == "COMPLETED"
    assert run["run_count"] == 2
    states = deployed.ask(f"/flow_run_states/?flow_run_id={run_id}", method="GET")
    assert [state["name"] for state in states].count("AwaitingRetry") == 1


def test_a_schedule_fires_and_its_run_completes(deployed: Site) -> None:
    plain = deployed.ask("/deployments/name/small/plain", method="GET")
    kept = plain["schedules"][0]
    path = f"/deployments/{plain['id']}/schedules/{kept['id']}"
    query = {"deployments": {"id": {"any_": [plain["id"]]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}

    def fired() -> bool:
        return any(run["auto_scheduled"] for run in deployed.ask("/flow_runs/filter", query))

    assert not fired()
    deployed.ask(path, {"active": True, "schedule": {"interval": 15}}, method="PATCH")
    try:
        wait_until(fired, deployed.logs)
    finally:
        deployed.ask(path, {"active": False, "schedule": kept["schedule"]}, method="PATCH")


def test_a_schedule_that_someone_turned_on_stays_on(deployed: Site) -> None:
    plain = deployed.ask("/deployments/name/small/plain", method="GET")
    assert plain["schedules"][0]["active"] is False
    path = f"/deployments/{plain['id']}/schedules/{plain['schedules'][0]['id']}"
    deployed.ask(path, {"active": True}, method="PATCH")
    assert set(changes(deployed.ifrl("deploy", "--file", SMALL, "--json")).values()) == {"unchanged"}
    assert deployed.ask("/deployments/name/small/plain", method="GET")["schedules"][0]["active"] is True


def test_a_failure_and_a_promotion_reach_the_webhook(deployed: Site, receiver: Receiver) -> None:
    run_id = deployed.start("small/pipeline", reason="no more disk")
    deployed.ended(run_id)
    event = {"occurred": "2026-01-01T00:00:00Z", "event": "ifrl.promotion", "payload": {"said": "better", "gain": 3.5}}
    event |= {
        "resource": {"prefect.resource.id": "ifrl.model.ifrl-policy"},
        "id": "11111111-1111-4111-8111-111111111111",
    }

    def told(text: str) -> list[dict[str, Any]]:
        return [item for item in receiver.received if text in item["text"]]

    deployed.ask("/events", [event])  # type: ignore[arg-type]
    wait_until(lambda: bool(told("no more disk")) and bool(told("ifrl.promotion")), lambda: str(receiver.received))
    failure = told("no more disk")[0]
    assert "is Failed" in failure["text"]
    assert run_id in failure["url"]
    assert told("ifrl.promotion: better")[0]["details"]["gain"] == 3.5


@pytest.mark.parametrize(
    "pool", [pool for pool in server_file().pools if pool.template], ids=lambda pool: str(pool.name)
)
def test_templates_of_pools_use_every_variable_they_offer(pool: Pool) -> None:
    template = pool.job_template()
    text = json.dumps(template["job_configuration"])
    offered = template["variables"]["properties"]
    assert {name.strip() for name in re.findall(r"{{(.*?)}}", text)} == set(offered)
    values = {name: about.get("default") for name, about in offered.items()}
    filled = apply_values(template["job_configuration"], values)
    assert "{{" not in json.dumps(filled)


def test_every_deployment_of_a_stage_names_slots_of_its_own_pool() -> None:
    slots = {pool.name for pool in server_file().pools if pool.slots}
    stages = [entry for entry in deployment_file().deployments if entry.entrypoint == "flows/execution/placed.py:stage"]
    assert {entry.name for entry in stages} == slots
    assert all(entry.work_pool.name == entry.work_pool.job_variables["env"]["IFRL_SLOTS"] for entry in stages)


def test_files_of_wishes_are_read_strictly(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(Path(SMALL).read_text().replace("concurrency_limit", "concurency_limit"))
    with pytest.raises(ConfigError, match="concurency_limit"):
        deployment_file(wrong)
    assert {pool.name for pool in server_file().pools} == {"cpu", "gpu", "gpu-docker", "gpu-k8s"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('cron: "0 3 * * 0"', 'cron: "0 3 * * 9"', 'Invalid cron string: "0 3 * * 9"'),
        ("timezone: UTC", "timezone: Berlin", 'Invalid timezone: "Berlin"'),
        ("- name: retrain", "- name: re/train", "Prefect takes a name without"),
    ],
)
def test_what_prefect_would_refuse_is_refused_before_anything_is_created(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    text = DEPLOYMENT_FILE.read_text()
    assert before in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(before, after))
    with pytest.raises(ConfigError, match=re.escape(message)):
        deployment_file(wrong)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            "{recepi: demo-cpu}",
            "deployment audit: its flow takes no recepi; its parameters are recipe, overrides, config",
        ),
        ("{recipe: demo-cpu, overrides: [policy.max_step=1]}", "deployment audit: .*policy.max_step: unknown key"),
        ("{config: {registry: {alias: v2}}}", "deployment audit: .*registry.alias: MLflow keeps v1"),
    ],
)
def test_parameters_that_no_run_can_take_are_refused_before_anything_is_created(
    tmp_path: Path, parameters: str, message: str
) -> None:
    document = yaml.safe_load(DEPLOYMENT_FILE.read_text())
    entry = next(item for item in document["deployments"] if item["name"] == "audit")
    entry["parameters"] = yaml.safe_load(parameters)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(document))
    entries = deployment_file(wrong).deployments
    with pytest.raises(ConfigError, match=re.compile(message, re.DOTALL)):
        [entry.check() for entry in entries if entry.is_there()]


def test_what_ships_can_be_run() -> None:
    for entry in deployment_file().deployments:
        entry.check()
