"""A training process of the reward model, one or one of many: `... -m ifrl_core.reward_model.train.process FOLDER/job.json`.

They train; then the first one scores the validation pairs as they are scored in use and, for the baselines, asks the
untrained backbone. Killed and started again, it goes on from its last whole checkpoint and ends with the same weights.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from torch import distributed
from transformers.utils import logging as transformers_logging

from ifrl_core.records import Row
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.quality.zero_shot import zero_shot_probabilities
from ifrl_core.reward_model.train.fit import train_classifier
from ifrl_core.reward_model.train.job import CURVE, MODEL, SCORES, SCORES_FILE, Job, check_launch, read_pairs, texts
from ifrl_core.training.entry import main
from ifrl_core.training.job import FINAL, read_provenance, renamed_when_whole, write_provenance
from ifrl_core.training.memory import free_memory


def train(document: Path) -> None:
    """Train on a job; the first process saves the model, its curve, and the scores of the job's pairs."""
    transformers_logging.set_verbosity_error()  # its load report calls the fresh head a missing weight
    job = Job.read(document)
    pairs = read_pairs(job.folder)
    check_launch(job.config)  # the stage has looked at its own machine alone
    trained = train_classifier(job, pairs)
    if distributed.is_initialized():  # the first process goes on alone
        distributed.destroy_process_group()
    if trained is None:
        return
    with renamed_when_whole(job.folder / FINAL) as final:
        trained.save(final / MODEL, job.config)
        (final / CURVE).write_text(json.dumps(trained.curve))
        del trained
        free_memory()
        rows = list(_scores(job, pairs, final / MODEL))
        pq.write_table(pa.Table.from_pylist(rows, schema=SCORES), final / SCORES_FILE)


def _scores(job: Job, pairs: list[Row], folder: Path) -> Iterable[Row]:
    """A row of SCORES a pair, in their order; one model is loaded at a time."""
    validation = [pair for pair in pairs if pair["split"] == "validation"]
    model = RewardModel(folder)
    write_provenance(job.folder, {**read_provenance(job.folder), "scoring": model.dtype})
    probabilities = _by_label(validation, model.probabilities(texts(validation)))
    del model
    free_memory()
    compared = [pair for pair in pairs if pair["compared"]]
    untrained = zero_shot_probabilities(job.model, texts(compared), job.config.max_tokens) if compared else []
    zero_shot = _by_label(compared, untrained)
    for pair in pairs:
        label = pair["label_id"]
        yield {"label_id": label, "probability": probabilities.get(label), "zero_shot": zero_shot.get(label)}


def _by_label(pairs: list[Row], values: list[float | None]) -> dict[str, float | None]:
    return {pair["label_id"]: value for pair, value in zip(pairs, values, strict=True)}


if __name__ == "__main__":
    main(train)
