"""The trainer against trl's own: the same gradients, on shapes of many kinds, for less work."""

import gc
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from ifrl_core.config import PolicyConfig
from ifrl_core.policy.grpo_arguments import grpo_config
from ifrl_core.policy.trainer import GroupTrainer
from tests.core.models.tiny import configs, tiny_tokenizer

STEPS = 2
SHAPES: dict[str, dict[str, Any]] = {
    "groups-of-2-in-halves": {"prompts_per_step": 4, "generations": 2, "micro_batch": 1},
    "groups-of-16": {"prompts_per_step": 2, "generations": 16, "micro_batch": 16},
    "groups-cut": {"prompts_per_step": 4, "generations": 6, "micro_batch": 8},
    "one-token-answers": {"prompts_per_step": 2, "generations": 4, "micro_batch": 4, "max_tokens": 1},
    "all-at-once": {"prompts_per_step": 4, "generations": 4, "micro_batch": 16},
    "loss-of-means": {"prompts_per_step": 4, "generations": 4, "micro_batch": 4, "grpo": {"loss_type": "grpo"}},
    "sequences": {
        "prompts_per_step": 4,
        "generations": 4,
        "micro_batch": 4,
        "grpo": {"importance_sampling_level": "sequence", "loss_type": "dr_grpo"},
    },
    "two-updates": {"prompts_per_step": 4, "generations": 4, "micro_batch": 4, "grpo": {"num_iterations": 2}},
    "kl": {"prompts_per_step": 2, "generations": 4, "micro_batch": 4, "beta": 0.1, "lora": {"rank": 2}},
    "all-of-train-on": {"prompts_per_step": 2, "generations": 4, "micro_batch": 4, "train_on": 8},
    "checkpointed": {"prompts_per_step": 2, "generations": 4, "micro_batch": 4, "gradient_checkpointing": True},
    "checkpointed-adapters": {
        "prompts_per_step": 2,
        "generations": 4,
        "micro_batch": 4,
        "gradient_checkpointing": True,
        "lora": {"rank": 2},
    },
}


@pytest.fixture(autouse=True)
def _little_to_collect() -> Iterator[None]:
    """Every training collects garbage twice, of all that this process has imported."""
    gc.freeze()
    yield
    gc.unfreeze()


class Gradients(TrainerCallback):
    """Of every step, before it is made; and the tokens that went through the model, padding included."""

    def __init__(self) -> None:
        self.of_steps: list[torch.Tensor] = []
        self.logs: list[dict[str, float]] = []
        self.tokens = 0

    def on_pre_optimizer_step(self, *_: Any, model: torch.nn.Module, **__: Any) -> None:
        self.of_steps.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
        self.logs.append(dict(logs))

    def count(self, embedding: torch.nn.Module, arguments: tuple[torch.Tensor]) -> None:
        self.tokens += arguments[0].numel()


def trained(
    kind: type[GRPOTrainer], folder: Path, choices: Sequence[int], way: str = "shared", **changes: Any
) -> Gradients:
    """Gradients of a random model on random answers with rewards out of `choices`: of some groups all are equal.

    `way`: a group in one row, or where a GroupTrainer goes trl's way all the same.
    """
    changes = {"max_tokens": 9, "beta": 0, "max_steps": STEPS, "save_steps": STEPS, "bf16": False, **changes}
    config = PolicyConfig.model_validate(changes)
    torch.manual_seed(0)
    policy = AutoModelForCausalLM.from_config(configs(259)["llama"], dtype=torch.float32)
    for weight in policy.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, 0.0, 0.3)
    answers, rewards = random.Random(1), random.Random(2)
    prompts = ["abcdefgh"[: answers.randint(1, 8)] for _ in range(config.blocks * config.prompts_per_step)]

    def rollouts(asked: list[str], trainer: Any) -> dict[str, Any]:
        made = [[answers.randrange(1, 250) for _ in range(answers.randint(1, config.max_tokens))] for _ in asked]
        return {"prompt_ids": [list(text.encode()) for text in asked], "completion_ids": made, "logprobs": None}

    gradients = Gradients()
    args = grpo_config(config, folder, seed=0, on_cpu=True)
    args.save_strategy = "no"
    trainer = kind(
        model=policy,
        reward_funcs=lambda completions, **_: [float(rewards.choice(choices)) for _ in completions],
        args=args,
        train_dataset=Dataset.from_list([{"prompt": text} for text in prompts]),
        processing_class=tiny_tokenizer(pad_token="<|end|>"),
        callbacks=[gradients],
        rollout_func=rollouts,
        peft_config=LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False) if config.lora else None,
    )
    assert kind is GRPOTrainer or trainer.sharing is not None
    policy.get_input_embeddings().register_forward_pre_hook(gradients.count)
    if kind is GroupTrainer:
        trainer.train_on = config.train_on
        trainer.sharing = None if way == "as-if-sharded" else trainer.sharing
        trainer._window = 10 if way == "layers-with-a-window" else trainer._window
    trainer.train()
    return gradients


