"""docker/: lint, what every service must have, and that `make stack` runs what compose.yaml says."""

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.compose import COMPOSE_FILE, fill_text, read_services
from deployments.local_services import chosen_services, local_variables
from deployments.stack import client_lines
from deployments.supervision import supervisor_config
from tests.patience import PATIENCE_S

DOCKER = COMPOSE_FILE.parent
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
STAYING = [name for name, entry in SERVICES.items() if entry["restart"] != "no"]
# Variables that may differ between Compose and `make stack`: where things are, never what runs.
PLACES = r"IFRL_(\w+_(HOST|PORT|PUBLIC_URL)|LISTEN|SOCKETS|CODE_FOLDER|DATA|POSTGRES_DATA)"


def lint(*command: str) -> str:
    scripts = Path(sys.executable).parent
    done = subprocess.run([str(scripts / command[0]), *command[1:]], capture_output=True, text=True, timeout=PATIENCE_S)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_compose_file_follows_its_schema() -> None:
    assert lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)) == ""


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_dockerfiles_follow_hadolints_rules(name: str) -> None:
    assert lint("hadolint", "--failure-threshold", "info", str(DOCKER / name)) == ""


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_images_do_not_run_as_root_and_copy_what_is_there(name: str) -> None:
    lines = (DOCKER / name).read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 1000:1000"
    for line in lines:
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (DOCKER.parent / source).exists(), source


def test_no_secret_and_no_work_folder_enters_an_image() -> None:
    ignored = (DOCKER.parent / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert {"docker/secrets", "docker/worker.env"} <= set(ignored[ignored.index("!docker") :])


@pytest.mark.parametrize("name", STAYING)
def test_a_staying_service_is_watched_restarted_and_not_root(name: str) -> None:
    entry = SERVICES[name]
    assert entry["restart"] == "unless-stopped"
    assert entry["healthcheck"]["test"][0] == "CMD"
    assert "no-new-privileges:true" in entry["security_opt"]
    assert entry.get("user") == "postgres" or entry["image"].startswith("ifrl")


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_a_version(name: str) -> None:
    image = fill_text(SERVICES[name]["image"], {})
    assert re.search(r":\d+\.\d+", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_files_alone(name: str) -> None:
    entry = SERVICES[name]
    assert not [key for key in entry["environment"] if re.search(r"PASSWORD$|SECRET|TOKEN$|API_KEY$", key)]
    assert not re.search(r"://\w+:[^@/]+@", yaml.safe_dump(entry)), "a password in a URL"


def test_only_the_gpu_worker_needs_a_profile() -> None:
    assert [name for name, entry in SERVICES.items() if entry.get("profiles")] == ["worker-gpu"]


def test_leases_of_slots_are_on_disk_and_heartbeats_beat_the_automation() -> None:
    assert SERVICES["prefect"]["environment"]["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")
    assert int(SERVICES["worker"]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) == 30


def test_variables_of_the_compose_file_are_places_versions_or_files_of_secrets() -> None:
    used = {match[1] for match in re.finditer(r"\$\{(\w+)", COMPOSE_FILE.read_text())}
    others = {name for name in used if not re.fullmatch(PLACES, name)}
    expected = {"IFRL_BIND", "IFRL_VERSION", "IFRL_SECRETS_FOLDER", "IFRL_WORKER_ENV", "IFRL_MLFLOW_ALLOWED_HOSTS"}
    assert others == expected


def test_make_stack_runs_the_commands_and_variables_of_the_compose_file(tmp_path: Path) -> None:
    """Read from supervisord's configuration; only the variables that are places are filled in otherwise."""
    config = configparser.RawConfigParser(strict=True)
    config.read_string(supervisor_config(tmp_path, chosen_services(tmp_path, gpu=True)))
    places = local_variables(tmp_path)
    programs = {name.removeprefix("program:") for name in config.sections() if name.startswith("program:")}
    assert programs == set(STAYING)
    for name in programs:
        program, entry = config[f"program:{name}"], SERVICES[name]
        command = shlex.split(program["command"])
        own = entry["image"].startswith("ifrl")
        assert command[0].endswith("docker/entrypoint.sh") == own
        assert command[own:] == [fill_text(word, places) for word in entry["command"]]
        found = dict(re.findall(r'(\w+)="([^"]*)"', program["environment"]))
        wanted = {key: fill_text(str(value), places) for key, value in entry["environment"].items()}
        assert {key: found[key] for key in wanted} == wanted
        assert set(found) - set(wanted) <= {
            "PATH",
            "IFRL_SECRETS",
            "HOME",
            "LANG",
            "PYTHONPATH",
            "SSL_CERT_FILE",
            "TMPDIR",
            "TZ",
        }
        assert program["autorestart"] == "true"
        assert f"SIG{program['stopsignal']}" == entry.get("stop_signal", "SIGTERM")


def test_names_are_filled_in_as_compose_does() -> None:
    assert fill_text("${A:-x}/${B}/${C:-http://h:1/a}/$$D", {"A": "", "B": "b"}) == "x/b/http://h:1/a/$D"


def test_a_services_keys_come_from_the_env_file_and_stay_out_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worker.env").write_text('HF_TOKEN="planted-token"\nIFRL_SERVER_API_KEY=planted$key\n')
    monkeypatch.setenv("IFRL_WORKER_ENV", str(tmp_path / "worker.env"))
    services = chosen_services(tmp_path, gpu=True)
    keys = {"HF_TOKEN": "planted-token", "IFRL_SERVER_API_KEY": "planted$key"}
    assert {name for name, service in services.items() if service.keys} == {"deploy", "worker", "worker-gpu"}
    assert services["worker"].keys == keys
    text = supervisor_config(tmp_path, services) + "\n".join(client_lines(services["worker"], tmp_path))
    assert "planted" not in text


def test_without_make_stack_the_hosts_are_the_services_names() -> None:
    services = read_services({})
    for variable, host in (
        ("PREFECT_API_URL", "prefect"),
        ("MLFLOW_TRACKING_URI", "mlflow"),
        ("AWS_ENDPOINT_URL", "s3"),
    ):
        assert f"//{host}:" in services["worker"].environment[variable]
        assert host in services
