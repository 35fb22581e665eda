"""What all sections share."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ifrl_core.identity import How, used

Dtype = Literal["bfloat16", "float32"]


class StageConfig(BaseModel):
    """Base of all sections. Fields keep their order in the Prefect form through `position`.

    A field says what is made, or its annotation says that it does not (ifrl_core/identity.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    batch_size: How[int] = Field(64, ge=1, description="Prompts generated together (transformers) or at once (vllm)")
    dtype: Annotated[Dtype, used(lambda section: section.engine != "server")] = Field(
        "bfloat16", description="Number format of the weights while generating (not on servers)"
    )

    @model_validator(mode="after")
    def _served(self) -> Self:
        if (self.engine == "server") != bool(self.served_model):
            raise ValueError("engine server and served_model go together: give both or neither")
        return self


class NoConfig(StageConfig):
    """Of a stage that has nothing to choose."""
