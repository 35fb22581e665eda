"""Sections of policy training: rewards, curriculum, general problems, launch, and GRPO itself."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ifrl_core.config.base import StageConfig
from ifrl_core.config.launch import ProcessesConfig
from ifrl_core.config.trl_fields import PLACING, SAMPLING
from ifrl_core.identity.fields import How, Identity, used, without

SoftScorer = Literal["reward_model", "likelihood"]


class RewardConfig(StageConfig):
    """How the scores of an answer's constraints become its reward."""

    aggregation: Literal["mean", "all", "weighted", "reliability", "ordered", "conditional"] = Field(
        "mean",
        description="mean (the paper); all: all or nothing; weighted: by weights; reliability: soft types by the RM's "
        "measured AUC; ordered: earlier ones count more; conditional: each counts as far as those before are met",
    )
    soft: Annotated[SoftScorer, used(lambda section: section.soft != "reward_model")] = Field(
        "reward_model",
        description="What scores soft constraints: the reward model, or how much likelier the base model finds the answer "
        "when the constraint is asked for (nothing is trained for that)",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="For weighted: weight by type or family (tone:); 1 where none is given"
    )
    decay: Annotated[float, used(lambda section: section.aggregation == "ordered")] = Field(
        0.8, gt=0, le=1, description="For ordered: what each further constraint counts of the one before"
    )
    intent_factor: float = Field(
        0.5, ge=0, le=1, description="What is left of the reward of an answer that leaves the task aside; 1: no gate"
    )
    intent: Annotated[Literal["words", "embedding"], used(lambda section: section.intent_factor < 1)] = Field(
        "words",
        description="How the intent gate tells: words shared with the seed, or hidden states of the base model (a forward "
        "pass an answer)",
    )
    intent_threshold: Annotated[
        float, used(lambda section: section.intent == "embedding" and section.intent_factor < 1)
    ] = Field(
        0.8,
        gt=0,
        le=1,
        description="For embedding: an answer must be nearer its own seed than this share of other seeds",
    )
    degenerate_factor: float = Field(
        0.0, ge=0, le=1, description="What is left of the reward of an answer that goes round in circles; 1: no gate"
    )
    cut_off_factor: Annotated[float, used(lambda section: section.cut_off_factor < 1)] = Field(
        1.0,
        ge=0,
        le=1,
        description="What is left of the reward of an answer that policy.max_tokens cut off; 1: no gate",
    )
    require_reasoning: bool = Field(
        False,
        description="As reasoning.format always, which is for every place that reads an answer, not for rewards alone",
    )
    max_hack_share: How[float] = Field(
        1.0, ge=0, le=1, description="More answers of a step than this that trip a wire stop the run; 1: never"
    )

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if (self.aggregation == "weighted") != bool(self.weights):
            raise ValueError("aggregation weighted and weights go together: give both or neither")
        return self


class GuardsConfig(StageConfig):
    """What ends GRPO early because going on is of no use. A loss that is not a number always does."""

    min_entropy: float = Field(0.01, ge=0, description="Least mean entropy of a token, in nats; 0: never stop for it")
    min_length: float = Field(1.5, ge=0, description="Least mean length of an answer, in tokens; 0: never stop for it")
    patience: int = Field(5, ge=1, description="Steps in a row below a floor that end the run")


class LoraConfig(StageConfig):
    """Train low-rank adapters (Hu et al., arXiv 2106.09685) instead of all weights; the saved model has them merged in."""

    rank: int = Field(16, ge=1, description="Rank of the adapters")
    alpha: float = Field(32, gt=0, description="An adapter's output is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before an adapter, while training")
    target_modules: str | tuple[str, ...] = Field(
        "all-linear", description="Names of the adapted modules, such as [q_proj, v_proj]; all-linear: all but the head"
    )


class WarmStartConfig(StageConfig):
    """A short supervised training before GRPO, on answers right by rules: rollouts, and tool calls that are built."""

    rows: int = Field(
        200, ge=1, description="At most as many answers; types of constraints take turns, the rarest first"
    )
    epochs: int = Field(2, ge=1, description="Times that each is trained on")
    batch: int = Field(8, ge=1, description="Answers a step of the optimizer")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of these steps (linear decay to 0)")


