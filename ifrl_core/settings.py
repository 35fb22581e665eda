"""Where things are: environment variables with defaults, set before Prefect or MLflow is imported.

`VARIABLES` lists every one that the library, the flows and the tasks read. None of them enters a fingerprint: they say where,
never what. Those of the stack (ports, folders, public addresses) are in docker/compose.yaml.
"""

import os
import re
from pathlib import Path

from ifrl_core.errors import ConfigError
from ifrl_core.text.masking import mask_logs, masked, public

VARIABLES = {
    "IFRL_ROOT": "storage root of all artifacts: a folder (default .ifrl/store) or s3://bucket/prefix",
    "IFRL_CACHE": "this machine's copies of models and artifacts that are elsewhere (default ~/.cache/ifrl)",
    "IFRL_HOME": "local work folder (default .ifrl): MLflow's and Prefect's local databases, logs",
    "IFRL_MLFLOW_URL": "where people's browsers reach the MLflow server, when that is not its tracking URI",
    "IFRL_SERVER_URLS": "OpenAI-compatible base URLs (http://host:8000/v1,...) of engine server; with _NAME "
    "behind, such as _QWEN3_32B, of the model served as qwen3-32b",
    "IFRL_SERVER_API_KEY": "their key, when they want one",
    "IFRL_JUDGE_URLS": "such base URLs of the judge (evaluation.judge with engine server)",
    "IFRL_JUDGE_API_KEY": "their key, when they want one",
    "IFRL_VLLM_URL": "http://host:8000 of the vLLM server that policy training keeps in step (generation vllm_server)",
    "IFRL_REWARD_MODEL_URL": "the `ifrl serve`, or several with commas, of launch.reward_model service and of `ifrl score`",
    "IFRL_REWARD_MODEL_TOKEN": "its bearer token, when it wants one",
    "IFRL_SECRETS_BLOCK": "a Prefect Secret block that holds such variables (keys, AWS credentials) as a JSON object",
    "IFRL_SLOTS": "the limit of GPU slots that a stage waits for; set by the deployments of stages",
    "IFRL_WORKER_DEVICES": "set for the workers of runner processes: the GPUs that they share out",
    "IFRL_WEBHOOK_URL": "where notifications of failed runs go; read by `ifrl deploy`, kept encrypted on the server",
    "IFRL_LAUNCHER_PID": "set for training processes: the process that they end with",
    "MLFLOW_TRACKING_URI": "default: sqlite in the work folder",
    "PREFECT_API_URL": "default: none, and then Prefect's own temporary server",
    "NODE_RANK": "this machine among those that train together (launch.machines)",
    "MASTER_ADDR": "the machine of NODE_RANK 0",
    "MASTER_PORT": "its port (default 29500)",
}
_NOT_IN_URLS = "?#%"

# oneDNN, and what PyTorch puts before it, keep a kernel for every shape of a bf16 product that came along: half a MiB each,
# by default 1,024 of them. Texts are of ever other lengths, so they fill up (to 1 GiB) and serve nobody.
KEPT_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}

# Threads that spin while they wait starve each other as soon as something else wants the processor: generation on 2 cores
# beside 2 busy processes made 26-39 tokens/s spinning and 119-197 sleeping.
PROCESSOR = {"OMP_WAIT_POLICY": "PASSIVE", **KEPT_KERNELS}


def configure_environment() -> None:
    """Fill in what the user left unset. Call it before importing prefect or mlflow.

    Raises:
        ConfigError: when the work folder's path cannot stand in the URL of a database.
    """
    home = home_folder()
    if marks := sorted({mark for mark in _NOT_IN_URLS if mark in str(home)}):
        raise ConfigError(
            f"the work folder {home} has {' and '.join(marks)} in its path, where the URLs of MLflow's and Prefect's "
            "databases end or change their meaning: choose another with IFRL_HOME"
        )
    home.mkdir(parents=True, exist_ok=True)
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "prefect" / "results"),
        "PREFECT_MEMO_STORE_PATH": str(home / "prefect" / "memo.toml"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        # A flow's state is told through an outage of 17 minutes (pauses double from 2 s); Prefect's 5 tries last one.
        "PREFECT_CLIENT_MAX_RETRIES": "9",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20 is too short for a busy machine
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "ifrl_core",
        "DO_NOT_TRACK": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    mask_logs()
    configure_tracking()
    configure_processor()


def configure_tracking() -> None:
    """Have MLflow's client give up on a server that is gone after about 2 s (its own default: 4 minutes a call); what the
    server does not take is kept and sent later. And have it print nothing of its own between our lines, or into JSON."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def configure_processor() -> None:
    """Have threads sleep while they wait and few kernels kept, unless told otherwise. Call it before importing torch."""
    for name, value in PROCESSOR.items():
        os.environ.setdefault(name, value)


def home_folder() -> Path:
    return Path(os.environ.get("IFRL_HOME", ".ifrl")).expanduser().resolve()


def cache_folder() -> Path:
    """Where this machine keeps copies that all runs share."""
    return Path(os.environ.get("IFRL_CACHE") or Path.home() / ".cache" / "ifrl")


def store_root() -> str:
    """The storage root.

    Raises:
        ConfigError: for what is neither a folder nor s3://bucket/prefix, and would become a folder of that name.
    """
    root = os.environ.get("IFRL_ROOT") or str(home_folder() / "store")
    if re.match(r"s3:(/(?!/)|//(/|$))", root):
        raise ConfigError(f"IFRL_ROOT {root!r} names no bucket: use s3://bucket/prefix, or a folder")
    return root


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home_folder() / 'mlflow.db'}"


def with_secrets(uri: str) -> str:
    """The tracking URI of this environment where `uri` is the same, masked; else `uri` itself. What is stored and passed on
    is masked, and every machine has the password from its own environment."""
    own = tracking_uri()
    return own if uri == masked(own) else uri


def mlflow_page(uri: str) -> str:
    """The address of the pages of the MLflow server at `uri`, without a slash at its end."""
    return public(os.environ.get("IFRL_MLFLOW_URL") or uri).rstrip("/")


def mlflow_artifact_folder() -> str | None:
    """Where a local MLflow store keeps files; a server chooses for itself."""
    return str(home_folder() / "mlflow-artifacts") if tracking_uri().startswith("sqlite:") else None
