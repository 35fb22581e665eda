"""The curriculum inside trl's trainer: which prompts a step gets, what they showed, and the state in the checkpoint.

trl reads its dataset by index, and accelerate's loader is always a batch ahead: the prompts of step t + 1 would be read
before step t has shown anything. So the dataset holds positions alone, and `AskingTrainer` puts the prompts in their
place when it generates. (trl 1.16: a loader batch is a step's rollouts; each position comes `generations` times in a row.)

The state rides in trainer_state.json, the file that makes a checkpoint whole.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from ifrl_core.policy.curriculum import Outcome, Schedule, open_strategy
from ifrl_core.policy.job import PROMPTS, Job
from ifrl_core.policy.trainer import GroupTrainer
from ifrl_core.records import Row


class Rollout(NamedTuple):
    """What one rollout showed: `slot` is its prompt's place in the step; None where nothing was scored."""

    slot: int
    prompt_id: str
    reward: float | None
    pass_rate: float | None


def positions(steps: int, prompts_per_step: int) -> Dataset:
    """trl's dataset: a row for each place that a prompt will take."""
    return Dataset.from_dict({"prompt": [""] * (steps * prompts_per_step), "position": range(steps * prompts_per_step)})


class AskingTrainer(GroupTrainer):
    """The trainer; set `schedule` before training."""

    schedule: Schedule

    def _generate_and_score_completions(self, inputs: list[Row]) -> Any:
        return super()._generate_and_score_completions([self._row(row["position"]) for row in inputs])

    def _row(self, position: int) -> Row:
        step, slot = divmod(position, len(self.schedule.prompts))
        assert step == self.schedule.step, f"the trainer is at step {step}, the curriculum at {self.schedule.step}"
        return {**self.schedule.prompts[slot], "slot": slot}


class LiveCurriculum(TrainerCallback, ExportableState):
    """Tells the schedule what each step showed, and puts its state into checkpoints.

    `seen` is filled by the reward function with the rollouts of instructions of all processes, so that every process comes
    to the same prompts. A step of the schedule is `updates` optimizer steps on the same rollouts.
    """

    def __init__(self, schedule: Schedule, *, updates: int = 1) -> None:
        self._schedule, self._updates = schedule, updates
        self.seen: list[Rollout] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self._updates == 0:
            self._schedule.observe(outcomes(self.seen))
            self.seen.clear()

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": self._schedule.state()}


def outcomes(rollouts: Iterable[Rollout]) -> list[Outcome]:
    """One outcome a slot, in their order."""
    groups: dict[int, list[Rollout]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.slot, []).append(rollout)
    return [_outcome(group) for _, group in sorted(groups.items())]


def saved_state(checkpoint: Path) -> Mapping[str, Any]:
    """The schedule's state in a whole checkpoint. (trl's own restoring would make a new callback without a schedule.)"""
    saved = json.loads((checkpoint / "trainer_state.json").read_text())["stateful_callbacks"]
    state: Mapping[str, Any] = saved[LiveCurriculum.__name__]["attributes"]
    return state


def open_schedule(job: Job, checkpoint: Path | None) -> Schedule:
    """What to ask, from the start or from where the checkpoint was written."""
    rows = pq.read_table(job.folder / PROMPTS, use_threads=False).to_pylist()
    config = job.config
    instructions = [row for row in rows if not row["check"]]
    schedule = Schedule(
        open_strategy(instructions, config.curriculum, max_steps=config.blocks, seed=job.seed),
        [row for row in rows if row["check"]],
        prompts_per_step=config.prompts_per_step,
        ratio=config.general.ratio,
        seed=job.seed,
    )
    if checkpoint is not None:
        schedule.restore(saved_state(checkpoint), {row["prompt_id"]: row for row in rows})
    return schedule


def _outcome(group: Sequence[Rollout]) -> Outcome:
    rewards = [rollout.reward for rollout in group if rollout.reward is not None]
    rates = [rollout.pass_rate for rollout in group if rollout.pass_rate is not None]
    return Outcome(
        group[0].prompt_id,
        fmean(rewards) if rewards else None,
        fmean(rates) if rates else None,
        flat=len({round(reward, 6) for reward in rewards}) == 1,
    )
