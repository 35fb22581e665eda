"""The ledger of used seeds: a seed is used once a retraining that had it came to a decision, whatever that was.

Used seeds are named in the store by the digest of their text, a file for each retraining:

    <root>/retrain/<model>/<run>.json     {"run", "decision", "version", "seeds": "retrain-seeds/…", "seed_ids": […]}
"""

import json
from pathlib import PurePosixPath
from urllib.parse import quote

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.seeds.fresh import FRESH


def used_ids(store: ArtifactStore, model: str) -> set[str]:
    """Ids of all seeds that retrainings of the registered model have used."""
    entries = (json.loads(files.read_bytes(store.fs, path)) for path in _paths(store, model))
    return {seed_id for entry in entries for seed_id in entry["seed_ids"]}


def has_entry(store: ArtifactStore, model: str, run: str) -> bool:
    """Whether it is written down which seeds a run used."""
    return f"{run}.json" in {PurePosixPath(path).name for path in _paths(store, model)}


def mark_used(store: ArtifactStore, model: str, seeds: ArtifactRef, *, run: str, decision: str, version: str) -> None:
    """Write down that a retraining came to a decision with these seeds (an artifact of make_retrain_seeds)."""
    entry = {
        "run": run,
        "decision": decision,
        "version": version,
        "seeds": f"{seeds.stage}/{seeds.fingerprint}",
        "seed_ids": store.read_json(seeds, FRESH),
    }
    path = f"{_folder(store, model)}/{run}.json"
    files.write_bytes(store.fs, path, (json.dumps(entry, indent=2) + "\n").encode())


def _folder(store: ArtifactStore, model: str) -> str:
    return f"{store.base}/retrain/{quote(model, safe='')}"


def _paths(store: ArtifactStore, model: str) -> list[str]:
    try:
        paths = store.fs.ls(_folder(store, model), detail=False)
    except FileNotFoundError:
        return []
    return sorted(path for path in paths if path.endswith(".json"))
