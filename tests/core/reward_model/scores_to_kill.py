"""A child that scores FILE into the store ROOT, three rows a shard, and is killed in the second shard."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.reward_model.scores import stage
from ifrl_core.reward_model.scores.pairs import import_pairs, pairs_source


class ByLength:
    """Stands for a reward model where only shards matter; keeps what it was asked. `fatal`: the call that kills it."""

    def __init__(self, fatal: int | None = None) -> None:
        self.asked: list[Sequence[tuple[str, str]]] = []
        self._fatal = fatal

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        self.asked.append(pairs)
        if len(self.asked) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return [None if constraint == "?" else 1 / (1 + len(response)) for response, constraint in pairs]


def scored(path: Path, store: ArtifactStore, scorer: ByLength, rows_per_shard: int) -> tuple[ArtifactRef, ArtifactRef]:
    """The artifacts of pairs and scores."""
    stage._opened.cache_clear()
    stage.open_scorer = lambda *_, **__: scorer  # type: ignore[attr-defined]
    writer = store.writer("model", 1, "0" * 64, {}, {})
    writer.write_bytes("model/config.json", b"{}")
    pairs = import_pairs(pairs_source(path, rows_per_shard), {}, store)
    model = store.find("model", "0" * 64) or writer.commit({})
    return pairs, stage.make_scores(stage.ScoresConfig(), {"pairs": pairs, "model": model}, store)


if __name__ == "__main__":
    scored(Path(sys.argv[1]), ArtifactStore(sys.argv[2]), ByLength(fatal=2), 3)
