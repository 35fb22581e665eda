"""Evaluation of one model: constraint satisfaction on held-out instructions, and, when they are given, IFEval's prompts
and general problems.

The same prompts, sampling and seeds are used for every model, so that two evaluations can be compared pair by pair.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.config import EvaluationConfig, StageConfig
from ifrl_core.constraints.verifiers.answer import answer_of
from ifrl_core.evaluation.benchmarks import ifeval
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.models.folder import model_folder
from ifrl_core.records import CONSTRAINT, Constraint, constraint_of, constraint_row
from ifrl_core.rewards.problems.stage import problems_of
from ifrl_core.rewards.problems.verify import Grader
from ifrl_core.rewards.score import score_responses
from ifrl_core.rewards.task_drop import drops_task
from ifrl_core.rewards.tripwires import tripped
from ifrl_core.rollouts.stage import request_seed
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

VERDICT = pa.struct(
    [
        ("type", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("verdict", pa.bool_()),
        ("probability", pa.float64()),
    ]
)
ANSWERS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("instruction_id", pa.string()),
        ("level", pa.int32()),
        ("sample", pa.int32()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("completion_tokens", pa.int32()),
        ("task_dropped", pa.bool_()),
        ("tripped", pa.list_(pa.string())),  # names of the trip-wires (rewards/tripwires.py)
        ("verdicts", pa.list_(VERDICT)),  # of each constraint: a rule's verdict (hard) or the RM's probability (soft)
    ]
)
IFEVAL_PROMPTS = pa.schema([("key", pa.int64()), ("prompt", pa.string()), ("constraints", pa.list_(CONSTRAINT))])
IFEVAL_ANSWERS = pa.schema(
    [
        ("key", pa.int64()),
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("strict", pa.list_(pa.bool_())),
        ("loose", pa.list_(pa.bool_())),
    ]
)
GENERAL_ANSWERS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("source", pa.string()),
        ("kind", pa.string()),
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("correct", pa.bool_()),  # null when it could not be found out in time
    ]
)
Row = dict[str, Any]


class IFEvalSource(StageConfig):
    """The fixed IFEval subset, by content."""

    path: str = Field(exclude=True)
    digest: str
    prompts: int


def ifeval_source(config: EvaluationConfig) -> IFEvalSource | None:
    """Name IFEval's prompts by content; None when the config asks for none.

    Raises:
        InputError: when the file cannot be read.
    """
    if config.ifeval_path is None:
        return None
    return IFEvalSource(
        path=config.ifeval_path, digest=digest_of_source(config.ifeval_path), prompts=config.ifeval_prompts
    )


@stage("ifeval-prompts", version=1)
def import_ifeval(config: IFEvalSource, inputs: Inputs, work: Work) -> Figures:
    """Copy the chosen rows of IFEval's input file into the store, so that every run scores the same ones."""
    rows = ifeval.subset(ifeval.read_rows(config.path), config.prompts)
    table = [
        {"key": row.key, "prompt": row.prompt, "constraints": [constraint_row(item) for item in row.constraints]}
        for row in rows
    ]
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(table, schema=IFEVAL_PROMPTS))
    return {"prompts": len(rows), "instructions": sum(len(row.constraints) for row in rows)}