def assert_equal(ours: Gradients, theirs: Gradients) -> None:
    assert len(ours.of_steps) == len(theirs.of_steps) == STEPS
    for mine, other in zip(ours.of_steps, theirs.of_steps, strict=True):
        assert (mine - other).norm() <= 1e-4 * other.norm()
    for mine_logged, logged in zip(ours.logs, theirs.logs, strict=True):
        assert mine_logged.get("loss", 0) == pytest.approx(logged.get("loss", 0), rel=1e-3, abs=1e-5)


@pytest.mark.model
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_trl(shape: str, tmp_path: Path) -> None:
    ours, theirs = (trained(kind, tmp_path, (0, 0, 1), **SHAPES[shape]) for kind in (GroupTrainer, GRPOTrainer))
    assert_equal(ours, theirs)
    assert all(gradient.norm() > 0 for gradient in ours.of_steps)
    assert ours.tokens < theirs.tokens


@pytest.mark.model
@pytest.mark.parametrize("way", ["as-if-sharded", "layers-with-a-window"])
def test_what_cannot_share_a_row_is_trained_alike(way: str, tmp_path: Path) -> None:
    """`train_on` too, of which trl knows nothing."""
    shape = {**SHAPES["groups-cut"], "train_on": 5}
    ours, other = (trained(GroupTrainer, tmp_path, (0, 1, 2, 5), each, **shape) for each in ("shared", way))
    assert_equal(ours, other)
    assert all(gradient.any() for gradient in ours.of_steps)
    assert ours.tokens < other.tokens, "it was not the other way"


@pytest.mark.model
def test_rollouts_of_a_group_without_spread_do_not_go_through_the_model(tmp_path: Path) -> None:
    shape = {"prompts_per_step": 8, "generations": 2, "micro_batch": 2}
    some, all_ = (trained(GroupTrainer, tmp_path, choices, **shape) for choices in ((0, 0, 1), range(1_000)))
    shares, of_all = ([row["trained_share"] for row in made.logs if "trained_share" in row] for made in (some, all_))
    assert of_all == [1.0] * STEPS
    assert [0 < share < 1 for share in shares] == [True] * STEPS
    assert some.tokens < all_.tokens * (sum(shares) / STEPS + 0.2)


@pytest.mark.model
def test_a_step_without_spread_has_one_pass_and_a_gradient_of_nothing(tmp_path: Path) -> None:
    shape = SHAPES["groups-of-2-in-halves"]
    ours, theirs = (trained(kind, tmp_path, (1,), **shape) for kind in (GroupTrainer, GRPOTrainer))
    assert_equal(ours, theirs)
    assert all(not gradient.any() for gradient in ours.of_steps)
    assert 0 < ours.tokens <= STEPS * (8 + 9 - 1)
    assert all(logged["entropy"] > 0 for logged in ours.logs if "entropy" in logged)


@pytest.mark.model
@pytest.mark.parametrize(
    "changes",
    [{"grpo": {"mask_truncated_completions": True}}, {"grpo": {"mask_truncated_completions": True}, "train_on": 2}],
)
def test_a_step_without_a_token_to_train_on_gives_every_weight_a_gradient_of_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """No answer of these has an end."""
    shape = {**SHAPES["groups-of-2-in-halves"], **changes}
    ours, theirs = (trained(kind, tmp_path, (0, 1), **shape) for kind in (GroupTrainer, GRPOTrainer))
    assert_equal(ours, theirs)
    assert [gradient.numel() for gradient in ours.of_steps] == [gradient.numel() for gradient in theirs.of_steps]
    assert not any(gradient.any() for gradient in ours.of_steps)


@pytest.mark.model
def test_few_rollouts_of_many_are_trained_on(tmp_path: Path) -> None:
    shape = {"prompts_per_step": 4, "generations": 4, "micro_batch": 4}
    few, all_ = (trained(GroupTrainer, tmp_path, (0, 1, 2, 3, 5), **shape, **more) for more in ({"train_on": 3}, {}))
    assert all(gradient.any() for gradient in few.of_steps)
    assert few.tokens < all_.tokens / 2
    assert [logged["trained_share"] for logged in few.logs if "trained_share" in logged] == [3 / 16] * STEPS
