"""The training process of the reward model: `python -m ifrl_core.reward_model.train.process FOLDER/job.json` (job.py).

It trains, then scores the validation pairs as they are scored in use and, for the baselines, asks the untrained backbone.
Killed and started again, it goes on from its last whole checkpoint and ends with the same weights.
"""

import gc
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from transformers.utils import logging as transformers_logging

from ifrl_core.records import Row
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.quality.zero_shot import zero_shot_probabilities
from ifrl_core.reward_model.train.co_teaching import left_out
from ifrl_core.reward_model.train.fit import train_classifier
from ifrl_core.reward_model.train.job import CURVE, MODEL, SCORES, SCORES_FILE, Job, read_pairs, texts
from ifrl_core.training.entry import main
from ifrl_core.training.job import FINAL, read_provenance, renamed_when_whole, write_provenance


def train(document: Path) -> None:
    """Train on a job and save the model, its curve, and the scores of the job's pairs."""
    transformers_logging.set_verbosity_error()  # its load report calls the fresh head a missing weight
    job = Job.read(document)
    pairs = read_pairs(job.folder)
    misranked = left_out(job, pairs)
    with renamed_when_whole(job.folder / FINAL) as final:
        kept = [pair for pair in pairs if pair["label_id"] not in misranked]
        curve = train_classifier(job, kept, job.folder, final / MODEL)
        (final / CURVE).write_text(json.dumps(curve))
        gc.collect()
        model = RewardModel(final / MODEL)
        write_provenance(job.folder, {**read_provenance(job.folder), "scoring": model.dtype})
        rows = list(_scores(job, pairs, misranked, model))
        pq.write_table(pa.Table.from_pylist(rows, schema=SCORES), final / SCORES_FILE)


def _scores(job: Job, pairs: list[Row], misranked: set[str], model: RewardModel) -> Iterable[Row]:
    """A row of SCORES a pair, in their order."""
    validation = [pair for pair in pairs if pair["split"] == "validation"]
    probabilities = _by_label(validation, model.probabilities(texts(validation)))
    compared = [pair for pair in pairs if pair["compared"]]
    untrained = zero_shot_probabilities(job.model, texts(compared), job.config.max_tokens) if compared else []
    zero_shot = _by_label(compared, untrained)
    for pair in pairs:
        label = pair["label_id"]
        yield {
            "label_id": label,
            "probability": probabilities.get(label),
            "zero_shot": zero_shot.get(label),
            "left_out": label in misranked,
        }


def _by_label(pairs: list[Row], values: list[float | None]) -> dict[str, float | None]:
    return {pair["label_id"]: value for pair, value in zip(pairs, values, strict=True)}


if __name__ == "__main__":
    main(train)
