"""What is measured: held-out instructions, and benchmarks of others."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import GenerationConfig, StageConfig
from ifrl_core.config.judge import JudgeConfig
from ifrl_core.identity.fields import How

BenchmarkLabel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*(:[a-z0-9][a-z0-9-]*)?$", max_length=60)]


class BenchmarkConfig(StageConfig):
    """One benchmark: its rows, and how it is asked where that differs from what is official."""

    path: tuple[str, ...] = Field(
        description="File or folder of its rows as upstream writes them, local, s3:// or hf://"
    )
    limit: int | None = Field(None, ge=1, description="Only so many rows, the same ones every time; none: all")
    samples: int = Field(1, ge=1, le=64, description="Answers a row; of greedy ones there is one")
    max_tokens: int | None = Field(None, ge=1, description="Longest answer, in tokens; none: the benchmark's own")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | list) else value


class EvaluationConfig(GenerationConfig):
    """What is measured before and after training, with the same prompts, sampling and seeds."""

    max_tokens: int = Field(2048, ge=1, description="Longest answer on held-out instructions, in tokens")
    temperature: float = Field(1.0, ge=0, le=2, description="Sampling temperature; 0 is greedy")
    samples: int = Field(1, ge=1, le=64, description="Answers per held-out prompt")
    levels: tuple[int, ...] = Field((1, 2, 3, 4, 5), description="Rungs of the held-out ladders that are asked")
    ifeval_path: How[str | None] = Field(None, description="IFEval's input_data.jsonl; none: IFEval is left out")
    ifeval_prompts: How[int] = Field(541, ge=1, description="Size of the fixed IFEval subset")
    ifeval_max_tokens: How[int] = Field(1024, ge=1, description="Longest answer on IFEval, in tokens (greedy)")
    general_prompts: How[int] = Field(
        0, ge=0, description="At most this many held-out problems of policy.general.sources are asked; 0: none"
    )
    general_max_tokens: How[int] = Field(1024, ge=1, description="Longest answer to such a problem, in tokens (greedy)")

    benchmarks: How[dict[BenchmarkLabel, BenchmarkConfig]] = Field(
        {},
        description="Outside benchmarks, asked before and after: `ifbench: {path: FILE}`; a second file of one has a label "
        "such as `followbench:zh`. `ifrl eval --list` names them",
    )
    official: How[bool] = Field(
        False, description="Benchmarks are graded as upstream does, what is plainly broken there included"
    )
    run_code: How[bool] = Field(
        False, description="Checks that come as code with a benchmark's rows run, in a limited child process"
    )
    items_per_shard: How[int] = Field(
        128, ge=1, description="Answers on held-out prompts, or rows of a benchmark, per shard: what a kill can cost"
    )

    served_policy: How[str] = Field(
        "", description="For engine server: the name under which it serves the policy, once it is trained"
    )
    judge: How[JudgeConfig | None] = Field(None, description="Who judges what no rule decides; none: nobody")

    @model_validator(mode="after")
    def _both_served(self) -> Self:
        if self.engine == "server" and not self.served_policy:
            raise ValueError(
                "evaluation compares two models: with engine server give served_policy (the policy's name) too"
            )
        return self

    def sides(self) -> tuple[Self, Self]:
        """The section as the base model answers by it, and as the policy does, which has a name of its own on servers."""
        base = self.model_copy(update={"served_policy": ""})
        return base, base.model_copy(update={"served_model": self.served_policy}) if self.engine == "server" else base
