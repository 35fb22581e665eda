"""The stage `profile`: the base model answers a sample of train prompts in groups, as the first step of GRPO will."""

import json
from collections.abc import Sequence
from itertools import groupby

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import GenerationConfig, PipelineConfig
from ifrl_core.constraints.identity import Judging, rules_of
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.errors import InputError
from ifrl_core.evaluation.cut_off import by_end
from ifrl_core.inference.engine import Completion, Request, Sampling, request_seed
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.open import describe_engine, forget_engine, open_engine
from ifrl_core.policy.curriculum import curriculum_stages
from ifrl_core.policy.profile.groups import Group, group_figures
from ifrl_core.records import Row, constraint_of, conversation_of, with_history
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.text.reasoning import Reasoning, answer_start

ROLLOUTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("level", pa.int32()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("answer_start", pa.int32()),
        ("finish_reason", pa.string()),
        ("completion_tokens", pa.int32()),
        ("verdicts", pa.string()),  # JSON: [[type, verdict], ...] of the hard constraints
    ]
)


class ProfilePlan(GenerationConfig, Judging):
    """Who answers (the recipe's engine of rollouts), what, and how: as the policy's first step."""

    max_tokens: int
    temperature: float
    top_p: float
    generations: int
    levels: tuple[int, ...]
    instructions: int

    @property
    def answers(self) -> int:
        """Rollouts, if there are so many instructions and all have all levels."""
        return self.instructions * len(self.levels) * self.generations


def profile_plan(recipe: PipelineConfig, instructions: int) -> ProfilePlan:
    """At most so many train instructions, each at all levels that the curriculum asks."""
    policy = recipe.policy
    asked = curriculum_stages(policy.curriculum.strategy, policy.curriculum.levels)
    return ProfilePlan(
        **{name: getattr(recipe.rollouts, name) for name in GenerationConfig.model_fields},
        types=recipe.instructions.types,
        max_tokens=policy.max_tokens,
        temperature=policy.temperature,
        top_p=policy.grpo.get("top_p", 1.0),
        generations=policy.generations,
        levels=tuple(sorted({level for of_stage in asked for level in of_stage})),
        instructions=min(instructions, recipe.seeds.train),
    )


@stage("profile", version=1, inputs=("model", "prompts"), optional=True, content=rules_of, reads_answers=True)
def measure_profile(config: ProfilePlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts. part-00000.parquet: ROLLOUTS. A killed run asks the model only for what it had not answered.

    Raises:
        InputError: when no train prompt has one of the levels.
    """
    prompts = sampled_prompts(inputs["prompts"], config, work.store, seed=work.seed)
    if not prompts:
        raise InputError(f"no train prompt has a level of policy.curriculum.levels {list(config.levels)}")
    asked = [(prompt, sample) for prompt in prompts for sample in range(config.generations)]
    requests = [
        Request(prompt["messages"], request_seed(work.seed, f"profile:{prompt['prompt_id']}", sample))
        for prompt, sample in asked
    ]
    opened = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning)
    engine = JournalEngine(opened, work.scratch / "replies.jsonl")
    completions = engine.generate(
        requests, Sampling(config.max_tokens, config.temperature, config.top_p), work.progress
    )
    forget_engine()
    rows = [
        rollout(*of_prompt, completion, work.reasoning)
        for of_prompt, completion in zip(asked, completions, strict=True)
    ]
    table = pa.Table.from_pylist([{**row, "verdicts": json.dumps(row["verdicts"])} for row in rows], schema=ROLLOUTS)
    work.writer.write_table("part-00000.parquet", table)
    return {**profile_figures(rows), "engine": describe_engine(config, inputs["model"])}


def sampled_prompts(prompts: ArtifactRef, config: ProfilePlan, store: ArtifactStore, *, seed: int) -> list[Row]:
    """The train prompts of the levels, of instructions chosen by hash: more of them only add some.

    `conversation` of each is what its instruction asks without constraints.
    """
    train = [row for row in store.rows(prompts) if row["split"] == "train"]
    begun = {row["instruction_id"]: conversation_of(row) for row in train if row["level"] == 0}
    asked = ((row, begun.get(row["instruction_id"])) for row in train if row["level"] in config.levels)
    rows = [{**row, "conversation": first and with_history(first, row["messages"])} for row, first in asked]
    ids = sorted({row["instruction_id"] for row in rows}, key=lambda name: rank_by_hash("profile", seed, name))
    chosen = set(ids[: config.instructions])
    return [row for row in rows if row["instruction_id"] in chosen]


def rollout(prompt: Row, sample: int, completion: Completion, reasoning: Reasoning) -> Row:
    """A row of ROLLOUTS, its verdicts as a list."""
    start = answer_start(completion.text, reasoning)
    hard = [item for item in map(constraint_of, prompt["constraints"]) if item.kind == "hard"]
    judged = verdicts_in(prompt.get("conversation"), hard, completion.text[start:], reasoning.calls)
    return {
        "prompt_id": prompt["prompt_id"],
        "level": prompt["level"],
        "sample": sample,
        "text": completion.text,
        "answer_start": start,
        "finish_reason": completion.finish_reason,
        "completion_tokens": completion.completion_tokens,
        "verdicts": [[item.type, verdict] for item, verdict in zip(hard, judged, strict=True)],
    }


def profile_figures(rows: Sequence[Row]) -> Figures:
    """Figures of rows of ROLLOUTS, those of a prompt together."""
    by_prompt = [list(of_prompt) for _, of_prompt in groupby(rows, key=lambda row: row["prompt_id"])]
    ended = [
        {**row, "verdicts": [{"type": name, "kind": "hard", "verdict": said} for name, said in row["verdicts"]]}
        for row in rows
    ]
    return {
        "rollouts": len(rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
        **group_figures([_group(of_prompt) for of_prompt in by_prompt]),
        "by_end": by_end(ended),
    }


def _group(rows: Sequence[Row]) -> Group:
    return Group(
        level=rows[0]["level"],
        types=tuple(name for name, _ in rows[0]["verdicts"]),
        verdicts=tuple(tuple(said for _, said in row["verdicts"]) for row in rows),
        cut_off=tuple(row["finish_reason"] == "length" for row in rows),
    )
