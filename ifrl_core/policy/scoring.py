"""What a training process scores its answers with: reward model or likelihood, and the plan of the gates."""

import random

import pyarrow.parquet as pq

from ifrl_core.policy.job import PROMPTS, Job
from ifrl_core.reward_model.model.scorer import Scorer
from ifrl_core.reward_model.open import open_scorer
from ifrl_core.rewards.intent import REFERENCES, EmbeddingIntent
from ifrl_core.rewards.likelihood import LikelihoodScorer
from ifrl_core.rewards.score import InContext, OffTask, RewardPlan, off_task_by_words


def reward_plan(job: Job) -> RewardPlan:
    chosen = job.config.reward
    return RewardPlan(
        aggregation=chosen.aggregation,
        weights=job.weights,
        decay=chosen.decay,
        degenerate_factor=chosen.degenerate_factor,
        intent_factor=chosen.intent_factor,
        cut_off_factor=chosen.cut_off_factor,
        reasoning=job.reasoning.model_copy(update={"always": job.reasoning.always or chosen.require_reasoning}),
        off_task=_off_task(job),
    )


def _off_task(job: Job) -> OffTask:
    """How the intent gate tells; by meaning against seeds of the run, which the job's seed draws."""
    chosen = job.config.reward
    if chosen.intent == "words" or chosen.intent_factor == 1:
        return off_task_by_words
    seeds = sorted(set(pq.read_table(job.folder / PROMPTS, columns=["seed"])["seed"].to_pylist()))
    judge = EmbeddingIntent(job.model, random.Random(job.seed).sample(seeds, min(REFERENCES, len(seeds))))
    return lambda prompts, answers: [score < chosen.intent_threshold for score in judge.scores(prompts, answers)]


def load_likelihood(job: Job) -> InContext | None:
    """None where the reward model scores soft constraints."""
    return LikelihoodScorer(job.model, job.layout).scores if job.config.reward.soft == "likelihood" else None


def load_reward_model(job: Job) -> Scorer | None:
    """None where it scores nothing."""
    if job.reward_model is None:
        return None
    return open_scorer(job.reward_model, "server" if job.config.launch.reward_model == "service" else "transformers")
