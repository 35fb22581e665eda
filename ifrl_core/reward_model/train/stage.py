"""The reward model: a constraint-wise binary classifier P(satisfied | response, constraint) (paper, section 3.4).

The backbone is the policy's own base model with a one-output head, trained with binary cross-entropy on pseudo-labels;
pairs of held-out instructions (split "validation") tell how good it is, hard constraints by rules, which it never saw.
Early stopping looks at the pseudo-labels of those pairs, so that with it only the figures against rules stay held out.
Training runs in a process of its own, so that its memory goes back.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RewardModelConfig
from ifrl_core.errors import TrainingError
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Row
from ifrl_core.reward_model.model.settings import write_settings
from ifrl_core.reward_model.quality.baselines import Scorers, by_length, compared, comparison, curves, majority, scorers
from ifrl_core.reward_model.quality.calibration import Calibration, cross_fitted, fit, log_loss
from ifrl_core.reward_model.quality.figures import Scored, quality, raw_calibration_error
from ifrl_core.reward_model.quality.plot import curves_png
from ifrl_core.reward_model.train.misranked import MISRANKED
from ifrl_core.reward_model.train.noise import POOLED, RATES, Rates, rates_by_type, rates_of
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash
from ifrl_core.training.child import run_child

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
PAIRS = pa.schema(
    [
        ("response", pa.string()),
        ("constraint", pa.string()),
        ("label", pa.int32()),
        ("split", pa.string()),
        ("instruction", pa.string()),
        ("compared", pa.bool_()),  # whether the untrained backbone is asked as well
        *((name, pa.float64()) for name in RATES),  # of the label noise; null where they are not used
    ]
)


@stage("reward-model", version=4)
def train_reward_model(config: RewardModelConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, labels. Writes model/ (with its scoring settings), validation.parquet, curve.json (training loss) and
    curves.json with its picture curves.png (ROC and reliability on held-out hard pairs, by scorer).

    Raises:
        TrainingError: when the labels cannot train a classifier, or the training process fails.
    """
    work.progress(0, 1, "reading labels")
    train = _training_labels(config, inputs["labels"], work.store, work.seed)
    held_out = [row for row in work.store.rows(inputs["labels"]) if row["split"] == "validation"]
    if config.early_stopping and not held_out:
        raise TrainingError(
            f"{inputs['labels'].uri}: reward_model.early_stopping needs held-out labels, and there are none; raise "
            "labels.validation_share, or leave early_stopping out"
        )
    places = compared(held_out) if config.baselines else []
    _write_job(config, inputs, work, [*train, *held_out], asked={held_out[place]["label_id"] for place in places})
    run_child(
        [sys.executable, "-m", "ifrl_core.reward_model.train.process", str(work.scratch)],
        folder=work.scratch,
        what="reward model training",
        on_row=lambda row: _show(work, row),
    )
    left_out = _left_out(work.scratch)
    train = [row for place, row in enumerate(train) if place not in left_out]
    raw: list[float | None] = json.loads((work.scratch / "probabilities.json").read_text())
    probabilities, scaling = _calibrated(config, held_out, raw)
    write_settings(work.scratch / "model", max_tokens=config.max_tokens, calibration=scaling or Calibration())
    scored = [_scored(*found) for found in zip(held_out, probabilities, raw, strict=True)]
    found = _scorers(config, train, held_out, scored, work.scratch)
    curve: list[Row] = json.loads((work.scratch / "curve.json").read_text())
    work.writer.write_folder(work.scratch / "model", prefix="model")
    work.writer.write_table(
        "validation.parquet", pa.Table.from_pylist([vars(row) for row in scored], schema=VALIDATION)
    )
    work.writer.write_json("curve.json", curve)
    drawn = curves(found)
    work.writer.write_json("curves.json", drawn)
    work.writer.write_bytes("curves.png", curves_png(drawn))
    return {
        "counts": _counts(train, held_out) | {"misranked": len(left_out)},
        "steps": curve[-1]["step"],
        **quality(scored),
        "baselines": comparison(found, len(_hard(held_out))) if config.baselines else None,
        "calibration": vars(scaling) if scaling else None,
        "ece_before_calibration": raw_calibration_error(scored),
    }


