"""trl's trainer with less work for the same gradient: prompts once a group, and no pass where there is nothing to learn.

trl computes the log-probabilities of all rollouts, padded and in random micro-batches. `GroupTrainer` gives its loss the same
numbers by another way (shared_prefix, passes). A rollout of advantage 0 moves no weight without a KL or entropy term, so its
tokens are masked. Where the model does not allow for it, `GroupTrainer` is trl's trainer, and the log says so.

Prompts are rendered as everywhere (inference/prompts.py).

With `train_on` the rest of a step's rollouts is masked too, and the loss is a mean over what is left.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from trl.trainer.grpo_trainer import GRPOTrainer

from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.policy.passes import centred, most_telling, passes, taken, without
from ifrl_core.policy.shared_prefix import Group, Predicted, groups_of
from ifrl_core.policy.sharing import attention_window, open_sharing
from ifrl_core.training.clock import StepClock


class GroupTrainer(GRPOTrainer):
    """GRPOTrainer; `sharing` is None where it is trl's way. Set `train_on` and `clock` before training."""

    args: Any
    model: Any
    num_generations: int
    _buffered_inputs: Any
    clock: StepClock

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clock = StepClock()
        self.train_on: int | None = None
        models = [self.accelerator.unwrap_model(model) for model in (self.model, self.ref_model) if model is not None]
        self.sharing = open_sharing(self, models)
        self._window = attention_window(models[0].config)
        # What a term of the loss, or the mean of the others, owes to a rollout of advantage 0.
        self._all_count = bool(
            self.beta or self._entropy_bonus_enabled or self.top_entropy_quantile < 1 or self.loss_type == "bnpo"
        )

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        with self.clock.of("backward"):
            loss: Tensor = super().training_step(*args, **kwargs)  # type: ignore[no-untyped-call]
            if loss.is_cuda:  # what runs on the GPU belongs to the part that asked for it
                torch.cuda.synchronize()
            return loss

    def compute_loss(self, *args: Any, **kwargs: Any) -> Tensor:
        with self.clock.of("forward"):
            loss: Tensor = super().compute_loss(*args, **kwargs)
            return loss

    def _generate(self, prompts: list[Any]) -> Any:
        with self.clock.of("generate"):
            *made, completions, logprobs, extra, images, of_tools = super()._generate(prompts)
            # A dialog is its messages; trl reads the completion as one answer, with the template's words in it.
            return *made, extra.pop("dialog", completions), logprobs, extra, images, of_tools

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """As all engines read them: a conversation has tools of its own, which trl's way of rendering does not know."""
        return [prompt_ids(self.processing_class, messages) for messages in prompts], None, {}

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with self.clock.of("prepare"):  # beside generation and scoring: texts to tokens, advantages, a table of answers
            return self._prepared(generation_batch)

    def _prepared(self, generation_batch: Any) -> Any:
        if self.sharing is None or not self.model.training:
            return super()._prepare_inputs(generation_batch)
        steps = self.args.steps_per_generation
        if self._buffered_inputs is None or self._step % (steps * self.num_iterations) == 0:
            self._buffered_inputs = self._passes(self._generate_and_score_completions(generation_batch))
        return self._buffered_inputs[self._step % steps]

    def _generate_and_score_completions(self, inputs: list[Any]) -> Any:
        rollouts = super()._generate_and_score_completions(inputs)
        first = self.accelerator.process_index * len(inputs)
        mine = slice(first, first + len(inputs))
        advantages = centred(self.accelerator.gather(rollouts["advantages"]), self.num_generations)
        rollouts["advantages"] = advantages[mine]
        if self.train_on is None:
            return rollouts
        rollouts = without(rollouts, most_telling(advantages, self.train_on)[mine])
        trained = rollouts["completion_mask"] * rollouts.get("tool_mask", 1)
        tokens = self.accelerator.gather(trained.sum()).sum()
        return {**rollouts, "num_items_in_batch": tokens}

    def _passes(self, rollouts: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rollouts of this process in passes."""
        size = self.args.per_device_train_batch_size
        whole = rollouts["completion_mask"].any(1)
        kept = whole if self._all_count else whole & (rollouts["advantages"] != 0)
        self._metrics["train"]["trained_share"].append(self.accelerator.gather(kept.float()).mean().item())
        if not kept.any():  # a pass without a gradient, so that the entropy stays watched
            kept = whole & (whole.cumsum(0) <= size)
        rollouts = without(rollouts, kept)
        groups = [tuple(ids) for ids in rollouts["prompt_ids"].tolist()]
        return [taken(rollouts, rows) for rows in passes(groups, kept.tolist(), size)]

    def _get_per_token_logps_and_entropies(
        self,
        model: PreTrainedModel,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        with self.clock.of("forward"):
            return self._log_probs(model, input_ids, attention_mask, logits_to_keep, *args, **kwargs)

    def _log_probs(
        self,
        model: PreTrainedModel,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kw: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if self.sharing is None or attention_mask.sum(1).max() > self._window:
            found: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *args, **kw
            )
            return found
        size = kw.get("batch_size") or len(input_ids)  # rows at once
        parts = zip(input_ids.split(size), attention_mask.split(size), strict=True)
        with self.accelerator.autocast():
            made = [self._predicted(model, ids, mask, logits_to_keep) for ids, mask in parts]
        entropies = [part.entropies for part in made if part.entropies is not None]
        whole = torch.cat(entropies) if len(entropies) == len(made) else None
        return torch.cat([part.log_probs for part in made]), whole, None

    def _predicted(self, model: PreTrainedModel, ids: Tensor, seen: Tensor, answer_tokens: int) -> Predicted:
        assert self.sharing is not None
        mask = seen[:, -answer_tokens:].bool()
        groups = groups_of(ids, seen, answer_tokens)
        if groups or not self._ends_a_step:
            return self.sharing(model, groups, mask)
        any_token = self.sharing(model, [_any_token(ids, seen, answer_tokens)], _first_of(mask))
        return Predicted(any_token.log_probs * 0, torch.zeros_like(any_token.log_probs))

    @property
    def _ends_a_step(self) -> bool:
        """Whether every weight must get a gradient, be it 0: processes meet in this pass, and Adam goes by its momentum."""
        return torch.is_grad_enabled() and self.accelerator.sync_gradients

    def _compute_loss(self, model: PreTrainedModel, inputs: Any) -> Tensor:
        loss: Tensor = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        entropies = self._metrics["train"]["entropy"]
        if self.sharing and entropies and not entropies[-1]:
            entropies[-1] = float("nan")  # of no token; trl leaves it out of the step's mean
        return loss


def _any_token(input_ids: Tensor, attention_mask: Tensor, answer_tokens: int) -> Group:
    """The first token of the first answer, though it is masked."""
    mask = attention_mask[:1].clone()
    mask[0, -answer_tokens] = 1
    return groups_of(input_ids[:1], mask, answer_tokens)[0]


def _first_of(mask: Tensor) -> Tensor:
    first = torch.zeros_like(mask)
    first[0, 0] = True
    return first
