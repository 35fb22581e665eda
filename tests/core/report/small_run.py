"""A small run's artifacts, made by the real stages wherever no model is needed and by the real writer where one is."""

import json
import random
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import InstructionsConfig, LabelsConfig, LadderConfig, NoConfig, SeedsConfig
from ifrl_core.constraints.verdict import verdicts
from ifrl_core.evaluation import soft_audit
from ifrl_core.evaluation.benchmarks.general import problem
from ifrl_core.evaluation.comparison import compare
from ifrl_core.evaluation.held_out import ANSWERS, satisfaction
from ifrl_core.evaluation.stage import TABLE
from ifrl_core.evaluation.suite.answers import ANSWERS as GIVEN
from ifrl_core.evaluation.suite.benchmark import Item, asked
from ifrl_core.evaluation.suite.judgements import JudgementsConfig, make_judgements
from ifrl_core.evaluation.suite.rows import items_table
from ifrl_core.instructions import stage as dataset
from ifrl_core.labels.stage import make_labels
from ifrl_core.policy.curve import POINTS, curve_figures, hard_point
from ifrl_core.policy.tables import SAMPLES, metrics_table, run_figures
from ifrl_core.records import ROLLOUTS, Constraint, Row, constraint_of, constraint_row
from ifrl_core.reward_model.quality.baselines import compared, comparison, curves, scored_by
from ifrl_core.reward_model.quality.figures import Scored, quality
from ifrl_core.reward_model.train.stage import VALIDATION
from ifrl_core.rewards.task_drop import drops_task
from ifrl_core.seeds import stage as seeds_stage

Refs = dict[str, ArtifactRef]
Whole = tuple[ArtifactStore, Refs]
HOSTILE = "<script>alert(1)</script><img src=https://example.org/x onerror=alert(2)>&amp;\x00\x1b\u202e "
TEXT = "The river runs past old mills, slow and brown; people fish there. It is quiet in the morning, and cold."
LEVELS = (1, 3)
WRITTEN = InstructionsConfig(max_words=50)


def small_run(
    store: ArtifactStore,
    *,
    hostile: str = "",
    seeds_file: str | None = None,
    ifeval: int = 0,
    general: int = 0,
    train: int = 12,
    held_out: int = 8,
    written: InstructionsConfig = WRITTEN,
    levels: Sequence[int] = LEVELS,
) -> Refs:
    """Refs of every stage, by the names under which the report gets them. `hostile` is put into answers and prompts.

    `ifeval`, `general`: how many IFEval prompts and general problems both evaluations hold; 0 leaves them out. `levels`: what
    they ask.
    """
    source = SeedsConfig(train=train, held_out=held_out, files=(seeds_file,) if seeds_file else ())
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(source), {}, store)
    instructions = dataset.make_instructions(written, {"seeds": seeds}, store)
    prompts = dataset.make_prompts(LadderConfig(), {"instructions": instructions}, store)
    refs = {"seeds": seeds, "instructions": instructions, "prompts": prompts, "model": _model(store)}
    refs["rollouts"] = _rollouts(store, prompts)
    refs["labels"] = make_labels(LabelsConfig(), {"prompts": prompts, "rollouts": refs["rollouts"]}, store)
    refs["reward_model"] = _reward_model(store, refs["labels"])
    refs["policy"] = _policy(store, hostile)
    refs["before"] = _evaluation(store, prompts, "before", hostile, longest=60, levels=levels)
    refs["after"] = _evaluation(store, prompts, "after", hostile, longest=20, levels=levels)
    refs |= _benchmarks(store, ifeval=ifeval, general=general)
    sides = {name: ref for name, ref in refs.items() if name in ("before", "after") or "." in name}
    refs["soft_audit"] = _soft_audit(store, refs)
    return {**refs, "comparison": compare(NoConfig(), sides, store)}


def answer(source: random.Random, longest: int = 60) -> str:
    text = " ".join(source.choice(TEXT.split()) for _ in range(source.randint(4, longest)))
    return source.choice([text, text.lower(), text.replace(",", ""), f'"{text}"', f"* {text}\n* {text}"])


def _model(store: ArtifactStore) -> ArtifactRef:
    writer = store.writer("model", 1, fingerprint("model", 1, {}, {}), {"uri": "embedded:smollm2-135m"}, {})
    writer.write_json("source.json", {"uri": "embedded:smollm2-135m", "digest": "0" * 64})
    return writer.commit({"architecture": ["LlamaForCausalLM"], "hidden_size": 576})


