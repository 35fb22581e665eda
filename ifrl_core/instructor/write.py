"""The stage `instructor-instructions`: the constraints that the trained twin writes, and how its writing fares."""

from collections import Counter
from collections.abc import Sequence

from ifrl_core.config import InstructionsConfig, PipelineConfig, ReasoningConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.evolving.seen import seen_in
from ifrl_core.evolving.stage import put_evolved, source_of, train_requests
from ifrl_core.evolving.taste import Learnable
from ifrl_core.evolving.taste import write as draw
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.writers import llm, prompt
from ifrl_core.instructions.writers.record import FREE, Outcome, SeedRequest, Written
from ifrl_core.models.reasoning import files_of, settled
from ifrl_core.records import Constraint
from ifrl_core.rewards.writing import Reading, is_directive, passes, template_of, writing_shares
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


def writing_plan(recipe: PipelineConfig) -> InstructionsConfig | None:
    return answerable(recipe) if recipe.instructions.writer == "instructor" else None


@stage(
    "instructor-instructions",
    version=1,
    output="evolved_instructions",
    title="Instructions by the instructor",
    inputs=("instructor", "instructions", "prompts", "rollouts"),
    config=writing_plan,
    content=lambda config: drawing_of(config.types) | rules_of(config) | {"prompt.txt": prompt.template_digest()},
    optional=True,
    placeable=True,
)
def write_instructions(config: InstructionsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: instructor (a model), and of the round instructions, prompts and rollouts. Columns as the instructions'.

    A train seed gets what the instructor wrote for it and passes every gate; where that is nothing, constraints are drawn as
    writer evolving draws them. Held-out seeds keep theirs. A killed run asks only for what it had no reply to.
    """
    requests = train_requests(inputs, work)
    reasoning = settled(ReasoningConfig(), files_of(inputs["instructor"], work.store), inputs["instructor"].uri)
    engine = open_engine(config.model_writer, inputs["instructor"], work.store, reasoning=reasoning)
    kept = JournalEngine(engine, work.scratch / "replies.jsonl")
    outcomes = llm.write(requests, config, kept, seed=work.seed, reasoning=reasoning, progress=work.progress)
    forget_engine()
    readings = within_quota(requests, outcomes, config.instructor.quota)
    seen = seen_in(inputs["prompts"], inputs["rollouts"], work.store)
    taste = Learnable(seen, config.evolving)
    written = {
        request.seed_id: list(reading.constraints) or draw(request, config, taste, source_of(request, inputs, work))
        for request, reading in zip(requests, readings, strict=True)
    }
    replaced = sum(not reading.constraints for reading in readings)
    return put_evolved(written, seen, config, inputs, work) | {
        "writing": {"asked": len(requests), "replaced": replaced, **writing_shares(readings)}
    }


def within_quota(requests: Sequence[SeedRequest], outcomes: Sequence[Outcome], quota: float) -> list[Reading]:
    """What the instructor itself wrote for each seed, without what fails a gate or is one too many of its template."""
    counts: Counter[str] = Counter()
    most = max(1, int(quota * len(requests)))

    def fits(item: Constraint, seed: str) -> bool:
        counts[template_of(item)] += passes(item, seed)
        return passes(item, seed) and counts[template_of(item)] <= most

    readings = []
    for request, outcome in zip(requests, outcomes, strict=True):
        own = (
            outcome.constraints[: len(outcome.constraints) - outcome.topped_up] if isinstance(outcome, Written) else ()
        )
        directives = sum(item.type != FREE or is_directive(item.text) for item in own)
        readings.append(Reading(len(own), directives, tuple(item for item in own if fits(item, request.text))))
    return readings