class AssumedConfig(StageConfig):
    """What `ifrl plan` assumes where only a run can measure."""

    device_memory_gib: float = Field(80, gt=0, description="Memory of a device")
    tokens_per_second: float = Field(
        1000, gt=0, description="Answer tokens a device makes a second of a whole step: generated, scored, trained on"
    )
    answer_tokens: int | None = Field(None, ge=1, description="Mean length of an answer; none: half of max_tokens")


class LaunchConfig(ProcessesConfig):
    """How the training processes of the policy are started, and what lies beside them."""

    vllm_gpu_memory_utilization: float = Field(
        0.3, gt=0, le=1, description="For vllm_colocate: share of a GPU's memory for vLLM's weights and KV cache"
    )
    reward_model: Literal["local", "service"] = Field(
        "local", description="local: loaded by each process; service: `ifrl serve` at IFRL_REWARD_MODEL_URL"
    )
    show_samples_every: int = Field(
        5, ge=1, description="Steps between two looks at sample answers: a table in Prefect and in MLflow"
    )
    assumed: AssumedConfig = AssumedConfig()


def batch_fault(prompts: int, generations: int, micro_batch: int, processes: int) -> str | None:
    """Why a step of prompts x generations rollouts cannot be shared out among the processes in micro-batches, and the fix."""
    rollouts = prompts * generations
    if rollouts % (micro_batch * processes) == 0:
        return None
    if rollouts % processes:
        unit = processes // math.gcd(processes, generations)
        return (
            f"prompts_per_step x generations = {rollouts} rollouts cannot be shared out among {processes} processes; use a "
            f"prompts_per_step that is a multiple of {unit}, such as {-(-prompts // unit) * unit}"
        )
    share = rollouts // processes
    of_each = f" / {processes} processes" if processes > 1 else ""
    return (
        f"micro_batch {micro_batch} does not divide prompts_per_step x generations{of_each} = {share}; "
        f"use one of {[n for n in range(1, share + 1) if share % n == 0]}"
    )


_BY_PASS_RATE = used(lambda section: section.strategy == "corridor")


