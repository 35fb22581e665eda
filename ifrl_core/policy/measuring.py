"""The curve inside the trainer: measured at every N-th step, and the step that is kept.

A measurement leaves the training as it finds it: weights, random numbers, mode. It ends before its step's row of metrics and
checkpoint are written, so a kill in the middle of it costs that step, which is then made and measured again.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import logging

from ifrl_core.config import PolicyConfig
from ifrl_core.errors import TrainingError
from ifrl_core.policy.curve import CURVE, VALIDATION, Ask, hard_point
from ifrl_core.policy.greedy import Answering
from ifrl_core.policy.job import Job
from ifrl_core.records import Conversation, Message, Row, constraint_of
from ifrl_core.rewards.score import RewardPlan, score_responses
from ifrl_core.text.reasoning import Reasoning
from ifrl_core.training.clock import AFTER, StepClock
from ifrl_core.training.job import CHECKPOINTS, append_row


class MeasuredSet(Protocol):
    """What a point of the curve is measured on."""

    def answers(self, ask: Ask) -> Any:
        """What the policy says; `ask` gives the responses to prompts. Called in every process, which ask the same."""
        ...

    def point(self, answers: Any) -> Row | None:
        """A row of curve.POINTS without its step; None where nothing could be scored."""
        ...


class HardConstraints:
    """Instructions of the run, by the rules of their hard constraints."""

    def __init__(self, rows: Sequence[Row], reasoning: Reasoning) -> None:
        """`rows`: of curve.ASKED, all of one set."""
        self._rows, self._reasoning = rows, reasoning

    def answers(self, ask: Ask) -> list[str]:
        return ask([row["prompt"] for row in self._rows])

    def point(self, answers: list[str]) -> Row:
        """Where there is no answer, nothing is satisfied."""
        constraints = [[constraint_of(item) for item in row["constraints"]] for row in self._rows]
        texts = [row["conversation"] for row in self._rows]
        asked = [None if text is None else Conversation(tuple(json.loads(text))) for text in texts]
        plan = RewardPlan(reasoning=self._reasoning)
        rewards = score_responses(answers, constraints, None, conversations=asked, plan=plan)
        pairs = [
            (row["instruction_id"], part)
            for row, reward in zip(self._rows, rewards, strict=True)
            for part in reward.parts
            if part is not None
        ]
        return hard_point(self._rows[0]["set"], [name for name, _ in pairs], [score for _, score in pairs])


class Measuring(TrainerCallback):
    """Measures before the first step, at every N-th and at the last one; `taken` gets the points of the step in hand, for its
    row of metrics. Set `trainer` before training.

    With `keep: best` a step that is better than all before it is saved, as the trainer's best: that one outlives the rotation
    of checkpoints, is uploaded with the newest, and is known to whoever resumes.

    Every process answers its part, and the first one scores; `gather` gives the list of all, one after another.
    """

    trainer: Any

    def __init__(
        self,
        job: Job,
        sets: Sequence[MeasuredSet],
        answering: Answering,
        *,
        gather: Callable[[list[Any]], list[Any]],
        taken: list[Row],
        clock: StepClock,
    ) -> None:
        self._job, self._sets, self._answering, self._gather = job, sets, answering, gather
        self._taken, self._clock = taken, clock

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step == 0:
            points = self.measure()
            if state.is_world_process_zero:
                append_row(self._job.folder, {"step": 0, CURVE: points})
        elif state.best_global_step and state.best_model_checkpoint is None:  # it is not where the trainer saved it
            best = self._job.folder / CHECKPOINTS / f"checkpoint-{state.best_global_step}"
            if not best.exists():
                raise TrainingError(
                    f"{best.name}, the best so far (policy.keep best), is gone from {best.parent}: remove that folder, and "
                    "training begins anew"
                )
            state.best_model_checkpoint = str(best)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not is_measured(state.global_step, self._job.config):
            return
        with self._clock.of(AFTER):
            self._taken[:] = self.measure()
        if self._job.config.keep == "best":
            figure = next(row["mean"] for row in self._taken if row["set"] == VALIDATION)
            if state.best_metric is None or figure > state.best_metric:
                state.best_metric, state.best_global_step = figure, state.global_step
                control.should_save = state.global_step < state.max_steps  # after the last one the model itself follows

    def measure(self) -> list[Row]:
        """The points of the weights as they are."""
        with undisturbed(self.trainer.model):
            answers = [of_set.answers(self.ask) for of_set in self._sets]
            first = self.trainer.accelerator.is_main_process
            points = [of_set.point(said) for of_set, said in zip(self._sets, answers, strict=True)] if first else []
        return [point for point in self._gather(points) if point is not None]

    def ask(self, prompts: Sequence[Sequence[Message]]) -> list[str]:
        """The responses to prompts, in their order, shared out among the processes."""
        accelerator, processes = self.trainer.accelerator, self.trainer.accelerator.num_processes
        # As many for each, the first ones twice where need be: some decoders go in step.
        last = -(-len(prompts) // processes) * processes
        places = [place % len(prompts) for place in range(accelerator.process_index, last, processes)]
        texts = self._answering(self.trainer, [prompts[place] for place in places])
        found = dict(self._gather(list(zip(places, texts, strict=True))))
        return [found[place] for place in range(len(prompts))]


def is_measured(step: int, config: PolicyConfig) -> bool:
    every = config.evaluate_every
    return every is not None and (step % every == 0 or step == config.max_steps)


def restore_best(trainer: Any) -> None:
    """Give the trainer's model the weights of its best step, where that is not its last one."""
    if trainer.state.best_global_step == trainer.state.global_step:
        return
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it would say that tied weights are missing
    trainer._load_best_model()
    logging.set_verbosity(verbosity)


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
