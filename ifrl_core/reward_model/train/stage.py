"""The reward model: a constraint-wise binary classifier P(satisfied | response, constraint) (paper, section 3.4).

The backbone is the policy's own base model with a one-output head, trained with binary cross-entropy on pseudo-labels;
pairs of instructions kept from it (split "validation") tell how good it is, hard constraints by rules, which it never saw.
Early stopping looks at the pseudo-labels of those pairs, so that with it only the figures against rules are untouched.
Training runs in a process of its own, so that its memory goes back.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.config import OneProcessConfig, PipelineConfig, RewardModelConfig
from ifrl_core.errors import TrainingError
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Row
from ifrl_core.reward_model.model.settings import write_settings
from ifrl_core.reward_model.model.template import TEMPLATE
from ifrl_core.reward_model.quality.baselines import (
    ScoredBy,
    by_length,
    compared,
    comparison,
    curves,
    majority,
    scored_by,
)
from ifrl_core.reward_model.quality.calibration import Calibration, cross_fitted, fit, log_loss
from ifrl_core.reward_model.quality.figures import Scored, quality, raw_calibration_error
from ifrl_core.reward_model.quality.plot import curves_png
from ifrl_core.reward_model.train.job import (
    CURVE,
    MODEL,
    PAIRS,
    PAIRS_FILE,
    Job,
    check_launch,
    read_scores,
    reward_model_launch,
)
from ifrl_core.reward_model.train.noise import POOLED, Rates, rates_by_type, rates_of
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.training.job import FINAL
from ifrl_core.training.run import train_in_child

VALIDATION = pa.schema(
    [
        ("label_id", pa.string()),
        ("type", pa.string()),
        ("kind", pa.string()),
        ("level", pa.int32()),
        ("label", pa.int32()),
        ("verdict", pa.bool_()),  # null when soft
        ("probability", pa.float64()),  # null when it could not be scored; calibrated on other instructions
        ("raw_probability", pa.float64()),  # as the classifier says
        ("instruction_id", pa.string()),
    ]
)


def _check_training(recipe: PipelineConfig) -> None:
    """Whether this machine can train as the recipe says; a placed stage is checked where it runs. Without wishes there is
    nothing to check, and torch need not be loaded."""
    here = recipe.execution.deployment_of(train_reward_model) is None
    if here and recipe.reward_model.launch != OneProcessConfig():
        check_launch(recipe.reward_model)


@stage(
    "reward-model",
    version=4,
    inputs=("model", "labels"),
    config=lambda recipe: recipe.reward_model,
    check=_check_training,
    content=lambda config: {"template.txt": digest_of_bytes(TEMPLATE.encode())},
    reads_answers=True,  # it says whose answers it scores
    placeable=True,
)
def train_reward_model(config: RewardModelConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, labels. Writes model/ (with its scoring settings), validation.parquet, curve.json (training loss) and
    curves.json with its picture curves.png (ROC and reliability on hard validation pairs, by scorer).

    Raises:
        ConfigError: when this machine cannot run the training as `launch` says.
        TrainingError: when the labels cannot train a classifier, or the training process fails.
    """
    work.progress(0, 1, "reading labels")
    check_launch(config)
    train = _training_labels(config, inputs["labels"], work.store, work.seed)
    validation = [row for row in work.store.rows(inputs["labels"]) if row["split"] == "validation"]
    if config.early_stopping and not validation:
        raise TrainingError(
            f"{inputs['labels'].uri}: reward_model.early_stopping needs validation labels, and there are none; raise "
            "labels.validation_share, or leave early_stopping out"
        )
    places = compared(validation) if config.baselines else []
    _write_job(config, inputs, work, [*train, *validation], {validation[place]["label_id"] for place in places})
    train_in_child(reward_model_launch(config), "reward-model", work, lambda row: _show(work, row))
    final = work.scratch / FINAL
    scores = read_scores(final)
    raw = [scores[row["label_id"]]["probability"] for row in validation]
    probabilities, scaling = _calibrated(config, validation, raw)
    write_settings(
        final / MODEL,
        max_tokens=config.max_tokens,
        calibration=scaling or Calibration(),
        reasoning=work.reasoning,
    )
    scored = [_scored(*row) for row in zip(validation, probabilities, raw, strict=True)]
    compared_scorers = _scorers(config, train, validation, scored, scores)
    curve: list[Row] = json.loads((final / CURVE).read_text())
    _write_artifact(work, final, curve, scored, compared_scorers)
    return {
        "counts": _counts(train, validation),
        "steps": curve[-1]["step"],
        **quality(scored),
        "baselines": comparison(compared_scorers, len(_hard(validation))) if config.baselines else None,
        "calibration": vars(scaling) if scaling else None,
        "ece_before_calibration": raw_calibration_error(scored),
    }


def _write_artifact(work: Work, final: Path, curve: list[Row], scored: list[Scored], by_scorer: ScoredBy) -> None:
    work.writer.write_folder(final / MODEL, prefix="model")
    table = pa.Table.from_pylist([vars(row) for row in scored], schema=VALIDATION)
    work.writer.write_table("validation.parquet", table)
    work.writer.write_json("curve.json", curve)
    drawn = curves(by_scorer)
    work.writer.write_json("curves.json", drawn)
    work.writer.write_bytes("curves.png", curves_png(drawn))


def _scorers(
    config: RewardModelConfig, train: list[Row], validation: list[Row], scored: list[Scored], scores: dict[str, Row]
) -> ScoredBy:
    """The reward model on the hard pairs, alone or on those that the baselines are compared on."""
    if not config.baselines:
        return scored_by([scored[place] for place in _hard(validation)], {})
    places = compared(validation)
    rows = [validation[place] for place in places]
    others: dict[str, Sequence[float | None]] = {
        "majority": majority(train, rows),
        "length": by_length(train, rows),
        "zero_shot": [scores[row["label_id"]]["zero_shot"] for row in rows],
    }
    return scored_by([scored[place] for place in places], others)


