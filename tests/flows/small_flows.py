"""Flows that take no time, deployed like ifrl's own: for what is up to the server, the worker and the automations."""

import time
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.execution.alive import outlives_outages
from flows.execution.slots import slot


@flow(name="small", result_serializer="json", persist_result=True)
def small(
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0, reason: str = "", starts: str = "", fast_from: int = 2
) -> int:
    """Hold a GPU slot, where the deployment names one, for some seconds; from start `fast_from` on, for none.

    `starts` is a file that gets a line with the time as soon as the slot is held; `reason` makes the run fail.
    """
    with outlives_outages(), slot():
        number = 1
        if starts:
            with Path(starts).open("a") as file:
                file.write(f"{time.time()}\n")
            number = len(Path(starts).read_text().splitlines())
        if reason:
            raise RuntimeError(reason)
        time.sleep(seconds if number < fast_from else 0)
    return number
