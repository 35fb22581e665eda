"""The training process of the reward model: `python -m ifrl_core.reward_model.train.process FOLDER`.

FOLDER holds job.json (a `Job`) and pairs.parquet (response, constraint, label, split, instruction, compared). The process
writes there `model/` (weights, tokenizer, scoring settings), `curve.json`, `probabilities.json` (of the validation pairs,
in their order, scored as in use) and, with baselines, `zero_shot.json` (of the compared pairs). Killed and started again,
it goes on from its last whole checkpoint and ends with the same weights.
"""

import gc
import json
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import torch
from peft import LoraConfig, LoraModel, TaskType
from pydantic import BaseModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging as transformers_logging

from ifrl_core.config import RewardModelConfig
from ifrl_core.reward_model.model.packing import Packed, collate, pack, pair_logits
from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.model.settings import write_settings
from ifrl_core.reward_model.model.template import encode
from ifrl_core.reward_model.quality.zero_shot import zero_shot_probabilities
from ifrl_core.reward_model.train.losses import corrected_loss, posterior_loss, smoothed_loss, unlabelled_loss
from ifrl_core.reward_model.train.misranked import MISRANKED, half_of, logit, misranked
from ifrl_core.reward_model.train.noise import RATES, Noise
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.job import append_row

Pair = dict[str, Any]  # a row of pairs.parquet


class Job(BaseModel):
    """What the process is to do."""

    config: RewardModelConfig
    model: Path
    seed: int


def main(folder: Path) -> None:
    transformers_logging.set_verbosity_error()  # its load report calls the fresh head a missing weight
    transformers_logging.disable_progress_bar()
    job = Job.model_validate_json((folder / "job.json").read_text())
    pairs = pq.read_table(folder / "pairs.parquet", use_threads=False).to_pylist()
    train(job, without_misranked(job, pairs, folder), folder)
    gc.collect()
    held_out = _texts(pair for pair in pairs if pair["split"] == "validation")
    probabilities = RewardModel(folder / "model").probabilities(held_out)
    (folder / "probabilities.json").write_text(json.dumps(probabilities))
    if job.config.baselines:
        asked = _texts(pair for pair in pairs if pair["compared"])
        said = zero_shot_probabilities(job.model, asked, job.config.max_tokens)
        (folder / "zero_shot.json").write_text(json.dumps(said))


def without_misranked(job: Job, pairs: list[Pair], folder: Path) -> list[Pair]:
    """The pairs that a recipe with `drop_misranked` trains on; what it leaves out is written down once."""
    if job.config.drop_misranked is None:
        return pairs
    written = folder / MISRANKED
    if not written.exists():
        found = misranked(pairs, _cross_scored(job, pairs, folder), job.config.drop_misranked)
        partial = written.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        partial.replace(written)
    left_out = set(json.loads(written.read_text()))
    return [pair for place, pair in enumerate(pairs) if place not in left_out]


def _cross_scored(job: Job, pairs: list[Pair], folder: Path) -> list[float | None]:
    """Logits of the training pairs by a model of the other half of the instructions; None for the held-out ones."""
    logits: list[float | None] = [None] * len(pairs)
    halves = [half_of(pair["instruction"], job.seed) for pair in pairs]
    for half in (0, 1):
        print(f"co-teaching: training on half {half + 1} of 2 of the instructions", flush=True)
        own = folder / f"half-{half}"
        own.mkdir(exist_ok=True)
        known = zip(pairs, halves, strict=True)
        train(job, [pair for pair, of in known if of == half or pair["split"] == "validation"], own)
        gc.collect()
        places = [place for place, of in enumerate(halves) if of != half and pairs[place]["split"] == "train"]
        found = RewardModel(own / "model").probabilities(_texts(pairs[place] for place in places))
        for place, value in zip(places, found, strict=True):
            logits[place] = logit(value)
    return logits


