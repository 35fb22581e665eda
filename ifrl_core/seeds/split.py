"""Train or held-out: decided for every seed by a hash of its text, before anything else happens.

Of a conversation, of what the user said first: a dialog is one seed, at its last user turn, and where a file has several
parts of one dialog, all of them, which begin alike, are on one side.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from ifrl_core.errors import ConfigError
from ifrl_core.seeds.read import SeedText
from ifrl_core.statistics.by_hash import share_by_hash

Split = Literal["train", "held_out"]


@dataclass(frozen=True)
class Seed(SeedText):
    """A seed instruction and the split that it, and everything made from it, belongs to."""

    split: Split = field(kw_only=True)


def split_seeds(seeds: Sequence[SeedText], held_out_share: float, seed: int) -> list[Seed]:
    """Assign every seed to train or held-out, by a hash of (`seed`, opening without case, spaces and punctuation).

    A seed is held out when its hash, read as a number in [0, 1), is below the share. The choice looks at that seed alone:
    adding, removing or reordering others never moves it, and a larger share only moves seeds from train to held-out. Texts
    that differ only in case, spaces or punctuation fall on the same side. The share is met on average, so a handful of
    seeds may leave one split empty: the caller checks that.

    Raises:
        ConfigError: when the share is not inside (0, 1).
    """
    if not 0 < held_out_share < 1:
        raise ConfigError(f"held-out share is {held_out_share}; expected a number between 0 and 1")
    return [
        Seed(**vars(item), split="held_out" if split_hash(item.opening, seed) < held_out_share else "train")
        for item in seeds
    ]


SeedLike = TypeVar("SeedLike", SeedText, Seed)


def at_most(seeds: Sequence[SeedLike], limit: int, seed: int) -> list[SeedLike]:
    """The `limit` seeds of lowest hash (all when fewer), by id: a choice that does not depend on their order."""
    chosen = sorted(seeds, key=lambda item: (split_hash(item.opening, seed), item.seed_id))[:limit]
    return sorted(chosen, key=lambda item: item.seed_id)


def split_hash(text: str, seed: int) -> float:
    """A number in [0, 1), uniform over texts; equal for texts that differ only in case, spaces or punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(char for char in folded if unicodedata.category(char)[0] not in "PZC")
    return share_by_hash(seed, kept)