@stage("evaluation", version=3)
def evaluate(config: EvaluationConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model (base or policy), prompts, reward_model; ifeval and general (problems) when they are to be asked."""
    engine = open_engine(config, inputs["model"], work.store)
    rows = _answer_held_out(config, inputs, work, engine.generate)
    figures: Figures = {}
    if "ifeval" in inputs:
        figures["ifeval"] = _ifeval(config, inputs, work, engine.generate)
    if "general" in inputs:
        figures["general"] = _general(config, inputs, work, engine.generate)
    del engine
    forget_engine()
    _score(rows, model_folder(inputs["reward_model"], work.store))
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=ANSWERS))
    return {**satisfaction(rows), **figures}


def satisfaction(rows: Sequence[Row]) -> Figures:
    """Shares over (answer, constraint) pairs: hard by rules, soft as mean RM probability; overall, by type, by level.

    None where nothing could be scored. `length_words` is the mean answer length; `task_dropped` the share of answers
    that drop the task itself (see rewards/task_drop.py); `hacked` the share that trips a wire (rewards/tripwires.py);
    `truncated` the share ended by the token budget.
    """
    groups: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in ("hard", "soft")}
    for row in rows:
        for item in row["verdicts"]:
            value = item["verdict"] if item["kind"] == "hard" else item["probability"]
            if value is not None:
                for name in ("overall", f"type/{item['type']}", f"level/{row['level']}"):
                    groups[item["kind"]][name].append(float(value))
    return {
        **{kind: _shares(found) for kind, found in groups.items()},
        "answers": len(rows),
        "length_words": fmean(len(row["text"].split()) for row in rows),
        "task_dropped": fmean(row["task_dropped"] for row in rows),
        "hacked": fmean(bool(row["tripped"]) for row in rows),
        "truncated": fmean(row["finish_reason"] == "length" for row in rows),
    }


def _shares(found: Mapping[str, list[float]]) -> Figures:
    def below(prefix: str) -> Figures:
        kept = {name[len(prefix) :]: values for name, values in sorted(found.items()) if name.startswith(prefix)}
        return {name: {"mean": fmean(values), "n": len(values)} for name, values in kept.items()}

    overall = found.get("overall", [])
    return {
        "overall": {"mean": fmean(overall) if overall else None, "n": len(overall)},
        "by_type": below("type/"),
        "by_level": below("level/"),
    }


def _answer_held_out(config: EvaluationConfig, inputs: Inputs, work: Work, generate: Any) -> list[Row]:
    held_out = list(work.store.rows(inputs["prompts"], prefix="part-held_out-"))
    seeds = {row["instruction_id"]: row["messages"][-1]["content"] for row in held_out if row["level"] == 0}
    prompts = [row for row in held_out if row["level"] in config.levels]
    asked = [(prompt, sample) for prompt in prompts for sample in range(config.samples)]
    requests = [Request(p["messages"], request_seed(work.seed, p["prompt_id"], sample)) for p, sample in asked]
    completions = generate(requests, Sampling(config.max_tokens, config.temperature), work.progress)
    return [
        _row(prompt, seeds[prompt["instruction_id"]], sample, done)
        for (prompt, sample), done in zip(asked, completions, strict=True)
    ]


def _row(prompt: Row, seed: str, sample: int, completion: Completion) -> Row:
    return {
        "prompt_id": prompt["prompt_id"],
        "instruction_id": prompt["instruction_id"],
        "level": prompt["level"],
        "sample": sample,
        "prompt": prompt["messages"][-1]["content"],
        "text": completion.text,
        "finish_reason": completion.finish_reason,
        "completion_tokens": completion.completion_tokens,
        "task_dropped": drops_task(seed, answer_of(completion.text) or ""),
        "seed": seed,
        "constraints": [constraint_of(item) for item in prompt["constraints"]],
    }


def _score(rows: Sequence[Row], folder: Path) -> None:
    """Replace each row's seed and constraints by verdicts, scored as the policy's reward is, and the wires it trips."""
    from ifrl_core.reward_model.model.score import RewardModel

    constraints: list[list[Constraint]] = [row.pop("constraints") for row in rows]
    rewards = score_responses([row["text"] for row in rows], constraints, RewardModel(folder))
    for row, asked, reward in zip(rows, constraints, rewards, strict=True):
        row["verdicts"] = [_verdict(item, part) for item, part in zip(asked, reward.parts, strict=True)]
        wires = tripped(row.pop("seed"), answer_of(row["text"]) or "", asked, reward.parts)
        row["tripped"] = [name for name, did in wires.items() if did]


def _verdict(constraint: Constraint, part: float | None) -> Row:
    hard = constraint.kind == "hard"
    return {
        "type": constraint.type,
        "kind": constraint.kind,
        "text": constraint.text,
        "verdict": bool(part) if hard and part is not None else None,
        "probability": None if hard else part,
    }


def _ifeval(config: EvaluationConfig, inputs: Inputs, work: Work, generate: Any) -> Figures:
    rows = _ifeval_prompts(inputs["ifeval"], work.store)
    requests = [Request([{"role": "user", "content": row.prompt}], work.seed) for row in rows]
    done = generate(requests, Sampling(config.ifeval_max_tokens, temperature=0.0), work.progress)
    score = ifeval.score(rows, [answer_of(completion.text) or "" for completion in done])
    table = [
        {
            "key": row.key,
            "prompt": row.prompt,
            "text": completion.text,
            "finish_reason": completion.finish_reason,
            "strict": marks["strict"],
            "loose": marks["loose"],
        }
        for row, completion, marks in zip(rows, done, score.per_row, strict=True)
    ]
    work.writer.write_table("ifeval.parquet", pa.Table.from_pylist(table, schema=IFEVAL_ANSWERS))
    return {
        "prompt_strict": score.prompt_strict,
        "prompt_loose": score.prompt_loose,
        "inst_strict": score.inst_strict,
        "inst_loose": score.inst_loose,
        "prompts": len(rows),
    }


def _general(config: EvaluationConfig, inputs: Inputs, work: Work, generate: Any) -> Figures:
    """Accuracy on held-out problems, greedy. The first by id, which is a hash: a larger number only adds problems."""
    rows = problems_of(inputs["general"], work.store, "held_out")[: config.general_prompts]
    requests = [Request([{"role": "user", "content": row["prompt"]}], work.seed) for row in rows]
    done = generate(requests, Sampling(config.general_max_tokens, temperature=0.0), work.progress)
    with Grader() as grader:
        marks = [
            grader.correct(answer_of(completion.text) or "", row["kind"], row["answer"])
            for row, completion in zip(rows, done, strict=True)
        ]
    table = [
        {**row, "text": completion.text, "finish_reason": completion.finish_reason, "correct": mark}
        for row, completion, mark in zip(rows, done, marks, strict=True)
    ]
    work.writer.write_table("general.parquet", pa.Table.from_pylist(table, schema=GENERAL_ANSWERS))
    return general_figures(table)


def general_figures(rows: Sequence[Row]) -> Figures:
    """Accuracy of what could be checked, overall and by source; `truncated`: the share ended by the token budget."""
    checked = [row for row in rows if row["correct"] is not None]
    sources = sorted({row["source"] for row in checked})
    return {
        "accuracy": fmean(row["correct"] for row in checked) if checked else None,
        "by_source": {s: fmean(row["correct"] for row in checked if row["source"] == s) for s in sources},
        "prompts": len(rows),
        "unchecked": len(rows) - len(checked),
        "truncated": fmean(row["finish_reason"] == "length" for row in rows),
    }


def _ifeval_prompts(ref: ArtifactRef, store: ArtifactStore) -> list[ifeval.IFEvalRow]:
    return [
        ifeval.IFEvalRow(row["key"], row["prompt"], tuple(constraint_of(item) for item in row["constraints"]))
        for row in store.rows(ref)
    ]
