"""The one interface of all writers, and what happens to seeds that a model could not write for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ifrl_core.config import InstructionsConfig
from ifrl_core.constraints.sampling import Weights
from ifrl_core.inference import Engine
from ifrl_core.instructions.writers import catalog, llm
from ifrl_core.instructions.writers.record import FREE, Outcome, RejectedSeed, SeedRequest, Written
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.text.reasoning import THINK, Reasoning


def write(
    requests: Sequence[SeedRequest],
    config: InstructionsConfig,
    *,
    seed: int,
    engine: Engine | None = None,
    weights: Weights = (),
    reasoning: Reasoning = THINK,
    progress: Progress = no_progress,
) -> list[Outcome]:
    """Constraints for each seed by the writer that the config names; `engine` is the model of writers llm and self.

    `weights` of the types at each level (pass_rates.weights_of) are for the catalog writer, `reasoning` is the format of the
    model's replies.

    Raises:
        ConstraintError: when config.types names a type that does not exist.
        InferenceError: when the model's server refuses a request or none answers.
    """
    if config.writer == "catalog":
        return catalog.write(requests, config, seed=seed, weights=weights)
    if engine is None:
        raise ValueError(f"writer {config.writer} needs an engine")
    return llm.write(requests, config, engine, seed=seed, reasoning=reasoning, progress=progress)


def with_fallback(
    requests: Sequence[SeedRequest], outcomes: Sequence[Outcome], config: InstructionsConfig, *, seed: int
) -> list[Written]:
    """What was written, in order, with the catalog's constraints for rejected seeds where the config says so."""
    rejected = {outcome.seed_id for outcome in outcomes if isinstance(outcome, RejectedSeed)}
    replaced: dict[str, Written] = {}
    if config.model_writer.fallback == "catalog":
        by_catalog = catalog.write([request for request in requests if request.seed_id in rejected], config, seed=seed)
        replaced = {item.seed_id: item for item in by_catalog if isinstance(item, Written)}
    chosen = [replaced.get(item.seed_id) if isinstance(item, RejectedSeed) else item for item in outcomes]
    return [item for item in chosen if item is not None]


def writing_figures(outcomes: Sequence[Outcome], written: Sequence[Written]) -> dict[str, Any]:
    """Counts of a model writer's work: seeds asked, written, rejected, replaced; its constraints by what became of them."""
    own = [outcome for outcome in outcomes if isinstance(outcome, Written)]
    constraints = [
        item for outcome in own for item in outcome.constraints[: len(outcome.constraints) - outcome.topped_up]
    ]
    return {
        "asked": len(outcomes),
        "written": len(own),
        "rejected": len(outcomes) - len(own),
        "replaced_by_catalog": len(written) - len(own),
        "topped_up": sum(outcome.topped_up > 0 for outcome in own),
        "replies": sum(outcome.attempts for outcome in outcomes),
        "constraints": {
            "hard": sum(item.kind == "hard" for item in constraints),
            "soft_of_catalog": sum(item.kind == "soft" and item.type != FREE for item in constraints),
            "soft_free": sum(item.type == FREE for item in constraints),
            "from_catalog": sum(outcome.topped_up for outcome in own),
        },
        "dropped": dict(sorted(Counter(drop.reason for outcome in own for drop in outcome.dropped).items())),
    }
