"""The training process of a warm start: `... -m ifrl_core.warm_start.process FOLDER/job.json`.

Cross-entropy on the tokens of the answers, of a batch each counts as much. Killed and started again, it goes on from its last
whole checkpoint.
"""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from peft import get_peft_model
from torch import Tensor
from transformers import (
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.models.ends import end_tokens
from ifrl_core.policy.adapter import peft_config
from ifrl_core.policy.weights import load_policy, trained_model
from ifrl_core.training.arguments import LAID_OUT, TRAINER, training_provenance
from ifrl_core.training.checkpoints import last_checkpoint
from ifrl_core.training.device import takes_cpu
from ifrl_core.training.entry import main
from ifrl_core.training.guards import Guards
from ifrl_core.training.job import CHECKPOINTS, FINAL, renamed_when_whole, write_provenance
from ifrl_core.training.log_rows import LogRows
from ifrl_core.training.weights import whole_weights
from ifrl_core.warm_start.job import DEMONSTRATIONS, Job

_IGNORED = -100  # the label of a token that is not learnt


def train(document: Path) -> None:
    """Train on a job and save its model."""
    job = Job.read(document)
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    end = end_tokens(job.model, tokenizer)[0]
    rows = pq.read_table(job.folder / DEMONSTRATIONS, use_threads=False).to_pylist()
    texts = [_text(prompt_ids(tokenizer, row["prompt"]), _answer_ids(tokenizer, row["response"], end)) for row in rows]
    arguments = _arguments(job)
    set_seed(job.seed)  # before adapters are drawn
    model: Any = load_policy(job.model, job.config)
    if job.config.lora:
        model = get_peft_model(model, peft_config(job.config.lora))
    guards, last = Guards(job.config.guards, job.folder), last_checkpoint(job.folder / CHECKPOINTS)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=texts,
        data_collator=_alone,
        callbacks=[LogRows(job.folder), guards],
    )
    trainer.remove_callback(PrinterCallback)
    write_provenance(job.folder, training_provenance(model, arguments))
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    guards.check_stopped(trainer.state.max_steps)
    weights = whole_weights(trainer)
    assert weights is not None, "one process trains"
    with renamed_when_whole(job.folder / FINAL) as folder:
        trained_model(job, weights).save_pretrained(folder)
        AutoTokenizer.from_pretrained(job.model).save_pretrained(folder)


def _text(prompt: list[int], answer: list[int]) -> dict[str, Tensor]:
    """Token ids of a prompt and its answer, and the answer's as labels, as a batch of one."""
    ids, labels = [*prompt, *answer], [_IGNORED] * len(prompt) + answer
    return {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}


def _answer_ids(tokenizer: Any, response: str, end: int) -> list[int]:
    return [*tokenizer(response, add_special_tokens=False)["input_ids"], end]


def _alone(texts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    (text,) = texts
    return text


def _arguments(job: Job) -> TrainingArguments:
    return TrainingArguments(
        **{**TRAINER, **LAID_OUT},
        output_dir=str(job.folder / CHECKPOINTS),
        seed=job.seed,
        use_cpu=takes_cpu(job.config.launch),
        bf16=job.config.bf16,
        learning_rate=job.warm_start.learning_rate,
        per_device_train_batch_size=1,  # without padding: prompts of one text each
        gradient_accumulation_steps=job.warm_start.batch,
        gradient_checkpointing=job.config.gradient_checkpointing,
        save_steps=job.config.save_steps,
        save_total_limit=1,
    )


if __name__ == "__main__":
    main(train)