def _rollouts(store: ArtifactStore, prompts: ArtifactRef) -> ArtifactRef:
    source = random.Random(1)
    rows = [
        {
            "rollout_id": f"{prompt['prompt_id']}-0",
            "prompt_id": prompt["prompt_id"],
            "sample": 0,
            "text": answer(source),
            "finish_reason": source.choice(["stop", "length"]),
            "prompt_tokens": 20,
            "completion_tokens": 40,
        }
        for prompt in store.rows(prompts, prefix="part-train-")
    ]
    writer = store.writer("rollouts", 1, "b" * 64, {"samples": 1, "temperature": 1.0}, {"prompts": "prompts/0"})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=ROLLOUTS))
    return writer.commit({"rollouts": len(rows), "completion_tokens": 40 * len(rows), "truncated": 20, "empty": 0})


def _reward_model(store: ArtifactStore, labels: ArtifactRef) -> ArtifactRef:
    source = random.Random(2)
    rows = list(store.rows(labels))
    pairs = [
        Scored(
            label_id=row["label_id"],
            type=row["constraint"]["type"],
            kind=row["constraint"]["kind"],
            level=row["level"],
            label=row["label"],
            verdict=row["verdict"],
            probability=source.random(),
            raw_probability=source.random(),
            instruction_id=row["instruction_id"],
        )
        for row in rows
    ]
    places = compared(rows)
    others = {name: [source.random() for _ in places] for name in ("majority", "length", "zero_shot")}
    found = scored_by([pairs[place] for place in places], others)
    writer = store.writer("reward-model", 1, "c" * 64, {"learning_rate": 4e-5}, {"labels": "labels/0"})
    writer.write_table("validation.parquet", pa.Table.from_pylist([vars(pair) for pair in pairs], schema=VALIDATION))
    curve = [{"step": step, "loss": 0.7 - step / 200} for step in range(1, 31)]
    writer.write_json("curve.json", curve)
    writer.write_json("curves.json", curves(found))
    counts = {"train_pairs": 80, "train_positive": 40, "train_responses": 60}
    counts |= {"validation_pairs": len(rows), "validation_instructions": 12}
    return writer.commit(
        {
            "counts": counts,
            "steps": 30,
            **quality(pairs),
            "baselines": comparison(found, sum(row["verdict"] is not None for row in rows)),
            "calibration": None,
        }
    )


def _soft_audit(store: ArtifactStore, refs: Refs) -> ArtifactRef:
    """By instruments that draw their scores."""
    source = random.Random(4)
    with patch.object(soft_audit, "measured", lambda asked: [source.random() for _ in asked]):
        return soft_audit.audit_soft(
            NoConfig(), {name: refs[name] for name in soft_audit.audit_soft.inputs or ()}, store
        )


def _policy(store: ArtifactStore, hostile: str) -> ArtifactRef:
    source = random.Random(3)
    rows = [_step(step, source) for step in range(1, 13)]
    samples = [
        {
            "step": row["step"],
            "prompt_id": "i-1-L1",
            "level": 1,
            "prompt": hostile + "Asked.",
            "response": hostile + answer(source),
            "reward": row["reward/total"],
            "parts": json.dumps([["punctuation:no_comma", 1.0], ["tone:tone", None]]),
            "advantage": 0.0,
        }
        for row in rows
    ]
    config = {"max_steps": len(rows), "curriculum": {"strategy": "incremental", "levels": [[1], [2, 3]]}}
    writer = store.writer("policy", 1, fingerprint("policy", 1, config, {}), config, {"model": "model/0"})
    writer.write_table("metrics.parquet", metrics_table(rows))
    writer.write_table("samples.parquet", pa.Table.from_pylist(samples, schema=SAMPLES))
    points = [
        {"step": step, **hard_point("validation", ["a", "a", "b", "c"], [1.0, share, share, 0.0])}
        for step, share in ((0, 1.0), (6, 0.5), (12, 0.25))
    ]
    writer.write_table("curve.parquet", pa.Table.from_pylist(points, schema=POINTS))
    figures = {**run_figures(rows), "prompts_used": 24, "prompts_left_out": 0, **curve_figures(points, "best")}
    return writer.commit(figures)


def _step(step: int, source: random.Random) -> Row:
    """What training logs of a step; levels change after the sixth, and one type never earns anything."""
    share = step / 20 + source.random() / 10
    return {
        "step": step,
        "stage": float(step > 6),
        "reward/total": share,
        "reward/hard": share - 0.05,
        "reward/soft": 0.5 if step % 3 else None,
        "reward/std": 0.2,
        "reward/type/punctuation:no_comma": share,
        "reward/type/letters:palindrome": 0.0,
        "length/words": 40.0 - step,
        "task_dropped": 0.05 + step / 100,
        "clipped_ratio": 0.4,
        "zero_variance_share": 0.25,
        "entropy": 2.5 - step / 12,
        "unscored_share": 0.0,
        "rollouts": 32.0,
        "tokens_per_second": 60.0,
        "seconds/step": 30.0,
        "seconds/generate": 15.0,
        "seconds/score": 1.0,
        "seconds/train": 14.0,
    }


