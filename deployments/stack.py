"""The services of docker/compose.yaml as processes of this machine, under supervisord: up, down, status.

    IFRL_STACK         folder of all state (default .stack): databases, objects, logs, secrets
    IFRL_LISTEN        address to listen on (default 127.0.0.1)
    IFRL_WORKER_ENV    file of variables for the workers, keys included (default docker/worker.env)
    IFRL_PREFECT_PORT, IFRL_MLFLOW_PORT, IFRL_S3_PORT, IFRL_POSTGRES_PORT, IFRL_WORKER_PORT, IFRL_WORKER_GPU_PORT

Commands, variables and order come from compose.yaml; only hosts, ports and folders differ.
"""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated

import typer
from filelock import FileLock

from deployments.compose import Service
from deployments.local_services import (
    PORTS,
    REPO,
    StackError,
    chosen_services,
    local_variables,
    prepare,
    service_command,
    service_environment,
    state_folder,
)
from deployments.supervision import ask, log_file, start_supervisor, supervisor_runs
from flows.cli.options import run_app

HEALTHY_WITHIN_S = 600  # on a busy machine the first start of a server, which makes its tables, takes minutes
_LOG_LINES = 20
# A worker's variables that are its own; everything else serves a person's shell, too.
_WORKERS_OWN = ("IFRL_CACHE", "IFRL_HOME", "PREFECT_HOME", "PREFECT_MEMO", "PREFECT_RESULTS_LOCAL", "PREFECT_WORKER")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def up(gpu: Annotated[bool, typer.Option("--gpu", help="Start the worker of the pool gpu, too")] = False) -> None:
    """Start what does not run, and return when everything is healthy."""
    start, state = time.monotonic(), state_folder()
    state.mkdir(parents=True, exist_ok=True)
    with FileLock(state / "up.lock"):  # a second `up` waits for the first, and then finds everything running
        _bring_up(state, gpu)
    typer.echo("\n".join(_end_lines(state, time.monotonic() - start)))


@app.command()
def down() -> None:
    """Stop all services; their state stays."""
    state = state_folder()
    if not supervisor_runs(state):
        typer.echo(f"nothing runs for {state}")
        return
    pid = int(ask(state, "pid").stdout)
    ask(state, "shutdown")
    end = time.monotonic() + 60
    while _alive(pid):
        if time.monotonic() > end:
            raise StackError(
                f"supervisord (process {pid}) did not stop within 60 s: see {log_file(state, 'supervisord')}"
            )
        time.sleep(0.1)
    typer.echo(f"stopped; state is kept in {state}")


@app.command()
def status() -> None:
    """What runs, and for how long. Exit code 1 when a service does not."""
    state = state_folder()
    if not supervisor_runs(state):
        raise StackError(f"nothing runs for {state}: start it with `make stack`")
    lines = [line for line in ask(state, "status").stdout.splitlines() if not line.startswith("sweep ")]
    typer.echo("\n".join(lines))
    if any(" RUNNING " not in line for line in lines):
        raise typer.Exit(1)


def client_lines(worker: Service, state: Path) -> Iterable[str]:
    """Shell lines that point `ifrl` and `prefect` to the stack; secrets are read from their files."""
    for name, value in sorted(worker.environment.items()):
        if not name.startswith(_WORKERS_OWN):
            yield f"export {name}={shlex.quote(value)}"
    for name in worker.secrets:
        yield f'export {name}="$(cat {shlex.quote(str(state / "secrets" / name))})"'


def _bring_up(state: Path, gpu: bool) -> None:
    services = chosen_services(state, gpu=gpu)
    if not supervisor_runs(state):
        _check_ports(services)
    prepare(state, services)
    start_supervisor(state, services)
    order = TopologicalSorter({name: service.after for name, service in services.items()})
    order.prepare()
    while order.is_active():
        batch = [services[name] for name in order.get_ready()]
        for service in batch:
            _start(state, service)
        for service in batch:
            _wait_until_healthy(state, service)
        order.done(*(service.name for service in batch))
    (state / "client.env").write_text("".join(f"{line}\n" for line in client_lines(services["worker"], state)))


def _check_ports(services: Mapping[str, Service]) -> None:
    for name, default in PORTS.items():
        if name == "IFRL_WORKER_GPU_PORT" and "worker-gpu" not in services:
            continue
        port = int(os.environ.get(name, default))
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise StackError(f"port {port} is in use: end what holds it, or choose another with {name}=PORT")


def _start(state: Path, service: Service) -> None:
    if service.health:
        ask(state, "start", service.name)
        return
    with log_file(state, service.name).open("a") as out:
        command, variables = service_command(service), service_environment(service, state)
        done = subprocess.run(command, env=variables, cwd=REPO, stdout=out, stderr=out, check=False)
    if done.returncode != 0:
        raise StackError(f"{service.name} ended with exit code {done.returncode}{_log_end(state, service)}")


def _wait_until_healthy(state: Path, service: Service) -> None:
    """Run its health check until it succeeds; one without runs once and has ended."""
    end, variables = time.monotonic() + HEALTHY_WITHIN_S, service_environment(service, state)
    while service.health and subprocess.run(service.health, env=variables, cwd=REPO, capture_output=True).returncode:
        if time.monotonic() > end:
            raise StackError(f"{service.name} is not healthy after {HEALTHY_WITHIN_S} s{_log_end(state, service)}")
        time.sleep(0.2)


def _log_end(state: Path, service: Service) -> str:
    log = log_file(state, service.name)
    last = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
    return "\n".join([f"; the end of {log}:", *last])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _end_lines(state: Path, seconds: float) -> list[str]:
    variables = local_variables(state)
    return [
        f"up         in {seconds:.0f} s",
        f"prefect    {variables['IFRL_PREFECT_PUBLIC_URL']}",
        f"mlflow     {variables['IFRL_MLFLOW_PUBLIC_URL']}",
        f"logs       {state / 'logs'}",
        f"shell      . {state / 'client.env'}",
        "run        prefect deployment run pipeline/pipeline -p recipe=demo-cpu --watch",
        "down       make stack-down",
    ]


if __name__ == "__main__":
    run_app(app)
