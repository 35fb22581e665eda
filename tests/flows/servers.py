"""Real servers on free loopback ports, ended with the test that started them."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

from deployments.local_services import postgres_programs, postgres_user
from tests.patience import PATIENCE_S
from tests.ports import free_port

_ATTEMPTS = 5
S3_KEY, S3_SECRET = "ifrl-test", "ifrl-test-secret"


@contextmanager
def running(
    command: Sequence[str], env: dict[str, str], log: Path, ready: str, timeout_s: float = PATIENCE_S
) -> Iterator[None]:
    """Start a server, wait until `ready` (a URL) answers, and end it with its children."""
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        end = time.monotonic() + timeout_s
        while not _answers(ready):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"{ready} did not answer: {log.read_text()[-2000:]}"
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)  # short: then it is killed
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, str]]:
    """`rclone serve s3` over `folder` with the bucket `ifrl`; yields the environment that points to it."""
    (folder / "data" / "ifrl").mkdir(parents=True)
    port = free_port()
    rclone = Path(sys.executable).parent / "rclone"
    command = [str(rclone) if rclone.exists() else str(shutil.which("rclone")), "serve", "s3", str(folder / "data")]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{S3_KEY},{S3_SECRET}", "--vfs-cache-mode", "off"]
    env = {
        "AWS_ACCESS_KEY_ID": S3_KEY,
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with running(command, dict(os.environ), folder / "s3.log", env["AWS_ENDPOINT_URL"]):
        yield env


@contextmanager
def postgres_server() -> Iterator[str]:
    """An empty Postgres that forgets all at its end; yields a URL for asyncpg."""
    port, user, programs = free_port(), postgres_user(), postgres_programs()
    with TemporaryDirectory(prefix="ifrl-postgres-", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)

        def run(*arguments: str) -> None:
            program = [str(programs / arguments[0]), "--pgdata", f"{folder}/data", *arguments[1:]]
            done = subprocess.run(program, user=user, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, Path(log.name).read_text()

        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        with NamedTemporaryFile("w", prefix="ifrl-postgres-", suffix=".log") as log:
            run("initdb", "--username", "ifrl", "--auth", "trust", "--no-sync")
            run("pg_ctl", "start", "--wait", "--timeout", f"{PATIENCE_S:.0f}", "--options", options)
            try:
                yield f"postgresql+asyncpg://ifrl@127.0.0.1:{port}/postgres"
            finally:
                run("pg_ctl", "stop", "--mode", "immediate")


@contextmanager
def prefect_server(folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server on a Postgres of its own, as teams run it; yields the environment that points to it.

    On sqlite a server with workers and automations now and then stands still for a minute: two of its transactions wait
    for each other until the busy timeout, and whoever watches a run waits with them.
    """
    with postgres_server() as database, prefect_on(database, folder, free_port()) as env:
        yield env


@contextmanager
def prefect_on(database: str, folder: Path, port: int) -> Iterator[dict[str, str]]:
    """The same on a database that outlives it, so that it can be stopped and started again."""
    home = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(folder / "prefect" / "results"),
        "PREFECT_MEMO_STORE_PATH": str(folder / "prefect" / "memo.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "true",
    }
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server_env = {
        **os.environ,
        **home,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_UI_API_URL": api["PREFECT_API_URL"],
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",  # how soon who waits for another run looks again
    }
    with running(command, server_env, folder / "server.log", f"{api['PREFECT_API_URL']}/health"):
        yield {**home, **api, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """An MLflow server on sqlite in `folder`, which keeps its state there; yields its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "files")]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "true"}
    env.pop("MLFLOW_TRACKING_URI", None)
    with running(command, env, folder / "mlflow.log", f"{url}/health"):
        yield url


def ask(api: str, path: str, body: Any = None, method: str = "POST") -> Any:
    """A Prefect server's answer; while its database is busy (503) it is asked again, as Prefect's own clients do."""
    data = None if method == "GET" else json.dumps(body or {}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{api}{path}", data=data, headers=headers, method=method)
    for attempt in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503 or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1)
        else:
            break
    return json.loads(text) if text else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30):  # short: it is asked again
            return True
    except urllib.error.HTTPError:
        return True  # it answers, with a refusal
    except OSError:
        return False
