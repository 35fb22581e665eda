"""Names of stages in a recipe, as the registry has them: what declares itself placeable may be placed."""

from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ifrl_core.stages import registry


class _Placeable:
    """As a Literal of the names, which are asked for when a name is read or a form is drawn."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"enum": list(registry.placeable())}


def _checked(name: str) -> str:
    names = [repr(placeable) for placeable in registry.placeable()]
    if repr(name) in names:
        return name
    expected = f"{', '.join(names[:-1])} or {names[-1]}"
    raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})


PlaceableStage = Annotated[str, _Placeable()]