def train(job: Job, pairs: list[Pair], folder: Path) -> None:
    """Train on the pairs of split train and save folder/model and folder/curve.json; the others serve early stopping."""
    config = job.config
    set_seed(job.seed)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(job.model)
    model = load_backbone(job.model, tokenizer, config)
    adapters = None if config.lora is None else with_adapters(model, config.lora)
    rows = {split: _packed(tokenizer, pairs, split, config.max_tokens) for split in ("train", "validation")}
    order = training_order(rows["train"], [pair["instruction"] for pair in pairs], config, job.seed)
    trainer = Trainer(
        model=PackedClassifier(model, config.noise, config.label_smoothing),
        args=training_arguments(config, folder / "checkpoints", len(order), job.seed),
        train_dataset=_Rows(order),
        eval_dataset=_Rows(rows["validation"]) if config.early_stopping else None,
        data_collator=_Collator(pairs, int(model.config.pad_token_id)),
        callbacks=[_Report(folder)],
    )
    trainer.remove_callback(PrinterCallback)
    history = fit(trainer, folder / "checkpoints", config.early_stopping)
    if adapters is not None:
        adapters.merge_and_unload()
    if config.bf16:
        model.bfloat16()
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    write_settings(folder / "model", max_tokens=config.max_tokens)
    (folder / "curve.json").write_text(json.dumps(loss_curve(history)))


def with_adapters(model: PreTrainedModel, rank: int) -> LoraModel:
    """Put LoRA adapters (Hu et al., arXiv 2106.09685; scale alpha / rank = 2) on all linear layers of `model`, in place.

    Only they and the fresh head have gradients then; `merge_and_unload` of the result makes `model` a plain one again.
    """
    adapted = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type=TaskType.SEQ_CLS
    )
    adapters = LoraModel(model, adapted, "default")
    cast(nn.Module, model.score).requires_grad_(True)
    return adapters


def fit(trainer: Trainer, checkpoints: Path, patience: int | None) -> list[dict[str, Any]]:
    """Train to the end or as long as `patience` has it, from the last checkpoint; the log of all steps.

    With `patience` the model ends with the weights of the lowest held-out loss. Whether it has run out follows from the
    log, which every checkpoint carries, so that a kill at any moment changes nothing.
    """
    if patience is not None:
        trainer.add_callback(_Patience(patience))
    last = last_checkpoint(checkpoints)
    state = TrainerState() if last is None else TrainerState.load_from_json(str(last / "trainer_state.json"))
    if patience is None or not out_of_patience(state.log_history, patience):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        state = trainer.state
    if patience is not None:
        best = checkpoints / f"checkpoint-{best_step(state.log_history)}"
        cast(nn.Module, trainer.model).load_state_dict(load_file(best / "model.safetensors"))
    return state.log_history


