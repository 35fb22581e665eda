"""One training of the classifier: on the pairs of split train, from its last checkpoint; the others serve early stopping."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from ifrl_core.config import GuardsConfig, RewardModelConfig
from ifrl_core.records import Row
from ifrl_core.reward_model.model.settings import write_settings
from ifrl_core.reward_model.train.classifier import PackedClassifier, load_trainable
from ifrl_core.reward_model.train.early_stopping import Patience, load_best, loss_curve, out_of_patience
from ifrl_core.reward_model.train.job import Job
from ifrl_core.reward_model.train.order import Collator, PackedRows, packed_rows, shared_out, training_order
from ifrl_core.training.arguments import LAID_OUT, TOGETHER, TRAINER, training_provenance
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.device import takes_cpu
from ifrl_core.training.guards import Guards
from ifrl_core.training.job import CHECKPOINTS, STOP, write_provenance
from ifrl_core.training.log_rows import LogRows
from ifrl_core.training.weights import whole_weights


@dataclass(frozen=True)
class Trained:
    """A trained classifier, whole, and the curve of its loss."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    curve: list[dict[str, float]]

    def save(self, folder: Path, config: RewardModelConfig) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        write_settings(folder, max_tokens=config.max_tokens)


def train_classifier(job: Job, pairs: list[Row]) -> Trained | None:
    """Train, with metrics and checkpoints in the job's folder; None in all processes but the first.

    Raises:
        StoppedError: when training was asked to stop.
        CollapseError: when the loss is no number.
    """
    config = job.config
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(job.model)
    rows = {split: packed_rows(tokenizer, pairs, split, config.max_tokens) for split in ("train", "validation")}
    order = training_order(rows["train"], [pair["instruction"] for pair in pairs], config, job.seed)
    # Before the model: from the arguments on it is loaded in parts (ZeRO-3).
    arguments = training_arguments(config, job.folder / CHECKPOINTS, len(order), job.seed)
    set_seed(job.seed)
    model, adapters = load_trainable(job.model, tokenizer, config)
    trainer = Trainer(
        model=PackedClassifier(model, config.noise),
        args=arguments,
        train_dataset=PackedRows(shared_out(order, config.micro_batch * arguments.world_size)),
        eval_dataset=PackedRows(rows["validation"]) if config.early_stopping else None,
        data_collator=Collator(pairs, int(model.config.pad_token_id)),
        callbacks=[LogRows(job.folder)],
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.is_world_process_zero():
        write_provenance(job.folder, training_provenance(model, trainer.args))
    history = _fit(
        trainer, job.folder / CHECKPOINTS, config.early_stopping, Guards(GuardsConfig(), job.folder, job.folder / STOP)
    )
    weights = whole_weights(trainer)
    if weights is None:
        return None
    if config.launch.sharded:
        model, adapters = load_trainable(job.model, tokenizer, config)
        PackedClassifier(model).load_state_dict(weights)
    if adapters is not None:
        adapters.merge_and_unload()
    if config.bf16:
        model.bfloat16()
    return Trained(model, tokenizer, loss_curve(history))


def _fit(trainer: Trainer, checkpoints: Path, patience: int | None, guards: Guards) -> list[dict[str, Any]]:
    """Train to the end or as long as `patience` has it, from the last checkpoint; the log of all steps.

    With `patience` the model ends with the weights of the lowest validation loss. Whether it has run out follows from the
    log, which every checkpoint carries, so that a kill at any moment changes nothing.
    """
    trainer.add_callback(guards)
    if patience is not None:
        trainer.add_callback(Patience(patience))
    last = last_checkpoint(checkpoints)
    state = TrainerState() if last is None else TrainerState.load_from_json(str(last / "trainer_state.json"))
    if patience is None or not out_of_patience(state.log_history, patience):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        guards.check_stopped(trainer.state.max_steps)
        state = trainer.state
    if patience is not None:
        load_best(trainer, checkpoints, state.log_history)
    return state.log_history


def training_arguments(config: RewardModelConfig, folder: Path, rows: int, seed: int) -> TrainingArguments:
    steps = -(-rows // config.batch_size)
    micro_batch = min(config.micro_batch, config.batch_size)
    processes = int(os.environ.get("WORLD_SIZE", 1))  # of the launcher
    return TrainingArguments(
        **{**TRAINER, **TOGETHER, **LAID_OUT},
        output_dir=str(folder),
        seed=seed,
        use_cpu=takes_cpu(config.launch),
        bf16=config.bf16,
        learning_rate=config.learning_rate,
        warmup_steps=round(config.warmup_share * steps),
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=config.batch_size // (micro_batch * processes),
        save_steps=config.save_steps,
        # With 1, transformers ends by removing all but the best one: the newest of a training that was asked to stop.
        save_total_limit=2 if config.early_stopping else 1,
        eval_strategy="steps" if config.early_stopping else "no",
        eval_steps=config.save_steps,
        per_device_eval_batch_size=config.micro_batch,
        prediction_loss_only=True,
        load_best_model_at_end=config.early_stopping is not None,  # spares the best checkpoint when others go
        metric_for_best_model="loss",
    )
