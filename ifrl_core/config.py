"""What a run is: one frozen pydantic model per stage, composed into PipelineConfig. Importing it pulls in no torch.

A recipe (YAML) holds only what differs from the defaults; unknown keys and wrong values are refused by name. Every field
here says *what* is made and so enters a fingerprint; where the data lies and which server is asked are settings of the
environment (see flows/settings.py).
"""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Dtype = Literal["bfloat16", "float32"]
PlaceableStage = Literal["pass-rates", "instructions", "rollouts", "reward-model", "policy", "evaluation"]
MODEL_STAGES: tuple[PlaceableStage, ...] = ("pass-rates", "rollouts", "reward-model", "policy", "evaluation")


class StageConfig(BaseModel):
    """Base of all sections. Fields keep their order in the Prefect form through `position`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    says_what: ClassVar[bool] = True  # False: the section says where or how, and enters no fingerprint

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # On Postgres a nested form is sorted by name length unless every field carries its position.
        for position, field in enumerate(cls.model_fields.values()):
            field.json_schema_extra = {"position": position}
        cls.model_rebuild(force=True)


class GenerationConfig(StageConfig):
    """Base of sections that generate: which engine answers, with which weights."""

    engine: Literal["transformers", "vllm", "server"] = Field(
        "transformers",
        description="transformers (embedded), vllm (in this process), or server: OpenAI-compatible, at IFRL_SERVER_URLS",
    )
    served_model: str = Field("", description="For engine server: the name under which it serves the model's weights")
    batch_size: int = Field(64, ge=1, description="Prompts generated together (transformers) or at once (vllm)")
    dtype: Dtype = Field("bfloat16", description="Number format of the weights while generating (not on servers)")

    @model_validator(mode="after")
    def _served(self) -> Self:
        if (self.engine == "server") != bool(self.served_model):
            raise ValueError("engine server and served_model go together: give both or neither")
        return self


class NoConfig(StageConfig):
    """Of a stage that has nothing to choose."""


class SeedsConfig(StageConfig):
    """Which seed instructions are used, and how they are split before anything else happens."""

    files: tuple[str, ...] = Field((), description="JSONL, Parquet or text files of seed instructions (path or URL)")
    builtin: bool = Field(True, description="Also use the seed instructions that ship with ifrl")
    train: int = Field(3000, ge=2, description="At most this many train seeds (chosen by hash)")
    held_out: int = Field(200, ge=2, description="At most this many held-out seeds (chosen by hash)")
    held_out_share: float = Field(0.2, gt=0, lt=1, description="Share of all seeds that is never trained on")


class ModelWriterConfig(GenerationConfig):
    """How a model writes constraints (writers llm and self)."""

    model: str = Field("", description="Model of writer llm (a model URI); empty with engine server")
    references: int = Field(8, ge=1, le=40, description="Constraint types that a prompt shows, with example wordings")
    attempts: int = Field(3, ge=1, le=20, description="Times a seed is asked for until a reply can be used")
    too_few: Literal["top_up", "reject"] = Field(
        "top_up", description="When fewer than min_constraints are left: top up from the catalog, or reject the reply"
    )
    fallback: Literal["catalog", "none"] = Field(
        "catalog", description="When no reply can be used: take constraints from the catalog, or leave the seed out"
    )
    temperature: float = Field(0.7, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    top_p: float = Field(0.95, gt=0, le=1, description="Nucleus sampling mass")
    max_tokens: int = Field(512, ge=16, description="Longest reply, in tokens (reasoning included)")
    structured_output: bool = Field(True, description="Hold the model to JSON of the right shape (vllm, server)")


class CorridorConfig(GenerationConfig):
    """How pass rates are measured, and the corridor that each level's should lie in.

    A level's pass rate is the mean share of an answer's hard constraints that their rules find satisfied.
    """

    low: float = Field(0.2, ge=0, le=1, description="Least pass rate of a level")
    high: float = Field(0.8, ge=0, le=1, description="Greatest pass rate of a level")
    rounds: int = Field(4, ge=1, le=20, description="At most so often are constraints drawn, answered and measured")
    seeds: int = Field(48, ge=2, description="Train seeds asked in a round, each at every level")
    max_tokens: int = Field(256, ge=1, description="Longest answer, in tokens")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature; 0 is greedy")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the corridor {self.low} to {self.high} is empty; low must be less than high")
        return self


class InstructionsConfig(StageConfig):
    """How constraints are added to a seed."""

    writer: Literal["catalog", "llm", "self"] = Field(
        "catalog",
        description="catalog: sampled from the constraint types; llm: a model writes them; self: the policy does",
    )
    min_constraints: int = Field(3, ge=1, le=5, description="Fewest constraints of an instruction")
    max_constraints: int = Field(5, ge=1, le=5, description="Most constraints of an instruction")
    hard_share: float = Field(0.6, ge=0, le=1, description="Share of constraints that a rule can check")
    max_words: int = Field(
        300, ge=20, description="Length budget of an answer in words; arguments are sampled within it"
    )
    types: tuple[str, ...] = Field((), description="Constraint types to use; empty: all of the catalog")
    sampling: Literal["uniform", "weighted", "corridor"] = Field(
        "uniform",
        description="How the catalog draws types: alike, by weights, or so that each level's measured pass rate falls "
        "into the corridor",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="For weighted: relative weight by type or family (tone:); 1 where none is given"
    )
    corridor: CorridorConfig = CorridorConfig()
    model_writer: ModelWriterConfig = ModelWriterConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_constraints > self.max_constraints:
            raise ValueError(f"min_constraints {self.min_constraints} exceeds max_constraints {self.max_constraints}")
        model = bool(self.model_writer.model)
        if self.writer == "llm" and model == (self.model_writer.engine == "server"):
            raise ValueError(
                "writer llm needs model_writer.model, or model_writer.engine server with served_model (and not both); to "
                "write with the policy itself choose writer self"
            )
        if (self.sampling == "weighted") != bool(self.weights):
            raise ValueError("sampling weighted and weights go together: give both or neither")
        return self


class LadderConfig(StageConfig):
    """How an instruction's constraints become the rungs L0..Ln."""

    order: Literal["as_written", "random", "easy_to_hard"] = Field(
        "as_written", description="Order of the constraints; easy_to_hard goes by each type's measured pass rate"
    )
    layout: Literal["sentences", "list"] = Field(
        "sentences", description="Constraints as sentences of a paragraph, or as a list"
    )


