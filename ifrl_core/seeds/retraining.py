"""The seeds of a retraining: new ones out of a folder, which of them were used before, and what is held out.

A retraining trains on new seeds alone and measures on everything that is held out: the recipe's own seeds and all that the
folder ever held. Which side a seed is on goes by a hash of its text, so it is the same in every retraining.

A seed is used once a retraining that had it came to a decision. Used seeds are named in the store by their text's digest:

    <root>/retrain/<model>/<run>.json     {"run", "decision", "version", "seeds": "retrain-seeds/…", "seed_ids": […]}
"""

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.artifacts.digest import digest_of_bytes, digest_of_source
from ifrl_core.artifacts.files import filesystem, is_local
from ifrl_core.artifacts.listing import lineage
from ifrl_core.config import StageConfig
from ifrl_core.errors import InputError
from ifrl_core.promotion.champion import DECISION, RUN, SEEDS, Version
from ifrl_core.seeds.read import SUFFIXES, Rejected, read_seeds
from ifrl_core.seeds.split import Seed, at_most, split_seeds
from ifrl_core.seeds.stage import SeedsSource, write_seeds
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

log = logging.getLogger(__name__)

FRESH = "fresh.json"
_SEED_STAGES = ("seeds", "retrain-seeds")


class RetrainSeedsSource(StageConfig):
    """What the retrain-seeds stage reads, by content. `fresh`: digest of the new seeds that were not used before."""

    paths: tuple[str, ...] = Field(exclude=True)
    digests: tuple[str, ...]
    used: tuple[str, ...] = Field(exclude=True)
    fresh: str
    recipe: SeedsSource


@dataclass(frozen=True)
class FoundSeeds:
    """`fresh`: seeds that no retraining has used, split; `read`: usable seeds of all files."""

    source: RetrainSeedsSource
    fresh: tuple[Seed, ...]
    read: int

    @property
    def train(self) -> int:
        return sum(seed.split == "train" for seed in self.fresh)


def find_seeds(location: str, recipe: SeedsSource, used: Collection[str], *, seed: int) -> FoundSeeds:
    """Look for new seeds in a folder, at an s3:// prefix or in a file; `used`: ids of those that were used before.

    Raises:
        InputError: when there is no such folder, or a file that cannot be read.
    """
    paths = seed_files(location)
    texts = _split(paths, recipe, seed)[0] if paths else []
    fresh = tuple(_fresh(texts, recipe, used, seed))
    ids = "\n".join(sorted(item.seed_id for item in fresh))
    source = RetrainSeedsSource(
        paths=paths,
        digests=tuple(sorted(digest_of_source(path) for path in paths)),
        used=tuple(sorted(used)),
        fresh=digest_of_bytes(ids.encode()),
        recipe=recipe,
    )
    return FoundSeeds(source, fresh, len(texts))


def seed_files(location: str) -> tuple[str, ...]:
    """The seed files below a folder or prefix, by path; hidden and empty files and those of other kinds are passed over.

    Raises:
        InputError: when `location` is empty, a local folder that does not exist, or cannot be listed.
    """
    if not location:
        raise InputError("new_seeds is empty: name a folder or an s3:// prefix of JSONL, Parquet or text files")
    fs, base = filesystem(location)
    try:
        if is_local(fs) and not fs.exists(base):
            raise InputError(f"new_seeds {location} does not exist; name a folder, a file or an s3:// prefix")
        found: dict[str, dict[str, object]] = fs.find(base, detail=True)
    except OSError as error:
        raise InputError(f"new_seeds {location} cannot be listed: {error}") from error
    wanted, other = [], 0
    for path, detail in sorted(found.items()):
        below = PurePosixPath(path[len(base) :] or PurePosixPath(path).name)
        if any(part.startswith(".") for part in below.parts) or not detail.get("size"):
            continue
        if below.suffix.lower() in SUFFIXES:
            wanted.append(path if is_local(fs) else str(fs.unstrip_protocol(path)))
        else:
            other += 1
    if other:
        log.warning("%d files in %s are passed over: seeds are read from %s", other, location, ", ".join(SUFFIXES))
    return tuple(wanted)


