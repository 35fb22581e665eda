"""Choices by hash: random, yet the same on every machine, in every order of the items, and when others come or go.

A choice is named by parts: its purpose first, so that two purposes choose independently, then as a rule the run's seed, and
the item. The first ten of a random order, one item in five, a random seed:

    sorted(rows, key=lambda row: rank_by_hash("report", row["id"]))[:10]
    share_by_hash("labels", seed, name) < 0.2
    random.Random(seed_by_hash("rollout", seed, step))
"""

import hashlib


def rank_by_hash(*parts: str | int) -> bytes:
    """sha256 of the parts with NUL between them: what is sorted by it is in a random order."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()


def share_by_hash(*parts: str | int) -> float:
    """A number in [0, 1), uniform over names."""
    return (_bits(*parts) >> 11) / 2**53  # 53 bits: exact in a float, never rounded up to 1


def seed_by_hash(*parts: str | int) -> int:
    """A seed of 63 bits for a source of random numbers."""
    return _bits(*parts) >> 1


def _bits(*parts: str | int) -> int:
    return int.from_bytes(rank_by_hash(*parts)[:8], "big")
