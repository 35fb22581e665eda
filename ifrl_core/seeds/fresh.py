"""The seeds of a retraining: those of a folder that none has used before, and what is held out.

A retraining trains on fresh seeds alone and measures on everything that is held out: the recipe's own seeds and all that the
folder ever held. Which side a seed is on goes by a hash of its text, so it is the same in every retraining.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.listing import lineage
from ifrl_core.config import StageConfig
from ifrl_core.errors import InputError
from ifrl_core.identity.fields import How
from ifrl_core.models.rendering import rendering_of
from ifrl_core.seeds.files import seed_files
from ifrl_core.seeds.read import Rejected, digest_of_seeds, read_seeds
from ifrl_core.seeds.split import Seed, at_most, split_seeds
from ifrl_core.seeds.stage import SeedsSource, write_seeds
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

FRESH = "fresh.json"
_SEED_STAGES = ("seeds", "retrain-seeds")


class RetrainSeedsSource(StageConfig):
    """What the retrain-seeds stage reads, as SeedsSource. `fresh`: digest of the new seeds that were not used before."""

    paths: How[tuple[str, ...]] = Field(exclude=True)
    digest: str
    used: How[tuple[str, ...]] = Field(exclude=True)
    fresh: str
    recipe: SeedsSource
    rendering: str = Field("", exclude_if=lambda digest: not digest)


@dataclass(frozen=True)
class FreshSeeds:
    """`seeds` that no retraining has used, split, of `read` usable ones in all files; `source` names them for the stage."""

    source: RetrainSeedsSource
    seeds: tuple[Seed, ...]
    read: int

    @property
    def train(self) -> int:
        return sum(seed.split == "train" for seed in self.seeds)


def find_fresh_seeds(location: str, recipe: SeedsSource, used: Collection[str], *, seed: int) -> FreshSeeds:
    """Look for fresh seeds in a folder, at an s3:// prefix or in a file; `used`: ids of those that were used before.

    Raises:
        InputError: when there is no such folder, or a file that cannot be read.
    """
    paths = seed_files(location)
    texts, rejected = _split(paths, recipe, seed) if paths else ([], [])
    fresh = tuple(_fresh(texts, recipe, used, seed))
    ids = "\n".join(sorted(item.seed_id for item in fresh))
    source = RetrainSeedsSource(
        paths=paths,
        digest=digest_of_seeds((item.said for item in texts), rejected),
        used=tuple(sorted(used)),
        fresh=digest_of_bytes(ids.encode()),
        recipe=recipe,
        rendering=rendering_of(item.conversation for item in texts),
    )
    return FreshSeeds(source, fresh, len(texts))


@stage("retrain-seeds", version=1, label="seeds", inputs=(), optional=True)
def make_retrain_seeds(config: RetrainSeedsSource, inputs: Inputs, work: Work) -> Figures:
    """As the seeds stage: train seeds are the new ones, held-out ones those of the folder and the recipe. fresh.json names
    the seeds that this retraining uses.

    Raises:
        InputError: when a split has fewer than two.
    """
    texts, rejected = _split(config.paths, config.recipe, work.seed)
    fresh = _fresh(texts, config.recipe, config.used, work.seed)
    own = _recipe_seeds(config.recipe, work.seed)
    train = at_most([item for item in fresh if item.split == "train"], config.recipe.train, work.seed)
    held_out = {item.seed_id: item for item in (*own, *texts) if item.split == "held_out"}
    chosen = at_most(list(held_out.values()), config.recipe.held_out, work.seed)
    ids = sorted({item.seed_id for item in (*train, *(item for item in fresh if item.split == "held_out"))})
    work.writer.write_json(FRESH, ids)
    return write_seeds(work, len(texts) + len(own), train, chosen, rejected)


def check_held_out(store: ArtifactStore, seeds: ArtifactRef, champion: ArtifactRef) -> None:
    """Whether no held-out seed was trained on by the champion or the champions it came from, as far as the store knows.

    Raises:
        InputError: naming some that were.
    """
    trained: set[str] = set()
    for item in lineage(store, champion):
        stage_name, _, fingerprint = item["artifact"].partition("/")
        ref = store.find(stage_name, fingerprint) if stage_name in _SEED_STAGES else None
        if ref is not None:
            trained |= {row["seed_id"] for row in store.rows(ref) if row["split"] == "train"}
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
    other = {item.seed_id for item in _recipe_seeds(recipe, seed)} | set(used)
    return [item for item in texts if item.seed_id not in other]