@stage("retrain-seeds", version=1)
def make_retrain_seeds(config: RetrainSeedsSource, inputs: Inputs, work: Work) -> Figures:
    """As the seeds stage: train seeds are the new ones, held-out ones those of the folder and the recipe. fresh.json names
    the seeds that this retraining uses.

    Raises:
        InputError: when a split has fewer than two.
    """
    texts, rejected = _split(config.paths, config.recipe, work.seed)
    fresh = _fresh(texts, config.recipe, config.used, work.seed)
    known = _recipe_seeds(config.recipe, work.seed)
    train = at_most([item for item in fresh if item.split == "train"], config.recipe.train, work.seed)
    held_out = {item.seed_id: item for item in (*known, *texts) if item.split == "held_out"}
    chosen = at_most(list(held_out.values()), config.recipe.held_out, work.seed)
    ids = sorted({item.seed_id for item in (*train, *(item for item in fresh if item.split == "held_out"))})
    work.writer.write_json(FRESH, ids)
    return write_seeds(work, len(texts) + len(known), train, chosen, rejected)


def used_ids(store: ArtifactStore, name: str) -> set[str]:
    """Ids of all seeds that retrainings of the model `name` have used."""
    return {seed_id for path in _ledger(store, name) for seed_id in _read(store, path)["seed_ids"]}


def mark_used(store: ArtifactStore, name: str, seeds: ArtifactRef, *, run: str, decision: str, version: str) -> None:
    """Write down that a retraining came to a decision with these seeds (an artifact of make_retrain_seeds)."""
    entry = {
        "run": run,
        "decision": decision,
        "version": version,
        "seeds": f"{seeds.stage}/{seeds.fingerprint}",
        "seed_ids": store.read_json(seeds, FRESH),
    }
    path = f"{_folder(store, name)}/{run}.json"
    files.write_bytes(store.fs, path, (json.dumps(entry, indent=2) + "\n").encode())


def mend_ledger(store: ArtifactStore, champion: Version) -> None:
    """Write down what a retraining used that was killed between making its model champion and writing that down."""
    run, seeds = champion.tags.get(RUN, ""), champion.tags.get(SEEDS, "")
    if not run or not seeds or f"{run}.json" in {PurePosixPath(path).name for path in _ledger(store, champion.name)}:
        return
    stage_name, _, fingerprint = seeds.partition("/")
    ref = store.find(stage_name, fingerprint)
    if ref is None:
        log.warning("%s: its seeds %s are no longer in the store; they may be used again", champion.uri, seeds)
        return
    decision = champion.tags.get(DECISION, "")
    mark_used(store, champion.name, ref, run=run, decision=decision, version=champion.version)


def check_held_out(store: ArtifactStore, seeds: ArtifactRef, champion: ArtifactRef) -> None:
    """Whether no held-out seed was trained on by the champion or the champions it came from, as far as the store knows.

    Raises:
        InputError: naming some that were.
    """
    trained: set[str] = set()
    for item in lineage(store, champion):
        stage_name, _, fingerprint = item["artifact"].partition("/")
        found = store.find(stage_name, fingerprint) if stage_name in _SEED_STAGES else None
        if found is not None:
            trained |= {row["seed_id"] for row in store.rows(found) if row["split"] == "train"}
    both = sorted(
        row["seed_id"] for row in store.rows(seeds) if row["split"] == "held_out" and row["seed_id"] in trained
    )
    if both:
        raise InputError(
            f"{len(both)} held-out seeds were trained on by the champion ({', '.join(both[:3])}, …): use the seed and the "
            "held_out_share that it was made with"
        )


def _split(paths: Sequence[str], recipe: SeedsSource, seed: int) -> tuple[list[Seed], list[Rejected]]:
    texts, rejected = read_seeds(paths, builtin=False)
    return split_seeds(texts, recipe.held_out_share, seed), rejected


def _recipe_seeds(recipe: SeedsSource, seed: int) -> list[Seed]:
    if not recipe.paths and not recipe.builtin:
        return []
    texts, _ = read_seeds(recipe.paths, builtin=recipe.builtin)
    return split_seeds(texts, recipe.held_out_share, seed)


def _fresh(texts: Sequence[Seed], recipe: SeedsSource, used: Collection[str], seed: int) -> list[Seed]:
    """Those that were not used and are none of the recipe's own."""
    known = {item.seed_id for item in _recipe_seeds(recipe, seed)} | set(used)
    return [item for item in texts if item.seed_id not in known]


def _folder(store: ArtifactStore, name: str) -> str:
    return f"{store.base}/retrain/{quote(name, safe='')}"


def _ledger(store: ArtifactStore, name: str) -> list[str]:
    try:
        found = store.fs.ls(_folder(store, name), detail=False)
    except FileNotFoundError:
        return []
    return sorted(path for path in found if path.endswith(".json"))


def _read(store: ArtifactStore, path: str) -> dict[str, list[str]]:
    entry: dict[str, list[str]] = json.loads(files.read_bytes(store.fs, path))
    return entry
