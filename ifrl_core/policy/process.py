"""A training process of the policy, one or one of many: `... -m ifrl_core.policy.process JOB.json` (launch.py, job.py).

trl's GRPOTrainer with one reward function of ours. Killed and started again, it goes on from its last whole checkpoint and
ends with the weights of an undisturbed run (on the same machine type).
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from accelerate.utils import gather_object
from transformers import AutoTokenizer, PrinterCallback, set_seed

from ifrl_core.config.trl_fields import SAMPLING
from ifrl_core.models.ends import end_tokens
from ifrl_core.models.looks.build import load_config
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import read_config
from ifrl_core.policy.adapter import peft_config
from ifrl_core.policy.benchmark_sets import read_sets
from ifrl_core.policy.curve import MEASURED
from ifrl_core.policy.generation import CopyRollouts
from ifrl_core.policy.greedy import answering
from ifrl_core.policy.grpo_arguments import grpo_config
from ifrl_core.policy.job import Job
from ifrl_core.policy.launch import check_launch
from ifrl_core.policy.live import AskingTrainer, LiveCurriculum, open_schedule, positions
from ifrl_core.policy.measuring import HardConstraints, MeasuredSet, Measuring, restore_best
from ifrl_core.policy.reward_function import PromptReward
from ifrl_core.policy.scoring import load_likelihood, load_reward_model, reward_plan
from ifrl_core.policy.step_report import StepReport
from ifrl_core.policy.weights import load_policy, trained_model
from ifrl_core.policy.writing_reward import WritingReward
from ifrl_core.records import Row
from ifrl_core.training.arguments import training_provenance
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.clock import StepClock
from ifrl_core.training.device import takes_cpu
from ifrl_core.training.entry import main
from ifrl_core.training.guards import Guards
from ifrl_core.training.job import CHECKPOINTS, FINAL, renamed_when_whole, write_provenance
from ifrl_core.training.memory import MemoryGivenBack
from ifrl_core.training.weights import whole_weights


def train(document: Path) -> None:
    """Train on a job and save its final model."""
    job = Job.read(document)
    clock, config = StepClock(), job.config
    check_launch(config)  # the stage has looked at its own machine alone
    on_cpu = takes_cpu(config.launch)
    checkpoint = last_checkpoint(job.folder / CHECKPOINTS)
    schedule = open_schedule(job, checkpoint)
    live = LiveCurriculum(schedule, updates=config.updates_per_block)
    guards = Guards(config.guards, job.folder)
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    ends = end_tokens(job.model, tokenizer)
    # In this order: from the arguments on, models are loaded in parts (ZeRO-3), and the reward model must be whole.
    scorer = load_reward_model(job)
    reward_of = (
        partial(WritingReward, job.writing)
        if job.writing
        else partial(PromptReward, scorer, likelihood=load_likelihood(job))
    )
    reward = reward_of(
        plan=reward_plan(job),
        config=config,
        clock=clock,
        seen=live.seen,
        before=schedule.metrics,
        gather=gather_object,
        ends=ends,
    )
    _complete(tokenizer, ends, rows=load_config(job.model, str(job.model)).vocab_size)
    args = grpo_config(config, job.folder / CHECKPOINTS, seed=job.seed, on_cpu=on_cpu, ends=ends)
    rollouts = _rollouts(job) if on_cpu and not SAMPLING & config.grpo.keys() else None
    taken: list[Row] = []
    measuring = _measuring(job, rollouts, taken, clock)
    set_seed(job.seed)  # before adapters are drawn
    trainer = AskingTrainer(
        model=load_policy(job.model, config),
        reward_funcs=reward,
        args=args,
        train_dataset=positions(config.blocks, config.prompts_per_step),
        processing_class=tokenizer,
        callbacks=[StepReport(job.folder, config, clock, taken), live, *measuring, guards, MemoryGivenBack()],
        rollout_func=rollouts,
        peft_config=peft_config(config.lora) if config.lora else None,
    )
    assert set(trainer.eos_token_ids) == set(ends), "trl ends answers where every engine does"
    trainer.schedule, trainer.clock, trainer.train_on = schedule, clock, config.train_on
    for callback in measuring:
        callback.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    if trainer.is_world_process_zero():
        own = {"scoring": getattr(scorer, "dtype", None), "rollouts": rollouts.dtype if rollouts else config.generation}
        write_provenance(job.folder, {**training_provenance(trainer.model, args), **own})
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    guards.check_stopped(config.max_steps)
    if config.keep == "best":
        restore_best(trainer)
    _save(trainer, job)


def _complete(tokenizer: Any, ends: Sequence[int], *, rows: int) -> None:
    """Give the tokenizer what trl asks of it: an end, and a padding token that the embedding (of `rows`) has.

    And have trl hand whole responses over: one that parses them takes the reasoning away, and nothing tells whether it ended.
    """
    tokenizer.response_template = tokenizer.response_schema = None
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ends[0])
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token


def _rollouts(job: Job) -> CopyRollouts:
    config = job.config
    dtype = torch.bfloat16 if config.bf16 else torch.float32
    return CopyRollouts(
        max_tokens=config.max_tokens, temperature=config.temperature, seed=job.seed, dtype=dtype, turns=config.turns
    )


def _measuring(job: Job, rollouts: CopyRollouts | None, taken: list[Row], clock: StepClock) -> list[Measuring]:
    """The callback that measures the curve, where there is to be one."""
    if job.config.evaluate_every is None:
        return []
    rows = pq.read_table(job.folder / MEASURED, use_threads=False).to_pylist()
    at_once = job.config.rollouts // int(os.environ.get("WORLD_SIZE", 1))
    positions = positions_of(read_config(job.model, str(job.model))) or sys.maxsize
    longest = min(positions, job.config.max_prompt_tokens + job.config.max_tokens) - 1
    decoder = answering(rollouts, at_once=at_once, longest=longest)
    sets: list[MeasuredSet] = [HardConstraints(rows, job.reasoning), *read_sets(job.folder, job.reasoning)]
    return [Measuring(job, sets, decoder, gather=gather_object, taken=taken, clock=clock)]


def _save(trainer: AskingTrainer, job: Job) -> None:
    """The final model, written by the first process."""
    weights = whole_weights(trainer)
    if weights is None:
        return
    with renamed_when_whole(job.folder / FINAL) as folder:
        trained_model(job, weights).save_pretrained(folder)
        AutoTokenizer.from_pretrained(job.model).save_pretrained(folder)


if __name__ == "__main__":
    main(train)
