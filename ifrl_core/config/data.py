"""Sections of the dataset: seeds, instructions, ladders, rollouts and pseudo-labels."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import GenerationConfig, StageConfig
from ifrl_core.identity.fields import How, used


class SeedsConfig(StageConfig):
    """Which seed instructions are used, and how they are split before anything else happens."""

    files: How[tuple[str, ...]] = Field(
        (),
        description="Files or folders of seeds (path, s3:// or hf:// URL): JSON, Parquet, Arrow, CSV, text; "
        "builtin:conversations and builtin:tools ship with ifrl",
    )
    builtin: bool = Field(True, description="Also use the plain seed instructions that ship with ifrl")
    train: int = Field(3000, ge=2, description="At most this many train seeds (chosen by hash)")
    held_out: int = Field(200, ge=2, description="At most this many held-out seeds (chosen by hash)")
    held_out_share: float = Field(0.2, gt=0, lt=1, description="Share of all seeds that is never trained on")


_SAMPLED = used(lambda section: section.temperature > 0)  # greedy answers have no nucleus


class ModelWriterConfig(GenerationConfig):
    """How a model writes constraints (writers llm, self and instructor)."""

    model: How[str] = Field("", description="Model of writer llm (a model URI); empty with engine server")
    references: int = Field(8, ge=1, le=40, description="Constraint types that a prompt shows, with example wordings")
    attempts: int = Field(3, ge=1, le=20, description="Times a seed is asked for until a reply can be used")
    too_few: Literal["top_up", "reject"] = Field(
        "top_up", description="When fewer than min_constraints are left: top up from the catalog, or reject the reply"
    )
    fallback: Literal["catalog", "none"] = Field(
        "catalog", description="When no reply can be used: take constraints from the catalog, or leave the seed out"
    )
    temperature: float = Field(0.7, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    top_p: Annotated[float, _SAMPLED] = Field(0.95, gt=0, le=1, description="Nucleus sampling mass")
    max_tokens: int = Field(512, ge=16, description="Longest reply, in tokens (reasoning included)")
    structured_output: Annotated[bool, used(lambda section: section.engine != "transformers")] = Field(
        True, description="Hold the model to JSON of the right shape (vllm, server)"
    )


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


class EvolvingConfig(StageConfig):
    """Which pass rates p of the model teach: between the two, p(1 - p) of it; outside, next to nothing."""

    low: float = Field(0.1, ge=0, le=1, description="Least pass rate of what is drawn on purpose")
    high: float = Field(0.9, ge=0, le=1, description="Greatest pass rate of what is drawn on purpose")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the band {self.low} to {self.high} is empty; low must be less than high")
        return self


class InstructorConfig(StageConfig):
    """How the twin of the policy that writes constraints is trained, beside all that `policy` says."""

    steps: int = Field(10, ge=1, description="GRPO steps of each round")
    quota: float = Field(
        0.2, gt=0, le=1, description="Share of a step's constraints that may follow one template; more of it earns less"
    )


class InstructionsConfig(StageConfig):
    """How constraints are added to a seed."""

    writer: Literal["catalog", "llm", "self", "evolving", "instructor"] = Field(
        "catalog",
        description="catalog: sampled from the constraint types; llm: a model writes them; self: the policy does; evolving: "
        "as catalog, and the policy is trained on others, drawn by what the round's rollouts showed; instructor: on others, "
        "which a twin of the policy writes that is trained to",
    )
    min_constraints: int = Field(3, ge=1, le=5, description="Fewest constraints of an instruction")
    max_constraints: int = Field(5, ge=1, le=5, description="Most constraints of an instruction")
    hard_share: float = Field(0.6, ge=0, le=1, description="Share of constraints that a rule can check")
    max_words: int = Field(
        300,
        ge=1,
        description="Length budget of an answer in words; arguments are sampled within it, and within what policy.max_tokens "
        "and rollouts.max_tokens hold",
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
    corridor: How[CorridorConfig] = CorridorConfig()  # what the stage pass-rates makes of it is an input
    model_writer: Annotated[ModelWriterConfig, used(lambda section: section.asks_model)] = ModelWriterConfig()

    evolving: Annotated[EvolvingConfig, used(lambda section: section.evolves)] = EvolvingConfig()
    instructor: Annotated[InstructorConfig, used(lambda section: section.writer == "instructor")] = InstructorConfig()

    @property
    def model_writes(self) -> bool:
        """Whether a model writes all constraints; else the first are drawn from the catalog."""
        return self.writer in ("llm", "self")

    @property
    def evolves(self) -> bool:
        """Whether the policy is trained on other constraints than those that its rollouts answered."""
        return self.writer in ("evolving", "instructor")

    @property
    def asks_model(self) -> bool:
        """Whether a model is asked to write."""
        return self.model_writes or self.writer == "instructor"

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


_PLACED = used(lambda section: section.place != "last")


class LadderConfig(StageConfig):
    """How an instruction's constraints become the rungs L0..Ln."""

    order: Literal["as_written", "random", "easy_to_hard"] = Field(
        "as_written", description="Order of the constraints; easy_to_hard goes by each type's measured pass rate"
    )
    layout: Literal["sentences", "list"] = Field(
        "sentences", description="Constraints as sentences of a paragraph, or as a list"
    )
    place: Annotated[Literal["last", "system", "earlier", "mixed"], _PLACED] = Field(
        "last",
        description="Where constraints stand: in the last user turn, in the system message, in the first of several user "
        "turns, or each in one of these, drawn by the random seed",
    )


class RolloutsConfig(GenerationConfig):
    """How the policy answers every rung of every ladder."""

    samples: int = Field(1, ge=1, le=64, description="Answers per rung")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    top_p: Annotated[float, _SAMPLED] = Field(1.0, gt=0, le=1, description="Nucleus sampling mass")
    max_tokens: int = Field(2048, ge=1, description="Longest answer, in tokens")
    ladders_per_shard: How[int] = Field(
        16, ge=1, description="Ladders per shard: the unit of work that a kill can cost"
    )
    own_history: How[bool] = Field(  # what the stage histories makes of it is an input
        False,
        description="The assistant's turns of conversations are not the given ones but those of the model that goes on with "
        "them: the base model's, in evaluation each model's own",
    )


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
    contradicted: Literal["keep", "drop_label", "drop_pair"] = Field(
        "keep",
        description="Training labels of hard constraints that their rule contradicts: keep, or drop them or their pair",
    )
    drop_types_without_contrast: float | None = Field(
        None,
        ge=-1,
        lt=1,
        description="Leave hard types out of training whose positives do not pass their rule more often than negatives "
        "by clearly more than this (lower end of a 95% interval, in shares); none: keep all",
    )
