"""The model writer (paper, section 3.1): a model is given a seed and references, and returns five atomic constraints.

Seeds whose reply cannot be used are asked again with another random seed and other references, up to `attempts` times.
"""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from ifrl_core.config import InstructionsConfig
from ifrl_core.inference import Completion, Engine, Request, Sampling
from ifrl_core.inference.engine import no_room
from ifrl_core.instructions.writers import catalog, prompt
from ifrl_core.instructions.writers.match import constraint_of
from ifrl_core.instructions.writers.record import Outcome, RejectedSeed, SeedRequest, Written
from ifrl_core.instructions.writers.reply import SCHEMA, Proposal, read_reply
from ifrl_core.instructions.writers.select import select
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.text.reasoning import THINK, Reasoning

T = TypeVar("T")


def write(
    requests: Sequence[SeedRequest],
    config: InstructionsConfig,
    engine: Engine,
    *,
    seed: int,
    reasoning: Reasoning = THINK,
    progress: Progress = no_progress,
) -> list[Outcome]:
    """An outcome per seed, in order. Equal arguments and replies give equal outcomes.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
        InferenceError: when a server refuses or none answers.
    """

    def read(request: SeedRequest, completion: Completion, attempts: int) -> Outcome:
        proposals = read_reply(completion.text, reasoning, truncated=completion.finish_reason == "length")
        return _outcome(request, completion, proposals, config, seed, attempts)

    return asked(
        requests, config, engine, read, lambda outcome: isinstance(outcome, RejectedSeed), seed=seed, progress=progress
    )


def asked(
    requests: Sequence[SeedRequest],
    config: InstructionsConfig,
    engine: Engine,
    read: Callable[[SeedRequest, Completion, int], T],
    again: Callable[[T], bool],
    *,
    seed: int,
    progress: Progress = no_progress,
) -> list[T]:
    """What `read` makes of each seed's reply (the n-th that was asked for), in order; one that `again` is true of is asked
    for anew, up to `attempts` times.

    Raises:
        InferenceError: when a server refuses or none answers.
    """
    chosen = config.model_writer
    schema = SCHEMA if chosen.structured_output else None
    sampling = Sampling(chosen.max_tokens, chosen.temperature, chosen.top_p, schema)
    made: dict[str, T] = {}
    left = list(requests)
    for attempt in range(chosen.attempts):
        if not left:
            break
        model_requests = [_request(request, config, seed, attempt) for request in left]
        replies = engine.generate(model_requests, sampling, progress)
        for request, completion in zip(left, replies, strict=True):
            made[request.seed_id] = read(request, completion, attempt + 1)
        left = [request for request in left if again(made[request.seed_id])]
    return [made[request.seed_id] for request in requests]


def _request(request: SeedRequest, config: InstructionsConfig, seed: int, attempt: int) -> Request:
    rng = random.Random(f"{seed}:{request.seed_id}:{attempt}")
    return Request(prompt.messages(request, config, rng), rng.getrandbits(31))


def _outcome(
    request: SeedRequest,
    completion: Completion,
    proposals: Sequence[Proposal],
    config: InstructionsConfig,
    seed: int,
    attempts: int,
) -> Outcome:
    """What becomes of a seed; `proposals` is what was read of the reply."""
    seed_id, text, _ = request
    raw = completion.text.encode("utf-8", "replace").decode()
    if not proposals:
        short = "the prompt fills the model's positions" if no_room(completion) else ""
        return RejectedSeed(seed_id, short or "no constraints could be read from the reply", raw, attempts)
    candidates = [constraint for proposal in proposals if (constraint := constraint_of(proposal, text))]
    kept, dropped = select(candidates, text, config)
    enough = len(kept) >= config.min_constraints
    if not kept or (not enough and config.model_writer.too_few == "reject"):
        reason = (
            f"{len(kept)} of {len(proposals)} constraints can be used; at least {config.min_constraints} are needed"
        )
        return RejectedSeed(seed_id, reason, raw, attempts)
    extra = 0
    if not enough:
        rng = random.Random(f"{seed}:{seed_id}:top-up")
        more = catalog.sample(request, 2 * config.min_constraints, rng, config)
        written = len(kept)
        kept = select([*kept, *more], text, config)[0][: config.min_constraints]
        extra = len(kept) - written
    return Written(seed_id, tuple(kept), config.writer, attempts, extra, tuple(dropped))