def _evaluation(
    store: ArtifactStore,
    prompts: ArtifactRef,
    side: str,
    hostile: str,
    *,
    longest: int,
    levels: Sequence[int],
) -> ArtifactRef:
    source = random.Random(f"evaluation {side}")
    asked = [row for row in store.rows(prompts, prefix="part-held_out-") if row["level"] in levels]
    rows = [_answered(prompt, hostile + answer(source, longest), hostile, source) for prompt in asked]
    config = {"max_tokens": 64, "levels": list(levels)}
    identity = fingerprint("evaluation", 1, {"side": side}, {})
    writer = store.writer("evaluation", 1, identity, config, {"model": "model/0"})
    writer.write_table(TABLE, pa.Table.from_pylist(rows, schema=ANSWERS))
    return writer.commit(satisfaction(rows))


def _benchmarks(store: ArtifactStore, *, ifeval: int, general: int) -> Refs:
    """Rows, answers and judgements of both sides; which of them are right is drawn."""
    kinds = {"ifeval": [_instructed(n) for n in range(ifeval)], "general": [_solved(n) for n in range(general)]}
    refs: Refs = {}
    for label, items in kinds.items():
        if not items:
            continue
        refs[f"benchmark.{label}"] = rows = _made(
            store, f"benchmark {label}", items_table(items), {"items": len(items)}
        )
        for side in ("before", "after"):
            source = random.Random(f"{label} {side}")
            says = source.choice if label == "ifeval" else None
            given = [
                _given(item, says(TEXTS) if says else _solution(number, side)) for number, item in enumerate(items)
            ]
            answers = _made(store, f"answers {label} {side}", pa.Table.from_pylist(given, schema=GIVEN), {})
            config = JudgementsConfig(benchmark=label, official=False, run_code=False)
            refs[f"answers-{side}.{label}"] = answers
            refs[f"judgements-{side}.{label}"] = make_judgements(config, {"benchmark": rows, "answers": answers}, store)
    return refs


def _made(store: ArtifactStore, name: str, table: pa.Table, figures: dict[str, Any]) -> ArtifactRef:
    stage = name.partition(" ")[0]
    writer = store.writer(stage, 1, fingerprint(stage, 1, {"name": name}, {}), {}, {})
    writer.write_table(
        f"part-000000-{table.num_rows:06d}.parquet" if stage == "answers" else "part-00000.parquet", table
    )
    return writer.commit(figures)


TEXTS = ("yes", "no, never", "")


def _solution(number: int, side: str) -> str:
    """Before, half of the problems are solved; after, the first two."""
    return "yes" if (number % 2 == 0 if side == "before" else number < 2) else "no"


def _given(item: Item, text: str) -> Row:
    row = {"item_id": item.id, "sample": 0, "turn": 0, "text": text, "answer_start": 0, "finish_reason": "stop"}
    return {**row, "prompt_tokens": 9, "completion_tokens": 2}


def _instructed(number: int) -> Item:
    constraints = [constraint_row(Constraint("punctuation:no_comma", "hard", ""))] * 2
    return Item(str(number), asked("Asked."), {"constraints": constraints}, str(number))


def _solved(number: int) -> Item:
    row = {"prompt_id": f"problem-{number}", "source": "math" if number % 2 else "science", "kind": "exact"}
    return problem("small run", number, {**row, "prompt": "Asked.", "answer": "yes"})


def _answered(prompt: Row, text: str, hostile: str, source: random.Random) -> Row:
    constraints = [constraint_of(item) for item in prompt["constraints"]]
    asked = prompt["messages"][-1]["content"]
    return {
        "prompt_id": prompt["prompt_id"],
        "instruction_id": prompt["instruction_id"],
        "level": prompt["level"],
        "sample": 0,
        "prompt": hostile + asked,
        "text": text,
        "finish_reason": "stop",
        "completion_tokens": 40,
        "task_dropped": drops_task(asked, text),
        "tripped": [],
        "verdicts": [
            {
                "type": c.type,
                "kind": c.kind,
                "text": c.text,
                "verdict": verdict,
                "probability": source.random() if c.kind == "soft" else None,
            }
            for c, verdict in zip(constraints, verdicts(constraints, text), strict=True)
        ],
    }