class RolloutsConfig(GenerationConfig):
    """How the policy answers every rung of every ladder."""

    samples: int = Field(1, ge=1, le=64, description="Answers per rung")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling mass")
    max_tokens: int = Field(2048, ge=1, description="Longest answer, in tokens")
    ladders_per_shard: int = Field(16, ge=1, description="Ladders per shard: the unit of work that a kill can cost")


class LabelsConfig(StageConfig):
    """How rollouts become pseudo-labels (paper: neighbouring rungs), which are left out, and the share for validation.

    What every filter would do to agreement with the rules is measured in each run, also of those that are off.
    """

    validation_share: float = Field(0.2, gt=0, lt=1, description="Share of train instructions held back from the RM")
    drop_identical: bool = Field(True, description="Leave out pairs whose two answers are the same text")
    drop_empty: bool = Field(True, description="Leave out empty answers")
    negatives: Literal["neighbour", "all_lower"] = Field(
        "neighbour", description="Negatives of a constraint: answers of the rung below, or of all lower rungs"
    )
    positive_rungs: Literal["own", "all_upper"] = Field(
        "own",
        description="Positives of a constraint: answers of its own rung, or of all rungs above too, which ask for it as "
        "well. With negatives all_lower every answer is labelled for every constraint of its ladder",
    )
    positives: Literal["all", "best_of_n"] = Field(
        "all", description="Of several samples a rung: each a positive, or the one that satisfies most hard constraints"
    )
    near_identical: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Leave out pairs whose answers share at least this part of their words; none: keep",
    )
    drop_truncated: bool = Field(False, description="Leave out answers that the token budget cut off")
    drop_refusals: bool = Field(False, description="Leave out answers that begin as refusals do")
    contradicted: Literal["keep", "drop_label", "drop_pair"] = Field(
        "keep", description="Labels of hard constraints that their rule contradicts: keep, or drop them or their pair"
    )
    balance: bool = Field(
        False, description="Leave out training labels of each type's larger class, by hash, until both are alike"
    )
    drop_types_without_contrast: float | None = Field(
        None,
        ge=-1,
        lt=1,
        description="Leave hard types out of training whose positives do not pass their rule more often than negatives "
        "by clearly more than this (lower end of a 95% interval, in shares); none: keep all",
    )


