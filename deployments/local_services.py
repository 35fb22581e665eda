"""The services of docker/compose.yaml on this machine: hosts, ports and folders, variables, secrets, the Postgres cluster."""

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deployments.compose import COMPOSE_FILE, Service, read_services
from ifrl_core.errors import IfrlError

REPO = COMPOSE_FILE.parent.parent
PORTS = {
    "IFRL_POSTGRES_PORT": "5433",
    "IFRL_S3_PORT": "9000",
    "IFRL_PREFECT_PORT": "4200",
    "IFRL_MLFLOW_PORT": "5000",
    "IFRL_WORKER_PORT": "8080",
    "IFRL_WORKER_GPU_PORT": "8081",
}
# Services see nothing else of the caller's environment, as in a container.
_KEPT = ("HOME", "LANG", "PYTHONPATH", "TMPDIR", "TZ", "SSL_CERT_FILE")


class StackError(IfrlError):
    """The stack cannot be started, stopped or looked at; the message says what to do."""


def state_folder() -> Path:
    """The folder of all state: IFRL_STACK, or .stack in the repository."""
    return Path(os.environ.get("IFRL_STACK") or REPO / ".stack").expanduser().resolve()


def local_variables(state: Path) -> dict[str, str]:
    """What fills compose.yaml's variables here: loopback hosts, ports, and folders under `state`."""
    listen = os.environ.get("IFRL_LISTEN", "127.0.0.1")
    ports = {name: os.environ.get(name, default) for name, default in PORTS.items()}
    public = {"127.0.0.1": "localhost", "0.0.0.0": socket.gethostname()}.get(listen, listen)
    urls = {
        f"IFRL_{name}_PUBLIC_URL": f"http://{public}:{ports[f'IFRL_{name}_PORT']}" for name in ("PREFECT", "MLFLOW")
    }
    optional = (*urls, "IFRL_WORKER_ENV", "IFRL_MLFLOW_ALLOWED_HOSTS")
    return {
        **{f"IFRL_{name}_HOST": "127.0.0.1" for name in ("POSTGRES", "S3", "PREFECT", "MLFLOW")},
        **ports,
        **urls,
        **{name: os.environ[name] for name in optional if name in os.environ},
        "IFRL_LISTEN": listen,
        "IFRL_CODE_FOLDER": str(REPO),
        "IFRL_DATA": str(state / "data"),
        "IFRL_POSTGRES_DATA": str(state / "postgres"),
        "IFRL_SOCKETS": tempfile.gettempdir(),
    }


def chosen_services(state: Path, *, gpu: bool) -> dict[str, Service]:
    """The services to run here, the GPU worker only when asked for."""
    services = read_services(local_variables(state)).items()
    return {name: service for name, service in services if not service.profiles or (gpu and "gpu" in service.profiles)}


def service_environment(service: Service, state: Path) -> dict[str, str]:
    """The variables that a service starts with: no secrets, which its entrypoint reads from files."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = [str(Path(sys.executable).parent), str(postgres_programs()), os.environ.get("PATH", os.defpath)]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "IFRL_SECRETS": str(state / "run" / service.name),
        **service.environment,
    }


def service_command(service: Service) -> list[str]:
    """A service's command as its image would run it: ours have an entrypoint."""
    return [str(REPO / "docker" / "entrypoint.sh"), *service.command] if service.own_image else list(service.command)


def postgres_programs() -> Path:
    """The folder of Postgres's programs.

    Raises:
        StackError: when it is not installed.
    """
    if program := shutil.which("initdb"):
        return Path(program).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        raise StackError("Postgres is not installed (no initdb): apt-get install postgresql-15")
    return installed[-1].parent


def postgres_user() -> str | None:
    """Postgres refuses to run as root: then it is Debian's user for it."""
    return "postgres" if os.geteuid() == 0 else None


def prepare(state: Path, services: Mapping[str, Service]) -> None:
    """Make what is missing: folders, secrets, a Postgres cluster."""
    for name in ("data", "logs", "run", "secrets"):
        (state / name).mkdir(parents=True, exist_ok=True)
    for name in ("run", "secrets"):
        (state / name).chmod(0o700)
    for service in services.values():
        _lay_out_secrets(state, service)
    _make_cluster(state, services["postgres"])


def _lay_out_secrets(state: Path, service: Service) -> None:
    """A folder of the files that the service's entrypoint reads, as Compose mounts them."""
    seen = state / "run" / service.name
    shutil.rmtree(seen, ignore_errors=True)
    seen.mkdir()
    for name in service.secrets:
        kept = state / "secrets" / name
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_hex(24))
        (seen / name).symlink_to(kept)
    for name, value in service.keys.items():
        (seen / name).touch(mode=0o600)
        (seen / name).write_text(value)


def _make_cluster(state: Path, service: Service) -> None:
    """What the Postgres image does at its first start: a cluster, its superuser, the databases."""
    settings = service.environment
    target = Path(settings["PGDATA"])
    if target.exists():
        return
    fresh, user = target.with_name(f"{target.name}.new"), postgres_user()
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user:
        shutil.chown(fresh, user)
    programs = postgres_programs()
    initdb = [str(programs / "initdb"), "--pgdata", str(fresh), "--username", settings["POSTGRES_USER"]]
    with tempfile.NamedTemporaryFile("w") as password:  # a file that only this user reads
        password.write((state / "secrets" / "PGPASSWORD").read_text())
        password.flush()
        if user:
            shutil.chown(password.name, user)
        _run([*initdb, "--pwfile", password.name, *shlex.split(settings["POSTGRES_INITDB_ARGS"])], "", user)
    script = f"CREATE DATABASE {settings['POSTGRES_DB']};\n{(REPO / 'docker' / 'databases.sql').read_text()}"
    _run([str(programs / "postgres"), "--single", "-D", str(fresh), "postgres"], script, user)
    fresh.rename(target)


def _run(command: list[str], text: str, user: str | None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, user=user, cwd="/", check=False)
    if done.returncode != 0 or "ERROR" in done.stderr:
        output = (done.stdout + done.stderr).strip()
        raise StackError(f"{command[0]} failed (user {user or os.geteuid()} must reach that folder): {output[-1000:]}")
