"""Thin Prefect tasks over ifrl_core's stages: caching, retries, progress. No algorithm lives here.

Importing this package closes Prefect's pickle door: a result record says itself how it is to be read, so a planted record
could otherwise run code in whoever reads it. ifrl writes JSON only, and anything else is refused.
"""

from typing import Any, NoReturn

from prefect.serializers import PickleSerializer

from ifrl_core.errors import ArtifactError


def _refuse_pickle(self: PickleSerializer, blob: Any) -> NoReturn:
    raise ArtifactError(
        "a Prefect result record asks to be unpickled, which would run code from the result folder; ifrl's results are "
        "JSON. Remove the record, and find out who can write to that folder"
    )


PickleSerializer.loads = _refuse_pickle  # type: ignore[method-assign]
