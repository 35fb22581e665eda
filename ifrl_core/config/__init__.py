"""What a run is: one frozen pydantic model per stage, composed into PipelineConfig. Importing it pulls in no torch.

A recipe (YAML) holds only what differs from the defaults; unknown keys and wrong values are refused by name. A field says
*what* is made and so enters a fingerprint, unless it is marked as one that does not (identity/fields.py); where the data
lies and which server is asked are settings of the environment (ifrl_core/settings.py).
"""

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from ifrl_core.config.base import Dtype, GenerationConfig, NoConfig, StageConfig, VllmConfig
from ifrl_core.config.contradictions import contradiction_faults
from ifrl_core.config.data import (
    CorridorConfig,
    EvolvingConfig,
    InstructionsConfig,
    InstructorConfig,
    LabelsConfig,
    LadderConfig,
    ModelWriterConfig,
    RolloutsConfig,
    SeedsConfig,
)
from ifrl_core.config.evaluation import BenchmarkConfig, EvaluationConfig
from ifrl_core.config.judge import JudgeConfig
from ifrl_core.config.launch import ProcessesConfig
from ifrl_core.config.modes import unused_faults
from ifrl_core.config.names import Alias, ModelName, Place
from ifrl_core.config.policy import (
    MEASURED_AT_MOST,
    AssumedConfig,
    CurriculumConfig,
    GeneralConfig,
    GuardsConfig,
    LaunchConfig,
    LoraConfig,
    PolicyConfig,
    RewardConfig,
    WarmStartConfig,
    batch_fault,
)
from ifrl_core.config.reasoning import ReasoningConfig
from ifrl_core.config.reward_model import OneProcessConfig, RewardModelConfig, shares_fault
from ifrl_core.config.secrets import secret_faults
from ifrl_core.config.stage_names import PlaceableStage
from ifrl_core.identity.fields import How

if TYPE_CHECKING:  # it would load pyarrow, which a recipe does without
    from ifrl_core.stages.stage import Stage

__all__ = [
    "CHAMPION",
    "MEASURED_AT_MOST",
    "AssumedConfig",
    "BenchmarkConfig",
    "CorridorConfig",
    "CurriculumConfig",
    "Dtype",
    "EvaluationConfig",
    "EvolvingConfig",
    "ExecutionConfig",
    "GeneralConfig",
    "GenerationConfig",
    "GuardsConfig",
    "InstructionsConfig",
    "InstructorConfig",
    "JudgeConfig",
    "LabelsConfig",
    "LadderConfig",
    "LaunchConfig",
    "LoraConfig",
    "ModelWriterConfig",
    "NoConfig",
    "OneProcessConfig",
    "PipelineConfig",
    "PlaceableStage",
    "PolicyConfig",
    "ProcessesConfig",
    "ReasoningConfig",
    "RegistryConfig",
    "RetrainConfig",
    "RewardConfig",
    "RewardModelConfig",
    "RolloutsConfig",
    "SeedsConfig",
    "StageConfig",
    "VllmConfig",
    "WarmStartConfig",
    "batch_fault",
    "shares_fault",
]

CHAMPION = "champion"  # the alias in MLflow that only a retraining's gate and a rollback move


class RegistryConfig(StageConfig):
    """Names under which MLflow's registry keeps the results."""

    policy_name: ModelName = Field("ifrl-policy", description="Registered model name of the policy")
    reward_model_name: ModelName = Field("ifrl-reward-model", description="Registered model name of the RM")
    alias: Alias = Field("challenger", description="Alias set on the new versions")

    @field_validator("alias")
    @classmethod
    def _not_champion(cls, value: str) -> str:
        if value == CHAMPION:
            raise ValueError(
                "a run does not make itself champion: `ifrl retrain` moves that alias when the model is better"
            )
        return value


class RetrainConfig(StageConfig):
    """When a retraining starts, and by how much its guards may get worse for a challenger to become champion."""

    min_new_seeds: int = Field(
        20, ge=3, description="Fewer seeds than this that no retraining has had: nothing is done"
    )
    reuse_refused: bool = Field(
        True,
        description="Seeds of a refused challenger, which no champion was trained on, are trained on again with new ones",
    )
    min_held_out: int = Field(
        20, ge=2, description="Fewest held-out instructions that the primary interval must rest on"
    )
    accuracy_margin: float | None = Field(
        3.0,
        ge=0,
        description="Points that accuracy on general problems may fall, for sure (95% interval); none: no such guard",
    )
    general_prompts: int | None = Field(
        None,
        ge=1,
        description="Held-out general problems asked for that guard where the recipe asks none; none: as many as it needs",
    )
    length_margin: float | None = Field(
        30.0,
        ge=0,
        description="% by which the mean length of answers may change, either way, for sure; none: no such guard",
    )
    hack_margin: float | None = Field(
        5.0,
        ge=0,
        description="Points that the share of answers which trip a wire may rise, for sure; none: no such guard",
    )


class ExecutionConfig(StageConfig):
    """Where and how stages run; enters no fingerprint, so that moving a run to other machines makes nothing new."""

    runner: Literal["threads", "processes", "ray"] = Field(
        "threads",
        description="What shards (of rollouts, answers, scores) run on; ray: the cluster of RAY_ADDRESS, or a local one",
    )
    workers: int = Field(1, ge=1, description="Shards at once; one in this process already uses every core or GPU")
    pool: Place = Field(
        "",
        description="Work pool of the stages that always use the model (pass-rates, rollouts, instructor, reward-model, "
        "warm-start, policy, answers, evaluation, scores), such as gpu; empty: where the pipeline runs",
    )
    deployments: dict[PlaceableStage, Place] = Field(
        {},
        description="Single stages elsewhere, by pool (policy: gpu-k8s) or deployment (policy: stage/other); these go first",
    )

    def deployment_of(self, stage: "Stage") -> str | None:
        """The deployment that runs a stage; None: the stage runs where the pipeline does."""
        place = self.deployments.get(stage.name, self.pool if stage.placeable and stage.always_uses_model else "")
        if not place:
            return None
        return place if "/" in place else f"stage/{place}"


class PipelineConfig(StageConfig):
    """The whole pipeline, in the order in which data flows."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(
        "pipeline",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=100,  # of a run's name, which is a file's too
        description="Name of the runs in Prefect and MLflow",
    )
    model: str = Field(
        "embedded:smollm2-135m", description="Policy and RM backbone: folder, hub id, s3://, models:/ or embedded: URI"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of every random choice")
    rounds: How[int] = Field(
        1,
        ge=1,
        le=10,
        description="Times from rollouts to policy: the policy of a round makes the next round's rollouts. A round whose "
        "labels for sure agree less with the rules than the round's before (95% interval) ends the loop",
    )
    reasoning: ReasoningConfig = ReasoningConfig()
    seeds: SeedsConfig = SeedsConfig()
    instructions: InstructionsConfig = InstructionsConfig()
    ladder: LadderConfig = LadderConfig()
    rollouts: RolloutsConfig = RolloutsConfig()
    labels: LabelsConfig = LabelsConfig()
    reward_model: RewardModelConfig = RewardModelConfig()
    policy: PolicyConfig = PolicyConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    registry: How[RegistryConfig] = RegistryConfig()
    execution: How[ExecutionConfig] = ExecutionConfig()
    retrain: How[RetrainConfig] = RetrainConfig()

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if faults := list(secret_faults(value)):
            raise ValueError("\n".join(faults))
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if faults := [*contradiction_faults(self), *unused_faults(self)]:
            raise ValueError("\n".join(faults))
        return self
