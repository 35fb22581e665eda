"""One training of the classifier: on the pairs of split train, from its last checkpoint; the others serve early stopping."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from ifrl_core.config import GuardsConfig, RewardModelConfig
from ifrl_core.records import Row
from ifrl_core.reward_model.model.settings import write_settings
from ifrl_core.reward_model.train.classifier import PackedClassifier, load_backbone, with_adapters
from ifrl_core.reward_model.train.early_stopping import Patience, load_best, loss_curve, out_of_patience
from ifrl_core.reward_model.train.job import Job
from ifrl_core.reward_model.train.order import Collator, PackedRows, packed_rows, training_order
from ifrl_core.training.arguments import TRAINER, training_provenance
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.guards import Guards
from ifrl_core.training.job import CHECKPOINTS, STOP, append_row, write_provenance


def train_classifier(job: Job, pairs: list[Row], folder: Path, model_folder: Path) -> list[dict[str, float]]:
    """Train, with metrics and checkpoints in `folder`, and save the model in `model_folder`; the curve of its loss.

    Raises:
        StoppedError: when training was asked to stop.
        CollapseError: when the loss is no number.
    """
    config = job.config
    set_seed(job.seed)
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(job.model)
    model = load_backbone(job.model, tokenizer, config)
    adapters = None if config.lora is None else with_adapters(model, config.lora)
    rows = {split: packed_rows(tokenizer, pairs, split, config.max_tokens) for split in ("train", "validation")}
    order = training_order(rows["train"], [pair["instruction"] for pair in pairs], config, job.seed)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(
        model=PackedClassifier(model, config.noise, config.label_smoothing),
        args=training_arguments(config, folder / CHECKPOINTS, len(order), job.seed),
        train_dataset=PackedRows(order),
        eval_dataset=PackedRows(rows["validation"]) if config.early_stopping else None,
        data_collator=Collator(pairs, int(model.config.pad_token_id)),
        callbacks=[_Report(folder)],
    )
    trainer.remove_callback(PrinterCallback)
    write_provenance(job.folder, training_provenance(model, trainer.args))
    history = _fit(
        trainer, folder / CHECKPOINTS, config.early_stopping, Guards(GuardsConfig(), folder, job.folder / STOP)
    )
    if adapters is not None:
        adapters.merge_and_unload()
    if config.bf16:
        model.bfloat16()
    model.save_pretrained(model_folder)
    tokenizer.save_pretrained(model_folder)
    write_settings(model_folder, max_tokens=config.max_tokens)
    return loss_curve(history)


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
    return TrainingArguments(
        **{**TRAINER, "train_sampling_strategy": "sequential"},
        output_dir=str(folder),
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=config.bf16,
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(config.warmup_share * steps),
        num_train_epochs=1,  # `training_order` has laid out every epoch, so that a resume is exact
        per_device_train_batch_size=min(config.micro_batch, config.batch_size),
        gradient_accumulation_steps=max(1, config.batch_size // config.micro_batch),
        save_strategy="steps",
        save_steps=config.save_steps,
        # With 1, transformers ends by removing all but the best one: the newest of a training that was asked to stop.
        save_total_limit=2 if config.early_stopping else 1,
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


class _Report(TrainerCallback):
    """Appends a row of metrics a step, and an evaluation, for the stage."""

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
            append_row(self._folder, {"step": state.global_step, "total": state.max_steps, **logs})