class RewardModelConfig(StageConfig):
    """Training of the constraint-wise binary classifier."""

    learning_rate: float = Field(4e-5, gt=0, description="Peak learning rate (AdamW, linear decay after warm-up)")
    epochs: int = Field(1, ge=1, description="Passes over the training pairs")
    batch_size: int = Field(
        16, ge=1, description="Responses per optimizer step; each brings its constraints, often two"
    )
    micro_batch: int = Field(4, ge=1, description="Responses per forward and backward pass; divides batch_size")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps with rising learning rate")
    layers: int | None = Field(None, ge=1, description="Use only the lowest layers of the backbone; none: all of them")
    max_tokens: int = Field(2560, ge=32, description="Longest input (response and constraint), in tokens")
    max_pairs: int = Field(
        100_000, ge=8, description="At most about this many training pairs (whole responses, by hash)"
    )
    noise: Literal["ignore", "posterior", "rates", "unlabelled"] = Field(
        "ignore",
        description="ignore: labels as they are (the paper); posterior: a label counts as the share of its type's labels "
        "that the audit of the training labels found right; rates: loss corrected by those rates; unlabelled: positives as "
        "unlabelled (PU learning)",
    )
    drop_misranked: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="Leave out contrasts that a model of the other half of the instructions ranks the wrong way round with "
        "at least this confidence (co-teaching); costs a second training. None: keep them",
    )
    calibrate: bool = Field(
        True, description="Scale logits so that probabilities match the rules on held-out hard constraints (Platt)"
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of each label's weight that is spread over both classes; 0: none (the paper)",
    )
    lora: int | None = Field(
        None,
        ge=1,
        description="Rank of LoRA adapters on all linear layers, merged after training; the head trains whole. It wants a "
        "higher learning_rate, 1e-4 to 1e-3. None: all weights",
    )
    early_stopping: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations (one every save_steps) without a lower loss on held-out "
        "pseudo-labels, and keep the best weights; none: the last weights",
    )
    baselines: bool = Field(
        True,
        description="Also score held-out hard pairs by length and by the backbone asked yes or no, to compare with",
    )
    save_steps: int = Field(100, ge=1, description="Steps between checkpoints; a kill costs at most this many")
    bf16: bool = Field(True, description="bf16 autocast over float32 weights")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch_size {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _one_idea_of_noise(self) -> Self:
        if self.label_smoothing and self.noise != "ignore":
            raise ValueError(
                f"label_smoothing {self.label_smoothing} and noise {self.noise} both model wrong labels: give one of them"
            )
        return self


class RewardConfig(StageConfig):
    """How the scores of an answer's constraints become its reward."""

    aggregation: Literal["mean", "all", "weighted", "reliability", "ordered", "conditional"] = Field(
        "mean",
        description="mean (the paper); all: all or nothing; weighted: by weights; reliability: soft types by the RM's "
        "measured AUC; ordered: earlier ones count more; conditional: each counts as far as those before are met",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="For weighted: weight by type or family (tone:); 1 where none is given"
    )
    decay: float = Field(
        0.8, gt=0, le=1, description="For ordered: what each further constraint counts of the one before"
    )
    intent_factor: float = Field(
        0.5, ge=0, le=1, description="What is left of the reward of an answer that leaves the task aside; 1: no gate"
    )
    degenerate_factor: float = Field(
        0.0, ge=0, le=1, description="What is left of the reward of an answer that goes round in circles; 1: no gate"
    )
    require_reasoning: bool = Field(False, description="An answer without closed reasoning (</think>) earns nothing")
    max_hack_share: float = Field(
        1.0, ge=0, le=1, description="More answers of a step than this that trip a wire stop the run; 1: never"
    )

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if (self.aggregation == "weighted") != bool(self.weights):
            raise ValueError("aggregation weighted and weights go together: give both or neither")
        return self


class GuardsConfig(StageConfig):
    """What ends GRPO early because going on is of no use. A loss that is not a number always does."""

    says_what: ClassVar[bool] = False

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


class AssumedConfig(StageConfig):
    """What `ifrl plan` assumes where only a run can measure."""

    device_memory_gib: float = Field(80, gt=0, description="Memory of a device")
    tokens_per_second: float = Field(
        1000, gt=0, description="Answer tokens a device makes a second of a whole step: generated, scored, trained on"
    )
    answer_tokens: int | None = Field(None, ge=1, description="Mean length of an answer; none: half of max_tokens")


class LaunchConfig(StageConfig):
    """How the training processes are started: it changes nothing of what they make but the last digits."""

    says_what: ClassVar[bool] = False

    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="auto: GPUs where there are some, else the CPU")
    processes_per_machine: int | None = Field(
        None, ge=1, description="Training processes of a machine; none: one a GPU, one in all on the CPU"
    )
    machines: int = Field(
        1, ge=1, description="Machines; with several, NODE_RANK, MASTER_ADDR and MASTER_PORT come from the environment"
    )
    strategy: Literal["auto", "single", "ddp", "fsdp2", "zero3"] = Field(
        "auto",
        description="ddp: every process holds all weights; fsdp2, zero3 (DeepSpeed): each holds a part; auto: single or ddp",
    )
    offload: bool = Field(False, description="For fsdp2 and zero3: keep weights and optimizer in the CPU's memory")
    vllm_gpu_memory_utilization: float = Field(
        0.3, gt=0, le=1, description="For vllm_colocate: share of a GPU's memory for vLLM's weights and KV cache"
    )
    reward_model: Literal["local", "service"] = Field(
        "local", description="local: loaded by each process; service: an `ifrl serve` at IFRL_REWARD_MODEL_URL"
    )
    assumed: AssumedConfig = AssumedConfig()

    @property
    def sharded(self) -> bool:
        return self.strategy in ("fsdp2", "zero3")

    @property
    def processes(self) -> int | None:
        """All processes, where the recipe says how many."""
        return self.processes_per_machine * self.machines if self.processes_per_machine else None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.machines > 1 and self.processes_per_machine is None:
            raise ValueError(f"{self.machines} machines need processes_per_machine")
        if self.strategy == "single" and (self.processes or 1) > 1:
            raise ValueError(f"strategy single is one process, not {self.processes}: use ddp, fsdp2 or zero3")
        if self.device == "cpu" and self.sharded:
            raise ValueError(f"strategy {self.strategy} needs GPUs: use ddp on the CPU")
        if self.offload and not self.sharded:
            raise ValueError("offload needs strategy fsdp2 or zero3")
        return self


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


