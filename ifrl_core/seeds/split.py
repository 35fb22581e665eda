"""Train or held-out: decided for every seed by a hash of its text, before anything else happens."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ifrl_core.errors import ConfigError
from ifrl_core.seeds.read import SeedText
from ifrl_core.statistics.by_hash import share_by_hash

Split = Literal["train", "held_out"]


@dataclass(frozen=True)
class Seed:
    """A seed instruction and the split that it, and everything made from it, belongs to."""

    seed_id: str
    text: str
    source: str
    split: Split


def split_seeds(seeds: Sequence[SeedText], held_out: float | int, seed: int) -> list[Seed]:
    """Assign every seed to train or held-out, by a hash of (`seed`, text without case, spaces and punctuation).

    `held_out` as a share (float between 0 and 1): a seed is held out when its hash, read as a number in [0, 1), is
    below the share. The choice looks at that seed alone: adding, removing or reordering others never moves it, and a
    larger share only moves seeds from train to held-out. The share is met on average, so a handful of seeds may leave
    one split empty: the caller checks that.

    `held_out` as a count (int): the seeds of lowest hash, until the count is reached. Reordering moves nothing, but
    adding seeds can push one from held-out to train.

    Either way, texts that differ only in case, spaces or punctuation fall on the same side (a group of them at the
    edge of a count stays whole, and the count is then exceeded).

    Raises:
        ConfigError: when `held_out` is neither a share inside (0, 1) nor a count inside [1, number of seeds).
    """
    if isinstance(held_out, float):
        if not 0 < held_out < 1:
            raise ConfigError(f"held-out share is {held_out}; expected a number between 0 and 1, or a whole count")
        return [_assigned(item, split_hash(item.text, seed) < held_out) for item in seeds]
    if not 1 <= held_out < len(seeds):
        raise ConfigError(f"held-out count is {held_out} of {len(seeds)} seeds; expected 1 to {len(seeds) - 1}")
    edge = sorted(split_hash(item.text, seed) for item in seeds)[held_out - 1]
    return [_assigned(item, split_hash(item.text, seed) <= edge) for item in seeds]


SeedLike = TypeVar("SeedLike", SeedText, Seed)


def at_most(seeds: Sequence[SeedLike], limit: int, seed: int) -> list[SeedLike]:
    """The `limit` seeds of lowest hash (all when fewer), by id: a choice that does not depend on their order."""
    chosen = sorted(seeds, key=lambda item: (split_hash(item.text, seed), item.seed_id))[:limit]
    return sorted(chosen, key=lambda item: item.seed_id)


def split_hash(text: str, seed: int) -> float:
    """A number in [0, 1), uniform over texts; equal for texts that differ only in case, spaces or punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(char for char in folded if unicodedata.category(char)[0] not in "PZC")
    return share_by_hash(seed, kept)


def _assigned(item: SeedText, held_out: bool) -> Seed:
    return Seed(item.seed_id, item.text, item.source, "held_out" if held_out else "train")
