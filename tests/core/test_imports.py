"""Layers and start-up time: what must not be imported, in a fresh interpreter."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


LIBRARY = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for path in (ROOT / "ifrl_core").rglob("*.py")
    if path.name not in ("__init__.py", "vllm_engine.py")
)


def test_the_library_does_not_pull_in_prefect() -> None:
    assert "prefect" not in modules_after(f"import {', '.join(LIBRARY)}")


def test_wiring_does_not_pull_in_what_only_a_stage_needs() -> None:
    """A warm re-run and a deployment load the flow without paying for it."""
    heavy = {"torch", "transformers", "sklearn", "statsmodels", "matplotlib"}
    assert not modules_after("import flows.pipeline") & heavy


def test_config_and_help_need_neither_torch_nor_prefect() -> None:
    found = modules_after("import ifrl_core.config, ifrl_core.config.recipes, flows.cli.main")
    assert not found & {"torch", "transformers", "prefect", "mlflow"}


def test_help_answers_in_well_under_a_second() -> None:
    before = os.times()
    done = subprocess.run([sys.executable, "-m", "flows.cli", "--help"], capture_output=True, text=True, check=True)
    after = os.times()
    assert "demo" in done.stdout
    # Of CPU time, as other tests run beside this one; an import of torch or prefect alone takes longer.
    assert after.children_user - before.children_user < 0.9
