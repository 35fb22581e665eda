"""What all sections share."""

from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ifrl_core.identity.fields import How, used

Dtype = Literal["bfloat16", "float32"]


class StageConfig(BaseModel):
    """Base of all sections. Fields keep their order in the Prefect form through `position`.

    A field says what is made, or its annotation says that it does not (ifrl_core/identity/fields.py).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # On Postgres a nested form is sorted by name length unless every field carries its position.
        for position, field in enumerate(cls.model_fields.values()):
            field.json_schema_extra = {"position": position}
        cls.model_rebuild(force=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: ValidationInfo) -> Any:
        """One value where a list is expected is a list of it, a section without keys has its defaults, a yes is no number."""
        kinds = kinds_of(cls.model_fields[str(info.field_name)].annotation)
        if value is None and isinstance(kinds[0], type) and issubclass(kinds[0], BaseModel) and len(kinds) == 1:
            return {}
        item = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple), None)
        if isinstance(value, bool) and bool not in kinds and (item or int in kinds or float in kinds):
            raise ValueError(f"a {'list' if item else 'number'} is expected")
        return value if item is None or str in kinds else _listed(value, item)


class VllmConfig(StageConfig):
    """How vLLM lies on the GPUs; what it answers stays the same, so none of it makes anything new."""

    tensor_parallel_size: int = Field(
        1, ge=1, description="GPUs that share a copy of the model; divides its attention heads"
    )
    max_model_len: int | None = Field(
        None,
        ge=16,
        description="Longest prompt and answer together, in tokens, that memory is kept for; what does not fit is refused, "
        "never cut. None: the model's positions",
    )
    gpu_memory_utilization: float = Field(
        0.92, gt=0, le=1, description="Share of a GPU's memory for weights and KV cache"
    )


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
    vllm: How[VllmConfig] = Field(VllmConfig(), description="For engine vllm: how it lies on the GPUs")

    @model_validator(mode="after")
    def _served(self) -> Self:
        if (self.engine == "server") != bool(self.served_model):
            raise ValueError("engine server and served_model go together: give both or neither")
        return self


class NoConfig(StageConfig):
    """Of a stage that has nothing to choose."""


def kinds_of(annotation: Any) -> list[Any]:
    """The types that a field's annotation allows: [tuple[str, ...], NoneType] of tuple[str, ...] | None."""
    if get_origin(annotation) is Annotated:
        return kinds_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in kinds_of(part)]
    return [annotation]


def _listed(value: Any, item: Any) -> Any:
    """A value for a field that is a list of `item`."""
    if any(get_origin(kind) is tuple for kind in kinds_of(item)):
        parts = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(part, list | tuple) for part in parts):
            raise ValueError("a list of lists is expected, such as [[1], [2, 3]]")
        return value
    if isinstance(value, str) and "," in value:
        written = ", ".join(part.strip() for part in value.strip("[]").split(","))
        raise ValueError(f"a list is expected: [{written}]")
    return [value] if isinstance(value, str | int | float) else value
