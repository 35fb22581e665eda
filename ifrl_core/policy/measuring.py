"""The curve inside the trainer: measured at every N-th step, and the step that is kept.

A measurement leaves the training as it finds it: weights, random numbers, mode. It ends before its step's row of metrics and
checkpoint are written, so a kill in the middle of it costs that step, which is then made and measured again.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import TrainingError
from ifrl_core.policy.curve import CURVE, MEASURED, VALIDATION, by_set, point
from ifrl_core.policy.greedy import Answering
from ifrl_core.policy.job import Job
from ifrl_core.records import Row, constraint_of
from ifrl_core.rewards.score import RewardPlan, score_responses
from ifrl_core.training.job import CHECKPOINTS, append_row


class Measuring(TrainerCallback):
    """Measures before the first step, at every N-th and at the last one; `taken` gets the points of the step in hand, for its
    row of metrics. Set `trainer` before training.

    With `keep: best` a step that is better than all before it is saved, as the trainer's best: that one outlives the rotation
    of checkpoints, is uploaded with the newest, and is known to whoever resumes.

    Every process answers its part; `gather` gives the list of all, so that all come to the same points.
    """

    trainer: Any

    def __init__(
        self, job: Job, answering: Answering, *, gather: Callable[[list[Row]], list[Row]], taken: list[Row]
    ) -> None:
        self._job, self._answering, self._gather, self._taken = job, answering, gather, taken
        self._rows: list[Row] = pq.read_table(job.folder / MEASURED, use_threads=False).to_pylist()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step == 0:
            points = self.measure()
            if state.is_world_process_zero:
                append_row(self._job.folder, {"step": 0, CURVE: points})
        elif state.best_global_step and state.best_model_checkpoint is None:
            raise TrainingError(
                f"checkpoint-{state.best_global_step}, the best so far (policy.keep best), is gone from "
                f"{self._job.folder / CHECKPOINTS}: remove that folder, and training begins anew"
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not is_measured(state.global_step, self._job.config):
            return
        self._taken[:] = self.measure()
        if self._job.config.keep == "best":
            figure = next(row["mean"] for row in self._taken if row["set"] == VALIDATION)
            if state.best_metric is None or figure > state.best_metric:
                state.best_metric, state.best_global_step = figure, state.global_step
                control.should_save = state.global_step < state.max_steps  # after the last one the model itself follows

    def measure(self) -> list[Row]:
        """The points of the weights as they are, one a set."""
        accelerator, processes = self.trainer.accelerator, self.trainer.accelerator.num_processes
        # As many for each: some decoders go in step.
        places = range(accelerator.process_index, -(-len(self._rows) // processes) * processes, processes)
        rows = [self._rows[place % len(self._rows)] for place in places]
        with undisturbed(self.trainer.model):
            texts = self._answering(self.trainer, [row["prompt"] for row in rows])
        scored = zip((place % len(self._rows) for place in places), _scores(rows, texts, self._job), strict=True)
        found = {item["place"]: item["scores"] for item in self._gather([{"place": p, "scores": s} for p, s in scored])}
        judged = [{**row, "scores": found[place]} for place, row in enumerate(self._rows)]
        return [_point(name, of_set) for name, of_set in by_set(judged)]


def is_measured(step: int, config: PolicyConfig) -> bool:
    every = config.evaluate_every
    return every is not None and (step % every == 0 or step == config.max_steps)


def restore_best(trainer: Any) -> None:
    """Give the trainer's model the weights of its best step, where that is not its last one."""
    if trainer.state.best_global_step < trainer.state.global_step:
        trainer._load_best_model()


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Inside, the model is in its mode for answering; after it, the mode and all sources of random numbers are as before."""
    training, python, numpy = model.training, random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            model.eval()
            yield
    finally:
        model.train(training)
        random.setstate(python)
        np.random.set_state(numpy)


def _scores(rows: Sequence[Row], texts: Sequence[str], job: Job) -> list[list[float]]:
    """What the rules say of each answer's constraints; 0 of all where there is no answer."""
    constraints = [[constraint_of(item) for item in row["constraints"]] for row in rows]
    rewards = score_responses(texts, constraints, None, plan=RewardPlan(reasoning=job.reasoning))
    return [[part for part in reward.parts if part is not None] for reward in rewards]


def _point(name: str, rows: Sequence[Row]) -> Row:
    pairs = [(row["instruction_id"], score) for row in rows for score in row["scores"]]
    return point(name, [instruction for instruction, _ in pairs], [score for _, score in pairs])