def _scorers(
    config: RewardModelConfig, train: list[Row], held_out: list[Row], scored: list[Scored], scratch: Path
) -> Scorers:
    """The reward model on the hard pairs, alone or on those that the baselines are compared on."""
    if not config.baselines:
        return scorers([scored[place] for place in _hard(held_out)], {})
    places = compared(held_out)
    rows = [held_out[place] for place in places]
    others: dict[str, Sequence[float | None]] = {
        "majority": majority(train, rows),
        "length": by_length(train, rows),
        "zero_shot": json.loads((scratch / "zero_shot.json").read_text()),
    }
    return scorers([scored[place] for place in places], others)


def _left_out(scratch: Path) -> set[int]:
    """Places of the training pairs that co-teaching left out."""
    file = scratch / MISRANKED
    return set(json.loads(file.read_text())) if file.exists() else set()


def _hard(held_out: list[Row]) -> list[int]:
    return [place for place, row in enumerate(held_out) if row["verdict"] is not None]


def _calibrated(
    config: RewardModelConfig, held_out: list[Row], raw: list[float | None]
) -> tuple[list[float | None], Calibration | None]:
    """Cross-fitted probabilities of the held-out pairs, and the scaling that all of them give; neither when scaling does
    not make the verdicts of instructions it was not fitted on likelier (few pairs)."""
    if not config.calibrate:
        return raw, None
    verdicts = [row["verdict"] for row in held_out]
    judged = [(p, bool(v)) for p, v in zip(raw, verdicts, strict=True) if p is not None and v is not None]
    scaling = fit([p for p, _ in judged], [v for _, v in judged])
    if scaling is None:
        return raw, None
    scaled = cross_fitted(raw, verdicts, [row["instruction_id"] for row in held_out])
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
        raise TrainingError(
            f"{labels.uri}: {total} training labels, {positive} of them positive; a classifier needs both classes. "
            "See the counts and drops of the labels stage: use more seeds, or a smaller labels.validation_share"
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


def _write_job(config: RewardModelConfig, inputs: Inputs, work: Work, rows: list[Row], asked: set[str]) -> None:
    """`asked`: label ids of the pairs that the untrained backbone is asked about."""
    work.scratch.mkdir(parents=True, exist_ok=True)
    rates = _noise_rates(config, inputs["labels"], work.store)
    pairs = [
        {
            "response": row["response"],
            "constraint": row["constraint"]["text"],
            "label": row["label"],
            "split": row["split"],
            "instruction": row["instruction_id"],
            "compared": row["label_id"] in asked,
            **(vars(rates_of(rates, row["constraint"]["type"])) if rates else {}),
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(pairs, schema=PAIRS), work.scratch / "pairs.parquet")
    job = {
        "config": config.model_dump(mode="json"),
        "model": str(model_folder(inputs["model"], work.store)),
        "seed": work.seed,
    }
    (work.scratch / "job.json").write_text(json.dumps(job))


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
        said, metrics = f"held-out loss {row['eval_loss']:.3f}", {"held_out/loss": row["eval_loss"]}
    else:
        said = f"loss {row['loss']:.3f}"
        metrics = {f"train/{name}": row[name] for name in ("loss", "learning_rate", "grad_norm")}
    work.progress(row["step"], row["total"], said, **metrics)


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


def _counts(train: list[Row], held_out: list[Row]) -> dict[str, Any]:
    return {
        "train_pairs": len(train),
        "train_positive": sum(row["label"] for row in train),
        "train_responses": len({row["rollout_id"] for row in train}),
        "validation_pairs": len(held_out),
        "validation_instructions": len({row["instruction_id"] for row in held_out}),
    }