def _asked(section: "CurriculumConfig", levels: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """The levels as the strategy goes through them."""
    if section.strategy == "final":
        return levels[-1:]
    if section.strategy == "incremental":
        return levels
    return (tuple(sorted({level for of_stage in levels for level in of_stage})),)


class CurriculumConfig(StageConfig):
    """Which prompts each step asks (ifrl_core/policy/curriculum has the rules)."""

    strategy: Literal["incremental", "mixed", "final", "corridor"] = Field(
        "incremental",
        description="incremental: stage by stage (the paper); mixed: all levels at once; final: the last stage alone; "
        "corridor: prompts whose measured pass rate lies in (low, high], measured again as the policy improves",
    )
    levels: Annotated[
        tuple[Annotated[tuple[int, ...], Field(min_length=1)], ...],
        Field(min_length=1, description="Levels of each stage, in order; mixed and corridor take all of them"),
        Identity(_asked),
    ] = ((1,), (2,), (3,), (4,), (5,))
    promote_at: float | None = Field(
        None,
        gt=0,
        le=1,
        description="For incremental: leave a stage early when its mean reward over the window reaches this; the steps "
        "saved go to later stages. None: by budget alone, the steps shared out evenly",
    )
    window: Annotated[int, used(lambda section: section.promote_at is not None)] = Field(
        5, ge=1, description="Steps of a stage that promote_at averages over"
    )
    low: Annotated[float, _BY_PASS_RATE] = Field(
        0.2, ge=0, le=1, description="For corridor: a prompt's pass rate must be above this"
    )
    high: Annotated[float, _BY_PASS_RATE] = Field(0.8, ge=0, le=1, description="For corridor: and at most this")
    passed: Annotated[Literal["mean", "all"], _BY_PASS_RATE] = Field(
        "mean",
        description="For corridor: a rollout passes by the share of its hard constraints that hold, or only when all hold",
    )
    remeasured: Annotated[float, _BY_PASS_RATE] = Field(
        0.25, ge=0, le=1, description="For corridor: share of a step's prompts from outside, longest ago first"
    )
    rest: int = Field(
        0, ge=0, description="Steps for which a prompt is passed over after all its rollouts earned the same; 0: none"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.promote_at is not None and self.strategy != "incremental":
            raise ValueError(f"promote_at is for strategy incremental; {self.strategy} has no stages to leave")
        if self.low >= self.high:
            raise ValueError(f"the corridor {self.low} to {self.high} is empty; low must be less than high")
        return self


class GeneralConfig(StageConfig):
    """Problems with a known answer, mixed into training so that general ability stays (paper: math and science)."""

    ratio: float = Field(0.0, ge=0, lt=1, description="Share of each step's prompts that are such problems; 0: none")
    sources: How[tuple[str, ...]] = Field(
        ("builtin:math", "builtin:science"),
        description="Where they come from: the two that ship with ifrl, and Parquet or JSONL files (path) with the columns "
        "prompt, answer and kind (math, choice or exact)",
    )
    held_out_share: How[float] = Field(
        0.5, gt=0, lt=1, description="Share of the problems (by hash) that evaluation asks and training never sees"
    )

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        if not self.sources:
            raise ValueError("general.sources is empty; leave it out for the problems that ship with ifrl")
        return self


MEASURED_AT_MOST = (
    200  # instructions, or rows of a benchmark, a point of the curve: +-7 points at 50 % if each is one answer
)
_CHOOSING = used(lambda section: section.keep == "best")  # a curve by which nothing is chosen changes no policy


class PolicyConfig(StageConfig):
    """GRPO. Defaults follow the paper's code; the demo's values are in its recipe."""

    max_steps: int = Field(300, ge=1, description="Optimizer steps")
    prompts_per_step: int = Field(16, ge=1, description="Prompts per step; rollouts = prompts_per_step x generations")
    generations: int = Field(5, ge=2, description="Rollouts per prompt (the group)")
    max_tokens: int = Field(8192, ge=1, description="Longest answer, in tokens")
    max_prompt_tokens: int = Field(2048, ge=16, description="Longer prompts are left out, and counted")
    temperature: float = Field(1.0, gt=0, le=2, description="Sampling temperature")
    learning_rate: float = Field(1e-6, gt=0, description="Peak learning rate")
    warmup_steps: int = Field(0, ge=0, description="Steps with rising learning rate")
    schedule: Literal["constant", "linear"] = Field("constant", description="Learning rate after warm-up; linear: to 0")
    turns: Annotated[Literal["last", "all"], used(lambda section: section.turns != "last")] = Field(
        "last",
        description="Turns of a conversation that a rollout answers and is trained on: the last, after the history of its "
        "prompt; or (on the CPU) those that users go on from too, one after another, with the reward of the whole dialog",
    )
    trained_layers: int | None = Field(
        None, ge=1, description="Train only the top layers, to save time; none: all weights"
    )
    beta: float = Field(0.01, ge=0, description="KL coefficient; 0 keeps no reference model")
    curriculum: CurriculumConfig = CurriculumConfig()
    general: GeneralConfig = GeneralConfig()
    train_on: Annotated[int | None, used(lambda section: section.train_on is not None)] = Field(
        None,
        ge=1,
        description="Rollouts of a step that are trained on: those of the largest |advantage|, since generating costs less "
        "than training; none: all",
    )
    scale_rewards: Literal["group", "batch", "none"] = Field(
        "group",
        description="What a centred reward is divided by: its group's spread (GRPO), the step's, or 1. With group, a "
        "prompt whose rewards differ by a hair (soft constraints of an unsure RM) pulls as hard as one that passes or fails",
    )
    reward: RewardConfig = RewardConfig()
    guards: How[GuardsConfig] = GuardsConfig()
    max_unscored_share: How[float] = Field(0.05, ge=0, le=1, description="More unscored rewards than this stop the run")
    micro_batch: How[int] = Field(
        8,
        ge=1,
        description="Rollouts per forward/backward pass: a multiple of generations has each prompt computed once",
    )
    save_steps: How[int] = Field(20, ge=1, description="Steps between checkpoints; a kill costs at most this many")
    evaluate_every: Annotated[int | None, _CHOOSING] = Field(
        None,
        ge=1,
        description="Steps between two points of the curve: the share of hard constraints that greedy answers satisfy, on at "
        "most 200 held-out instructions (with keep best: on train instructions set aside); none: no curve",
    )
    keep: Annotated[Literal["last", "best"], _CHOOSING] = Field(
        "last",
        description="The policy is that of the last step, or of the step with the best point of the curve, which is then "
        "measured on instructions that labels.validation_share sets aside from training, so that held-out ones stay held out",
    )
    bf16: bool = Field(True, description="bf16 autocast over float32 weights")
    gradient_checkpointing: How[bool] = Field(False, description="Recompute activations: less memory, more time")
    lora: LoraConfig | None = Field(None, description="Train adapters instead of all weights; none: all weights")
    generation: Literal["transformers", "vllm_colocate", "vllm_server"] = Field(
        "transformers",
        description="What answers: the trainer itself, vLLM on the training GPUs, or the vLLM server at IFRL_VLLM_URL",
    )
    grpo: Annotated[dict[str, Any], without(PLACING)] = Field(
        {}, description="Any other field of trl's GRPOConfig, such as {epsilon_high: 0.28}"
    )
    launch: How[LaunchConfig] = LaunchConfig()
    warm_start: How[WarmStartConfig | None] = Field(
        None,
        description="Show the policy answers that are right by rules before GRPO, in a stage of its own; none: GRPO from the "
        "first step",
    )

    @property
    def rollouts(self) -> int:
        """Rollouts of a step."""
        return self.prompts_per_step * self.generations

    @property
    def updates_per_block(self) -> int:
        """Optimizer steps on the same rollouts (GRPO's mu; Shao et al., arXiv 2402.03300)."""
        return int(self.grpo.get("num_iterations", 1))

    @property
    def blocks(self) -> int:
        """Times that prompts are asked: optimizer steps over `updates_per_block`."""
        return self.max_steps // self.updates_per_block

    @field_validator("grpo")
    @classmethod
    def _fields_of_trl(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value:
            from ifrl_core.config.trl_fields import refuse_fields, refuse_values

            refuse_fields(value)
            refuse_values(value)
            for name in ("num_iterations", "vllm_tensor_parallel_size"):
                count = value.get(name, 1)
                if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                    raise ValueError(f"{name}: a whole number of at least 1 is expected, not {count!r}")
        return value

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        processes = self.launch.processes or 1
        if fault := batch_fault(self.prompts_per_step, self.generations, self.micro_batch, processes):
            raise ValueError(fault)
        for name in ("max_steps", "save_steps"):
            if getattr(self, name) % self.updates_per_block:
                raise ValueError(f"grpo.num_iterations {self.updates_per_block} does not divide {name}")
        return self

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.train_on is not None and self.train_on > self.rollouts:
            raise ValueError(
                f"train_on {self.train_on} is more than the {self.rollouts} rollouts of a step (prompts_per_step x "
                "generations): leave it out to train on all"
            )
        if self.lora and self.trained_layers:
            raise ValueError("lora trains adapters and freezes the rest: leave trained_layers empty")
        if self.trained_layers and self.launch.sharded:
            raise ValueError(
                f"trained_layers does not go with launch.strategy {self.launch.strategy}: use ddp or single"
            )
        if self.keep == "best" and self.evaluate_every is None:
            raise ValueError(
                "keep best chooses among the steps that evaluate_every measures: set that, or use keep last"
            )
        if self.keep == "best" and (self.evaluate_every or 0) >= self.max_steps:
            raise ValueError(
                f"keep best chooses among the steps that evaluate_every measures, and {self.evaluate_every} leaves the last "
                f"of max_steps {self.max_steps} alone: use a smaller evaluate_every, or keep last"
            )
        if self.generation != "transformers" and self.launch.device == "cpu":
            raise ValueError(f"generation {self.generation} needs GPUs: use transformers on the CPU")
        return self

    @model_validator(mode="after")
    def _dialogs(self) -> Self:
        """What answers turn by turn is the decoder of rollouts on the CPU."""
        if self.turns == "last":
            return self
        if self.generation != "transformers":
            raise ValueError(
                f"turns all is answered by generation transformers on the CPU, not by {self.generation}: use turns last"
            )
        if taken := sorted(SAMPLING & self.grpo.keys()):
            raise ValueError(
                f"turns all does not go with grpo.{taken[0]}, for which trl generates itself: use turns last"
            )
        return self
