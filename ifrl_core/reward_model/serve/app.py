"""The endpoints.

POST /predict   {"question", "answer"} -> {"value", "pred", "question", "answer"}, as the clients of the paper's code call it:
                the question is the constraint, the answer the response, value the probability, pred 1 from 0.5 on
POST /v1/score  {"response", "constraints": [...]} -> {"probabilities": [... or null]}
GET  /health    200, and 503 once the device has failed, so that a router sends no more and a supervisor starts it again
GET  /metrics

Everything else than success is {"error": why}.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ifrl_core.reward_model.model.scorer import Probabilities, Scorer
from ifrl_core.reward_model.serve.batcher import Batcher, BrokenError, QueueFullError
from ifrl_core.reward_model.serve.bodies import PairBody, RefusedError, ScoreBody, read_body
from ifrl_core.reward_model.serve.limits import Limits
from ifrl_core.reward_model.serve.metrics import CONTENT_TYPE, Metrics

_UNSCORED = "this pair cannot be scored: the constraint alone fills the model's input, or its output is not a number"


def make_app(scorer: Scorer, limits: Limits, *, model: str, digest: str = "", token: str | None = None) -> FastAPI:
    """The service of one model; `model` is how it is called in /health, beside its `digest` (`folder_digest`), by which a
    training knows its own; `token` what clients have to bear."""
    metrics = Metrics()
    batcher = Batcher(scorer, limits, metrics)

    app = _bare_app(batcher, metrics)
    guarded = [Depends(_bearer(token))] if token else []

    async def probabilities(answer: str, constraints: Sequence[str]) -> Probabilities:
        if len(constraints) > limits.queue_pairs:
            raise RefusedError(413, f"{len(constraints)} constraints in a request; at most {limits.queue_pairs}")
        try:
            return await asyncio.wrap_future(batcher.submit(answer, constraints))
        except QueueFullError as error:
            raise RefusedError(429, str(error), {"Retry-After": str(error.retry_after)}) from None
        except BrokenError as error:
            raise RefusedError(503, str(error)) from None
        except Exception as error:
            if batcher.fault:
                raise RefusedError(503, str(BrokenError(batcher.fault))) from error
            raise

    @app.post("/predict", dependencies=guarded, openapi_extra=_body_of(PairBody))
    async def predict(request: Request) -> dict[str, Any]:
        body = await read_body(request, PairBody, limits)
        [value] = await probabilities(body.answer, [body.question])
        if value is None:
            raise RefusedError(422, _UNSCORED)
        return {"value": value, "pred": int(value >= 0.5), "question": body.question, "answer": body.answer}

    @app.post("/v1/score", dependencies=guarded, openapi_extra=_body_of(ScoreBody))
    async def score(request: Request) -> dict[str, Probabilities]:
        body = await read_body(request, ScoreBody, limits)
        return {"probabilities": await probabilities(body.response, body.constraints)}

    @app.get("/health")
    async def health() -> Response:
        if batcher.fault:
            return JSONResponse({"status": "broken", "model": model, "digest": digest, "error": batcher.fault}, 503)
        return JSONResponse({"status": "ok", "model": model, "digest": digest})

    @app.get("/metrics", dependencies=guarded)
    async def exposition() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return app


def _bare_app(batcher: Batcher, metrics: Metrics) -> FastAPI:
    """No endpoint yet; the batcher runs as long as the app does."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await asyncio.to_thread(batcher.close)

    # Their pages would fetch scripts from the network.
    app = FastAPI(title="ifrl reward model", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(_Observed, metrics=metrics, paths=frozenset({"/predict", "/v1/score", "/health", "/metrics"}))
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)
    return app


class _Observed:
    """Counts and times requests; paths that are not ours count as one, so that callers cannot make labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.monotonic()

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - start)


def _bearer(token: str) -> Callable[[Request], Awaitable[None]]:
    expected = f"Bearer {token}".encode()

    async def check(request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode("latin-1"), expected):
            reason = "this service wants its token: Authorization: Bearer ..."
            raise RefusedError(401, reason, {"WWW-Authenticate": "Bearer"})

    return check


def _body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """What /openapi.json says of a body that the endpoint reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return JSONResponse({"error": error.reason}, error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"error": f"{error.detail}: {request.method} {request.url.path}"}, error.status_code, error.headers
    )


async def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the model failed on this request; the service's log says how"}, 500)
