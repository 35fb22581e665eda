"""supervisord for the local services: its configuration, starting it, asking it."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from deployments.compose import Service
from deployments.local_services import REPO, StackError, postgres_user, service_command, service_environment

_ANSWERS_WITHIN_S = 120


def start_supervisor(state: Path, services: Mapping[str, Service]) -> None:
    """Start supervisord, or let a running one read the configuration again; services whose settings changed are stopped.

    Raises:
        StackError: when it does not start.
    """
    config = _config_file(state)
    config.write_text(supervisor_config(state, services))
    if supervisor_runs(state):
        ask(state, "update")
        return
    command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    end = time.monotonic() + _ANSWERS_WITHIN_S
    while done.returncode != 0 or not supervisor_runs(state):
        if done.returncode != 0 or time.monotonic() > end:
            output = (done.stdout + done.stderr).strip()
            raise StackError(f"supervisord did not start: {output[-1000:]} (log: {log_file(state, 'supervisord')})")
        time.sleep(0.1)


def supervisor_runs(state: Path) -> bool:
    return _config_file(state).exists() and ask(state, "pid").stdout.strip().isdigit()


def ask(state: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """supervisorctl: `start NAME`, `stop NAME`, `pid [NAME]`, `status`, `update`, `shutdown`."""
    command = [sys.executable, "-m", "supervisor.supervisorctl", "--configuration", str(_config_file(state))]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def log_file(state: Path, name: str) -> Path:
    return state / "logs" / f"{name}.log"


def supervisor_config(state: Path, services: Mapping[str, Service]) -> str:
    """supervisord's configuration: a program for every service that stays, started in order by `up`."""
    socket = str(_socket(state))
    daemon = {
        "logfile": str(log_file(state, "supervisord")),
        "pidfile": str(state / "supervisord.pid"),
        "childlogdir": str(state / "logs"),
        # Variables and files of its own services are set below.
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }
    sweep = {
        "command": shlex.join([sys.executable, "-m", "deployments.sweep"]),
        "directory": str(REPO),
        "events": "PROCESS_STATE_EXITED",
        "stderr_logfile": str(log_file(state, "sweep")),
    }
    factory = {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
    parts = [
        _section("unix_http_server", {"file": socket, "chmod": "0700"}),
        _section("supervisord", daemon),
        _section("supervisorctl", {"serverurl": f"unix://{socket}"}),
        _section("rpcinterface:supervisor", factory),
        _section("eventlistener:sweep", sweep),
    ]
    return "\n".join([*parts, *(_program(state, service) for service in services.values() if service.health)])


def _program(state: Path, service: Service) -> str:
    variables = service_environment(service, state)
    settings = {
        "command": shlex.join(service_command(service)),
        "directory": str(REPO) if service.own_image else "/",
        "environment": ",".join(f"{name}={_quoted(value)}" for name, value in sorted(variables.items())),
        "autostart": "false",
        "autorestart": "true" if service.restarts else "false",
        "startsecs": "1",
        # What cannot start yet (its database is away) is tried again for ever, as Docker does.
        "startretries": "1000000",
        "stopsignal": service.stop_signal,
        "stopwaitsecs": str(service.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(log_file(state, service.name)),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "3",
    }
    if not service.own_image and (user := postgres_user()):
        settings["user"] = user
    return _section(f"program:{service.name}", settings)


def _section(name: str, settings: Mapping[str, str]) -> str:
    lines = [f"{key} = {value.replace('%', '%%')}" for key, value in settings.items()]  # supervisord fills in %(...)s
    return "\n".join([f"[{name}]", *lines, ""])


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _config_file(state: Path) -> Path:
    return state / "supervisord.conf"


def _socket(state: Path) -> Path:
    """In the temporary folder, because a socket's path may have 107 characters at most."""
    return Path(tempfile.gettempdir()) / f"ifrl-stack-{hashlib.sha256(str(state).encode()).hexdigest()[:12]}.sock"
