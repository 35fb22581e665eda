"""The ledger of retrainings: which seeds each had, on which held-out seeds it was measured, and what came of it.

A retraining is written down once it came to a decision, whatever that was. Seeds are named by the digest of their text, a
file for each retraining:

    <root>/retrain/<model>/<run>.json     {"run", "decision", "version", "seeds": "retrain-seeds/…", "seed_ids": […],
                                           "held_out": […], "comparison", "look"}

Seeds of a champion are used. Those of a refused challenger are in no champion, and may be trained on again.
"""

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.seeds.fresh import FRESH

REFUSED = "refused"
Entry = dict[str, Any]


def used_ids(store: ArtifactStore, model: str, *, refused: bool = True) -> set[str]:
    """Ids of all seeds that retrainings of the registered model have had; `refused` False: without those whose challenger was
    refused."""
    return {
        seed_id
        for entry in _entries(store, model)
        if refused or entry["decision"] != REFUSED
        for seed_id in entry["seed_ids"]
    }


def has_entry(store: ArtifactStore, model: str, run: str) -> bool:
    """Whether it is written down which seeds a run used."""
    return f"{run}.json" in {PurePosixPath(path).name for path in _paths(store, model)}


def next_look(store: ArtifactStore, model: str, seeds: ArtifactRef, comparison: ArtifactRef) -> int:
    """The how manieth decision, from 1, one of `comparison` on the held-out seeds of `seeds` would be.

    Earlier decisions count when they share a held-out seed; one of the very same comparison is no further look.
    """
    held_out = set(_held_out(store, seeds))
    looks = 1
    for entry in _entries(store, model):
        if entry.get("comparison") == comparison.fingerprint:
            continue
        seen = _seen(store, entry)
        looks += seen is None or not held_out.isdisjoint(seen)
    return looks


def mark_used(
    store: ArtifactStore,
    model: str,
    seeds: ArtifactRef,
    *,
    run: str,
    decision: str,
    version: str,
    comparison: str = "",
    look: int | None = None,
) -> None:
    """Write down that a retraining came to a decision with these seeds (an artifact of make_retrain_seeds). `comparison`: the
    fingerprint of what was decided on."""
    entry = {
        "run": run,
        "decision": decision,
        "version": version,
        "seeds": f"{seeds.stage}/{seeds.fingerprint}",
        "seed_ids": store.read_json(seeds, FRESH),
        "held_out": _held_out(store, seeds),
        "comparison": comparison,
        "look": look,
    }
    path = f"{_folder(store, model)}/{run}.json"
    files.write_bytes(store.fs, path, (json.dumps(entry, indent=2) + "\n").encode())


def _held_out(store: ArtifactStore, seeds: ArtifactRef) -> list[str]:
    return sorted(row["seed_id"] for row in store.rows(seeds) if row["split"] == "held_out")


def _seen(store: ArtifactStore, entry: Entry) -> list[str] | None:
    """The held-out seeds of an entry; an entry that does not say is asked by its artifact. None: nobody knows."""
    if "held_out" in entry:
        return list(entry["held_out"])
    stage_name, _, fingerprint = entry["seeds"].partition("/")
    ref = store.find(stage_name, fingerprint)
    return None if ref is None else _held_out(store, ref)


def _entries(store: ArtifactStore, model: str) -> list[Entry]:
    return [json.loads(files.read_bytes(store.fs, path)) for path in _paths(store, model)]


def _folder(store: ArtifactStore, model: str) -> str:
    return f"{store.base}/retrain/{quote(model, safe='')}"


def _paths(store: ArtifactStore, model: str) -> list[str]:
    try:
        paths = store.fs.ls(_folder(store, model), detail=False)
    except FileNotFoundError:
        return []
    return sorted(path for path in paths if path.endswith(".json"))
