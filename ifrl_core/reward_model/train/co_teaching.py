"""Which training pairs a recipe with `drop_misranked` leaves out: a classifier a half of the instructions, trained here."""

import json
from pathlib import Path

from ifrl_core.records import Row
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.train.fit import train_classifier
from ifrl_core.reward_model.train.job import Job, texts
from ifrl_core.reward_model.train.misranked import half_of, logit, misranked
from ifrl_core.training.job import FINAL, renamed_when_whole
from ifrl_core.training.memory import free_memory


def left_out(job: Job, pairs: list[Row]) -> set[str]:
    """Label ids of the misranked training pairs; they are written down once."""
    if job.config.drop_misranked is None:
        return set()
    written = job.folder / "misranked.json"
    if not written.exists():
        places = misranked(pairs, _cross_scored(job, pairs), job.config.drop_misranked)
        partial = written.with_suffix(".partial")
        partial.write_text(json.dumps([pairs[place]["label_id"] for place in places]))
        partial.replace(written)
    return set(json.loads(written.read_text()))


def _cross_scored(job: Job, pairs: list[Row]) -> list[float | None]:
    """Logits of the training pairs by a model of the other half of the instructions; None for the validation ones."""
    logits: list[float | None] = [None] * len(pairs)
    halves = [half_of(pair["instruction"], job.seed) for pair in pairs]
    for half in (0, 1):
        model = _half_model(job, pairs, halves, half)
        places = [place for place, of in enumerate(halves) if of != half and pairs[place]["split"] == "train"]
        probabilities = RewardModel(model).probabilities(texts([pairs[place] for place in places]))
        for place, probability in zip(places, probabilities, strict=True):
            logits[place] = logit(probability)
    return logits


def _half_model(job: Job, pairs: list[Row], halves: list[int], half: int) -> Path:
    """The folder of a classifier that is trained on one half of the instructions."""
    folder = job.folder / f"half-{half}"
    if not (folder / FINAL).exists():
        print(f"co-teaching: training on half {half + 1} of 2 of the instructions", flush=True)
        own = [pair for pair, of in zip(pairs, halves, strict=True) if of == half or pair["split"] == "validation"]
        trained = train_classifier(job, own, folder)
        assert trained is not None, "one process (RewardModelConfig)"
        with renamed_when_whole(folder / FINAL) as model:
            trained.save(model, job.config)
        del trained
        free_memory()
    return folder / FINAL
