"""The stage `instructor-instructions`: the constraints that the trained twin writes, and how its writing fares."""

import random
from collections import Counter
from collections.abc import Sequence

from ifrl_core.config import InstructionsConfig, PipelineConfig, ReasoningConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.evolving.seen import seen_in
from ifrl_core.evolving.stage import put_evolved, source_of, train_requests
from ifrl_core.evolving.taste import Learnable
from ifrl_core.evolving.taste import write as draw
from ifrl_core.inference import Completion
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.writers import llm, prompt
from ifrl_core.instructions.writers.record import SeedRequest, Written
from ifrl_core.models.reasoning import files_of, settled
from ifrl_core.records import Constraint
from ifrl_core.rewards.writing import Reading, most_of_template, read_writing, template_of, writing_shares
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


def writing_plan(recipe: PipelineConfig) -> InstructionsConfig | None:
    return answerable(recipe) if recipe.instructions.writer == "instructor" else None


@stage(
    "instructor-instructions",
    version=2,
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

    A train seed gets what the instructor wrote for it, read as its training reads it, and up to min_constraints others that
    are drawn as writer evolving draws them; held-out seeds keep theirs. A killed run asks only for what it had no reply to.
    """
    requests = train_requests(inputs, work)
    reasoning = settled(ReasoningConfig(), files_of(inputs["instructor"], work.store), inputs["instructor"].uri)
    engine = open_engine(config.model_writer, inputs["instructor"], work.store, reasoning=reasoning)
    kept = JournalEngine(engine, work.scratch / "replies.jsonl")
    least = config.min_constraints if config.model_writer.too_few == "reject" else 1

    def read(request: SeedRequest, completion: Completion, _: int) -> Reading:
        cut_off = completion.finish_reason == "length"
        return read_writing(completion.text, request.text, config, reasoning, truncated=cut_off)

    def falls_short(reading: Reading) -> bool:
        return len(reading.constraints) < least

    readings = llm.asked(requests, config, kept, read, falls_short, seed=work.seed, progress=work.progress)
    forget_engine()
    seen = seen_in(inputs["prompts"], inputs["rollouts"], work.store)
    taste = Learnable(seen, config.evolving)

    written = [
        filled(request, own, config, taste, source_of(request, inputs, work))
        for request, own in zip(requests, within_quota(readings, config.instructor.quota), strict=True)
    ]
    replaced = sum(of_seed.writer != config.writer for of_seed in written)
    return put_evolved(written, seen, config, inputs, work) | {
        "writing": {
            "asked": len(requests),
            "replaced": replaced,
            "topped_up": sum(of_seed.topped_up > 0 for of_seed in written) - replaced,
            **writing_shares(readings),
        }
    }


def filled(
    request: SeedRequest,
    own: tuple[Constraint, ...],
    config: InstructionsConfig,
    taste: Learnable,
    rng: random.Random,
) -> Written:
    """Its own constraints; of fewer than min_constraints with drawn ones after them, and of none all drawn, by `evolving`."""
    if len(own) >= config.min_constraints:
        return Written(request.seed_id, own, config.writer)
    drawn = draw(request, config, taste, rng, own)
    return Written(request.seed_id, tuple(drawn), config.writer if own else "evolving", topped_up=len(drawn) - len(own))


def within_quota(readings: Sequence[Reading], quota: float) -> list[tuple[Constraint, ...]]:
    """Of each reply its constraints without those that are one too many of their template."""
    counts: Counter[str] = Counter()
    most = most_of_template(readings, quota)

    def fits(item: Constraint) -> bool:
        counts[template_of(item)] += 1
        return counts[template_of(item)] <= most

    return [tuple(filter(fits, reading.constraints)) for reading in readings]