class CurriculumConfig(StageConfig):
    """Which prompts each step asks (ifrl_core/policy/curriculum.py has the rules)."""

    strategy: Literal["incremental", "mixed", "final", "corridor"] = Field(
        "incremental",
        description="incremental: stage by stage (the paper); mixed: all levels at once; final: the last stage alone; "
        "corridor: prompts whose measured pass rate lies in (low, high], measured again as the policy improves",
    )
    levels: Annotated[
        tuple[Annotated[tuple[int, ...], Field(min_length=1)], ...],
        Field(min_length=1, description="Levels of each stage, in order; mixed and corridor take all of them"),
    ] = ((1,), (2,), (3,), (4,), (5,))
    promote_at: float | None = Field(
        None,
        gt=0,
        le=1,
        description="For incremental: leave a stage early when its mean reward over the window reaches this; the steps "
        "saved go to later stages. None: by budget alone, the steps shared out evenly",
    )
    window: int = Field(5, ge=1, description="Steps of a stage that promote_at averages over")
    low: float = Field(0.2, ge=0, le=1, description="For corridor: a prompt's pass rate must be above this")
    high: float = Field(0.8, ge=0, le=1, description="For corridor: and at most this")
    passed: Literal["mean", "all"] = Field(
        "mean",
        description="For corridor: a rollout passes by the share of its hard constraints that hold, or only when all hold",
    )
    remeasured: float = Field(
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
    sources: tuple[str, ...] = Field(
        ("builtin:math", "builtin:science"),
        description="Where they come from: the two that ship with ifrl, and Parquet or JSONL files (path) with the columns "
        "prompt, answer and kind (math, choice or exact)",
    )
    held_out_share: float = Field(
        0.5, gt=0, lt=1, description="Share of the problems (by hash) that evaluation asks and training never sees"
    )

    @model_validator(mode="after")
    def _has_sources(self) -> Self:
        if not self.sources:
            raise ValueError("general.sources is empty; leave it out for the problems that ship with ifrl")
        return self


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
    trained_layers: int | None = Field(
        None, ge=1, description="Train only the top layers, to save time; none: all weights"
    )
    beta: float = Field(0.01, ge=0, description="KL coefficient; 0 keeps no reference model")
    curriculum: CurriculumConfig = CurriculumConfig()
    general: GeneralConfig = GeneralConfig()
    scale_rewards: Literal["group", "batch", "none"] = Field(
        "group",
        description="What a centred reward is divided by: its group's spread (GRPO), the step's, or 1. With group, a "
        "prompt whose rewards differ by a hair (soft constraints of an unsure RM) pulls as hard as one that passes or fails",
    )
    reward: RewardConfig = RewardConfig()
    guards: GuardsConfig = GuardsConfig()
    max_unscored_share: float = Field(0.05, ge=0, le=1, description="More unscored rewards than this stop the run")
    micro_batch: int = Field(8, ge=1, description="Rollouts per forward/backward pass")
    save_steps: int = Field(20, ge=1, description="Steps between checkpoints; a kill costs at most this many")
    bf16: bool = Field(True, description="bf16 autocast over float32 weights")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: less memory, more time")
    lora: LoraConfig | None = Field(None, description="Train adapters instead of all weights; none: all weights")
    generation: Literal["transformers", "vllm_colocate", "vllm_server"] = Field(
        "transformers",
        description="What answers: the trainer itself, vLLM on the training GPUs, or the vLLM server at IFRL_VLLM_URL",
    )
    grpo: dict[str, Any] = Field({}, description="Any other field of trl's GRPOConfig, such as {epsilon_high: 0.28}")
    launch: LaunchConfig = LaunchConfig()

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
            from ifrl_core.policy.trl_fields import refuse_fields

            refuse_fields(value)
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
        if self.lora and self.trained_layers:
            raise ValueError("lora trains adapters and freezes the rest: leave trained_layers empty")
        if self.trained_layers and self.launch.sharded:
            raise ValueError(
                f"trained_layers does not go with launch.strategy {self.launch.strategy}: use ddp or single"
            )
        if self.generation != "transformers" and self.launch.device == "cpu":
            raise ValueError(f"generation {self.generation} needs GPUs: use transformers on the CPU")
        return self


class EvaluationConfig(GenerationConfig):
    """What is measured before and after training, with the same prompts, sampling and seeds."""

    max_tokens: int = Field(2048, ge=1, description="Longest answer on held-out instructions, in tokens")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    samples: int = Field(1, ge=1, le=64, description="Answers per held-out prompt")
    levels: tuple[int, ...] = Field((1, 2, 3, 4, 5), description="Rungs of the held-out ladders that are asked")
    ifeval_path: str | None = Field(None, description="IFEval's input_data.jsonl; none: IFEval is left out")
    ifeval_prompts: int = Field(541, ge=1, description="Size of the fixed IFEval subset")
    ifeval_max_tokens: int = Field(1024, ge=1, description="Longest answer on IFEval, in tokens (greedy)")
    general_prompts: int = Field(
        0, ge=0, description="At most this many held-out problems of policy.general.sources are asked; 0: none"
    )
    general_max_tokens: int = Field(1024, ge=1, description="Longest answer to such a problem, in tokens (greedy)")

    @model_validator(mode="after")
    def _not_served(self) -> Self:
        if self.engine == "server":
            raise ValueError("a server answers with one model, and evaluation compares two: use transformers or vllm")
        return self


class RegistryConfig(StageConfig):
    """Names under which MLflow's registry keeps the results."""

    policy_name: str = Field("ifrl-policy", min_length=1, description="Registered model name of the policy")
    reward_model_name: str = Field("ifrl-reward-model", min_length=1, description="Registered model name of the RM")
    alias: str = Field("challenger", min_length=1, description="Alias set on the new versions")


class ExecutionConfig(StageConfig):
    """Where and how stages run; enters no fingerprint, so that moving a run to other machines makes nothing new."""

    runner: Literal["threads", "processes", "ray"] = Field(
        "threads", description="What rollout shards run on; ray: the cluster of RAY_ADDRESS, or a local one"
    )
    workers: int = Field(1, ge=1, description="Shards at once; one in this process already uses every core or GPU")
    pool: str = Field(
        "",
        description="Work pool of the stages that always use the model (pass-rates, rollouts, reward-model, policy, "
        "evaluation), such as gpu; empty: where the pipeline runs",
    )
    deployments: dict[PlaceableStage, str] = Field(
        {},
        description="Single stages elsewhere, by pool (policy: gpu-k8s) or deployment (policy: stage/other); these go first",
    )

    def deployment_of(self, stage: str) -> str | None:
        """The deployment that runs a stage; None: the stage runs where the pipeline does."""
        named: dict[str, str] = {**self.deployments}  # type: ignore[dict-item]
        place = named.get(stage, self.pool if stage in MODEL_STAGES else "")
        if not place:
            return None
        return place if "/" in place else f"stage/{place}"


class PipelineConfig(StageConfig):
    """The whole pipeline, in the order in which data flows."""

    name: str = Field("pipeline", pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name of the runs in Prefect and MLflow")
    model: str = Field(
        "embedded:smollm2-135m", description="Policy and RM backbone: folder, hub id, s3://, models:/ or embedded: URI"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of every random choice")
    rounds: int = Field(
        1,
        ge=1,
        le=10,
        description="Times from rollouts to policy: the policy of a round makes the next round's rollouts. A round whose "
        "labels agree less with the rules than the round's before ends the loop",
    )
    seeds: SeedsConfig = SeedsConfig()
    instructions: InstructionsConfig = InstructionsConfig()
    ladder: LadderConfig = LadderConfig()
    rollouts: RolloutsConfig = RolloutsConfig()
    labels: LabelsConfig = LabelsConfig()
    reward_model: RewardModelConfig = RewardModelConfig()
    policy: PolicyConfig = PolicyConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    registry: RegistryConfig = RegistryConfig()
    execution: ExecutionConfig = ExecutionConfig()

    @model_validator(mode="after")
    def _corridor_keeps_levels(self) -> Self:
        if self.instructions.sampling == "corridor" and self.ladder.order != "as_written":
            raise ValueError(
                f"ladder.order {self.ladder.order} would move the constraints that instructions.sampling corridor draws "
                "for each level; use as_written"
            )
        return self
