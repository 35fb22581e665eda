"""Requests in, refusals out: every request that cannot be used gets a status and a sentence that says why."""

import asyncio
from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect

from ifrl_core.reward_model.serve.limits import Limits

Text = Annotated[str, StringConstraints(min_length=1)]
Body = TypeVar("Body", bound=BaseModel)


class PairBody(BaseModel):
    """One pair as the paper's clients name it: `question` is the constraint, `answer` the response."""

    model_config = ConfigDict(strict=True)

    question: Text
    answer: Text


class ScoreBody(BaseModel):
    """One response with all its constraints."""

    model_config = ConfigDict(strict=True, extra="forbid")

    response: Text
    constraints: Annotated[list[Text], Field(min_length=1)]


class RefusedError(Exception):
    """The answer is `status` with `{"error": reason}`."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


async def read_body(request: Request, kind: type[Body], limits: Limits) -> Body:
    """The body as a `kind`.

    Raises:
        RefusedError: 400 not UTF-8 or not JSON; 408 too slow; 413 too long; 422 a field that is missing or wrong.
    """
    try:
        async with asyncio.timeout(limits.body_seconds):
            data = await _read(request, limits.body_bytes)
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {limits.body_seconds:g} s") from None
    except ClientDisconnect:
        raise RefusedError(400, "the client went away before its body was here") from None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"the body is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        status = 400 if details[0]["type"] == "json_invalid" else 422
        raise RefusedError(status, "; ".join(_sentence(detail) for detail in details[:5])) from None


async def _read(request: Request, most: int) -> bytes:
    announced = request.headers.get("content-length", "")
    too_long = RefusedError(413, f"the body is longer than {most} bytes; send fewer constraints at a time")
    if announced.isdecimal() and int(announced) > most:
        raise too_long
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise too_long
    return bytes(data)


def _sentence(detail: ErrorDetails) -> str:
    field = ".".join(str(part) for part in detail["loc"])
    return f"{field}: {detail['msg']}" if field else detail["msg"]