def out_of_patience(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` evaluations of a log gave no lower held-out loss than those before."""
    losses = [row["eval_loss"] for row in history if "eval_loss" in row]
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def best_step(history: Sequence[Mapping[str, Any]]) -> int:
    """The step of the lowest held-out loss, the first of equal ones."""
    evaluated = [row for row in history if "eval_loss" in row]
    return int(min(evaluated, key=lambda row: row["eval_loss"])["step"])


def loss_curve(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """[{"step", "loss"}], with "held_out_loss" at the steps of an evaluation."""
    held_out = {row["step"]: {"held_out_loss": row["eval_loss"]} for row in history if "eval_loss" in row}
    steps = [row for row in history if "loss" in row]
    return [{"step": row["step"], "loss": row["loss"], **held_out.get(row["step"], {})} for row in steps]


def _texts(pairs: Iterable[Pair]) -> list[tuple[str, str]]:
    return [(pair["response"], pair["constraint"]) for pair in pairs]


def _packed(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair], split: str, max_tokens: int) -> list[Packed]:
    """The rows of one split, with places in `pairs`."""
    chosen = [place for place, pair in enumerate(pairs) if pair["split"] == split]
    rows = pack(encode(tokenizer, _texts(pairs[place] for place in chosen), max_tokens))
    return [replace(row, places=tuple(chosen[place] for place in row.places)) for row in rows]


def load_backbone(folder: Path, tokenizer: PreTrainedTokenizerBase, config: RewardModelConfig) -> PreTrainedModel:
    """The lowest `config.layers` layers of the backbone (none: all) with a fresh one-output head, in float32."""
    size = {} if config.layers is None else {"num_hidden_layers": config.layers}
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=1,
        problem_type="multi_label_classification",
        dtype=torch.float32,
        attn_implementation="sdpa",
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        **size,
    )
    return model


class PackedClassifier(nn.Module):
    """Mean loss over the labels of an optimizer step, from packed rows (see losses.py)."""

    def __init__(self, model: PreTrainedModel, noise: Noise = "ignore", smoothing: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self._noise, self._smoothing = noise, smoothing

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor,
        rows: Tensor,
        ends: Tensor,
        labels: Tensor,
        rates: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> dict[str, Tensor]:
        """Shapes as in `packing.Batch`; labels (N,) in {0, 1}; rates (4, N), in the order of RATES;
        `num_items_in_batch`: labels of the whole step."""
        logits = pair_logits(self.model, input_ids, position_ids, attention_mask, rows, ends)
        if self._noise == "ignore" or rates is None:
            total = smoothed_loss(logits, labels, self._smoothing)
        elif self._noise == "posterior":
            total = posterior_loss(logits, labels, rates[2], rates[3])
        elif self._noise == "rates":
            total = corrected_loss(logits, labels, rates[0], rates[1])
        else:
            total = unlabelled_loss(logits, labels, rates[2])
        return {
            "loss": total / (labels.numel() if num_items_in_batch is None else num_items_in_batch),
            "logits": logits,
        }


def training_arguments(config: RewardModelConfig, folder: Path, rows: int, seed: int) -> TrainingArguments:
    steps = -(-rows // config.batch_size)
    return TrainingArguments(
        output_dir=str(folder),
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=config.bf16,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(config.warmup_share * steps),
        weight_decay=0.0,
        num_train_epochs=1,  # `training_order` has laid out every epoch, so that a resume is exact
        train_sampling_strategy="sequential",
        per_device_train_batch_size=min(config.micro_batch, config.batch_size),
        gradient_accumulation_steps=max(1, config.batch_size // config.micro_batch),
        save_strategy="steps",
        save_steps=config.save_steps,
        save_total_limit=1,
        eval_strategy="steps" if config.early_stopping else "no",
        eval_steps=config.save_steps,
        per_device_eval_batch_size=config.micro_batch,
        prediction_loss_only=True,
        load_best_model_at_end=config.early_stopping is not None,  # spares the best checkpoint when others go
        metric_for_best_model="loss",
        logging_steps=1,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
    )


def training_order(
    rows: Sequence[Packed], instruction: Sequence[str], config: RewardModelConfig, seed: int
) -> list[Packed]:
    """Every row once an epoch, epoch after epoch; `instruction[place]` is that of a pair.

    The rows of an instruction stand together, so that a step sees a constraint with its positive and its negative answer:
    what the two share cancels in the gradient. Within a step rows are sorted by length, which keeps padding low.
    """
    ladders: dict[str, list[Packed]] = {}
    for row in rows:
        ladders.setdefault(instruction[row.places[0]], []).append(row)
    source = random.Random(seed)
    epochs = [source.sample(sorted(ladders), len(ladders)) for _ in range(config.epochs)]
    order = [row for names in epochs for name in names for row in ladders[name]]
    steps = (order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size))
    return [row for step in steps for row in sorted(step, key=lambda row: row.length)]


class _Rows(Dataset[Packed]):
    def __init__(self, rows: list[Packed]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Packed:
        return self._rows[index]


class _Collator:
    """Packed rows to the arguments of `PackedClassifier.forward`."""

    def __init__(self, pairs: list[Pair], pad_id: int) -> None:
        self._labels = [float(pair["label"]) for pair in pairs]
        known = all(pair["hit"] is not None for pair in pairs)
        self._rates = [tuple(pair[name] for name in RATES) for pair in pairs] if known else None
        self._pad_id = pad_id

    def __call__(self, rows: list[Packed]) -> dict[str, Tensor]:
        batch = collate(rows, self._pad_id)
        made = {
            "input_ids": batch.input_ids,
            "position_ids": batch.position_ids,
            "attention_mask": batch.attention_mask,
            "rows": batch.rows,
            "ends": batch.ends,
            "labels": torch.tensor([self._labels[place] for place in batch.places]),
        }
        if self._rates is not None:
            made["rates"] = torch.tensor([self._rates[place] for place in batch.places]).T
        return made


class _Patience(TrainerCallback):
    """Stops training when `out_of_patience`."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if out_of_patience(state.log_history, self._patience):
            control.should_training_stop = True
        return control


class _Report(TrainerCallback):
    """Appends a row of metrics per step, and per evaluation, for the parent process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if logs and not {"loss", "eval_loss"}.isdisjoint(logs):
            row = {"step": state.global_step, "total": state.max_steps, **logs}
            append_row(self._folder, row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
