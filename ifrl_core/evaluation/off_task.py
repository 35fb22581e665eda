"""Which answers leave their task aside, by a model that no training sees: the sentence embedding all-MiniLM-L6-v2.

The gate of the reward judges by words that an answer shares with its seed (rewards/task_drop.py), or by hidden states of the
base model. A policy learns to please what it is trained on, so the gate's own rate cannot say whether the task is kept: this
one stands beside it. An answer is off task when fewer than THRESHOLD of the other held-out seeds lie farther from it than its
own (rewards/intent.py). Measured in benchmarks/intent.md.
"""

from collections.abc import Sequence

from ifrl_core.models.sentence_embedding import PACKAGE, embedding_folder
from ifrl_core.statistics.by_hash import rank_by_hash

THRESHOLD = 0.95


def embedding_in_use() -> dict[str, str]:
    """What of it an evaluation is made with, for its identity; nothing where there is none."""
    return {"off task": f"{PACKAGE} {THRESHOLD}"} if embedding_folder() else {}


def off_task(seeds: Sequence[str], answers: Sequence[str]) -> list[bool | None]:
    """Whether each answer leaves the task of its seed aside; None where the package, or a second seed to compare with, is
    missing."""
    folder, distinct = embedding_folder(), sorted(set(seeds), key=lambda seed: rank_by_hash("off task", seed))
    if folder is None or len(distinct) < 2:
        return [None] * len(answers)
    from transformers.utils.logging import disable_progress_bar

    from ifrl_core.rewards.intent import REFERENCES, EmbeddingIntent

    disable_progress_bar()
    references = distinct[:REFERENCES]
    scores = EmbeddingIntent(folder, references, special_tokens=True).scores(seeds, answers)
    others = (len(references) - (seed in references) for seed in seeds)
    return [score * len(references) < THRESHOLD * of for score, of in zip(scores, others, strict=True)]