def _hard(validation: list[Row]) -> list[int]:
    return [place for place, row in enumerate(validation) if row["verdict"] is not None]


def _calibrated(
    config: RewardModelConfig, validation: list[Row], raw: list[float | None]
) -> tuple[list[float | None], Calibration | None]:
    """Cross-fitted probabilities of the validation pairs, and the scaling that all of them give; neither when scaling does
    not make the verdicts of instructions it was not fitted on likelier (few pairs)."""
    if not config.calibrate:
        return raw, None
    verdicts = [row["verdict"] for row in validation]
    judged = [(p, bool(v)) for p, v in zip(raw, verdicts, strict=True) if p is not None and v is not None]
    scaling = fit([p for p, _ in judged], [v for _, v in judged])
    if scaling is None:
        return raw, None
    scaled = cross_fitted(raw, verdicts, [row["instruction_id"] for row in validation])
    after = [p for p, v in zip(scaled, verdicts, strict=True) if p is not None and v is not None]
    truth = [v for _, v in judged]
    if log_loss(after, truth) >= log_loss([p for p, _ in judged], truth):
        return raw, None
    return scaled, scaling


def _training_labels(config: RewardModelConfig, labels: ArtifactRef, store: ArtifactStore, seed: int) -> list[Row]:
    """Training rows of whole responses, chosen by hash, at most about `max_pairs`; in the order of the table."""
    train = (row for row in store.rows(labels) if row["split"] == "train")
    sizes: dict[str, int] = {}
    positive = 0
    for row in train:
        sizes[row["rollout_id"]] = sizes.get(row["rollout_id"], 0) + 1
        positive += row["label"]
    total = sum(sizes.values())
    if not 0 < positive < total:
        dropped = store.manifest(labels).figures.get("dropped") or {}
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items())) or "none"
        raise TrainingError(
            f"{labels.uri}: {total} training labels, {positive} of them positive; a classifier needs both classes. Left out "
            f"were: {left_out}. Use more seeds, a smaller labels.validation_share, or, where answers are empty because their "
            "reasoning never ended, more rollouts.max_tokens"
        )
    chosen = set(_first_by_hash(sizes, config.max_pairs, seed))
    return [row for row in store.rows(labels) if row["split"] == "train" and row["rollout_id"] in chosen]


def _first_by_hash(sizes: dict[str, int], max_pairs: int, seed: int) -> Iterator[str]:
    taken = 0
    for name in sorted(sizes, key=lambda name: rank_by_hash("reward-model", seed, name)):
        if taken >= max_pairs:
            return
        taken += sizes[name]
        yield name


def _write_job(config: RewardModelConfig, inputs: Inputs, work: Work, rows: list[Row], zero_shot: set[str]) -> None:
    """`zero_shot`: label ids of the pairs that the untrained backbone is asked about."""
    folder = work.scratch.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rates = _noise_rates(config, inputs["labels"], work.store)
    pairs = [
        {
            "label_id": row["label_id"],
            "response": row["response"],
            "constraint": row["constraint"]["text"],
            "label": row["label"],
            "split": row["split"],
            "instruction": row["instruction_id"],
            "compared": row["label_id"] in zero_shot,
            **(vars(rates_of(rates, row["constraint"]["type"])) if rates else {}),
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(pairs, schema=PAIRS), folder / PAIRS_FILE)
    model = model_folder(inputs["model"], work.store).resolve()
    Job(config=config, model=model, seed=work.seed, folder=folder).write()


def _noise_rates(config: RewardModelConfig, labels: ArtifactRef, store: ArtifactStore) -> dict[str, Rates]:
    """Rates of the label noise by type, when the config corrects for it.

    Raises:
        TrainingError: when the labels hold no hard constraint, or their contrast says nothing of the truth.
    """
    if config.noise == "ignore":
        return {}
    rates = rates_by_type(store.manifest(labels).figures["training_audit"])
    if not rates or not rates[POOLED].informative:
        raise TrainingError(
            f"{labels.uri}: reward_model.noise {config.noise} needs hard constraints whose labels follow the rules, and "
            f"{'there are none' if not rates else f'here {rates[POOLED]}'}; use noise ignore, or more hard types"
        )
    return rates


def _show(work: Work, row: Row) -> None:
    if "eval_loss" in row:
        message, metrics = f"validation loss {row['eval_loss']:.3f}", {"held_out/loss": row["eval_loss"]}
    else:
        message = f"loss {row['loss']:.3f}"
        metrics = {f"train/{name}": row[name] for name in ("loss", "learning_rate", "grad_norm")}
    memory = {name: value for name, value in row.items() if name.startswith("memory/")}
    work.progress(row["step"], row["total"], message, **metrics, **memory)


def _scored(row: Row, probability: float | None, raw: float | None) -> Scored:
    constraint = row["constraint"]
    return Scored(
        label_id=row["label_id"],
        type=constraint["type"],
        kind=constraint["kind"],
        level=row["level"],
        label=row["label"],
        verdict=row["verdict"],
        probability=probability,
        raw_probability=raw,
        instruction_id=row["instruction_id"],
    )


def _counts(train: list[Row], validation: list[Row]) -> dict[str, Any]:
    return {
        "train_pairs": len(train),
        "train_positive": sum(row["label"] for row in train),
        "train_responses": len({row["rollout_id"] for row in train}),
        "validation_pairs": len(validation),
        "validation_instructions": len({row["instruction_id"] for row in validation}),
    }
