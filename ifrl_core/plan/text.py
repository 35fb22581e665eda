"""A plan in words."""

from collections.abc import Sequence

from ifrl_core.models.looks.chat import FirstPrompt
from ifrl_core.plan.plan import Plan
from ifrl_core.plan.stages import StagePlan
from ifrl_core.text.reasoning import Reasoning

_PARTS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "Adam",
    "reference": "reference",
    "reward_model": "reward model",
    "gathered": "gathered",
    "activations": "activations",
    "vllm": "vLLM",
    "kv_cache": "KV cache",
}


def plan_lines(plan: Plan) -> list[str]:
    """The plan for people, a line a subject."""
    b, m, t = plan.batches, plan.memory, plan.time
    left_open = "" if b.processes_known else " (the recipe leaves it to the machine: one a GPU)"
    parts = {name: getattr(m, field) for field, name in _PARTS.items()}
    return [
        f"recipe      {plan.recipe}: {plan.model}",
        f"model       {plan.parameters / 1e9:.3g}B parameters, {plan.trained / 1e9:.3g}B of them trained",
        f"processes   {b.processes} on {b.machines} machine(s), {b.strategy}; answers by {plan.generation}{left_open}",
        f"step        {b.prompts} prompts x {b.generations} generations = {b.rollouts} rollouts",
        f"            = micro-batch {b.micro_batch} x accumulation {b.accumulation} x {b.processes} process(es)",
        f"            {_prompts_line(b.strategy)}",
        f"device      {m.peak:.1f} of {m.device:.1f} GiB: training {m.training:.1f}, generating {m.generating:.1f} (rough)",
        "            " + ", ".join(f"{name} {size:.1f}" for name, size in parts.items() if size >= 0.05),
        f"machine     {m.host_loading:.0f} GiB of memory while loading; {2 * m.checkpoint:.0f} GiB of disk (two checkpoints)",
        f"stage       {t.steps} steps, {t.prompts:,} prompts, {t.rollouts:,} rollouts"
        + (f" of {t.answers:g} answers each (turns all), " if t.answers > 1 else ", ")
        + (f"{t.measured:,} answers for the curve, " if t.measured else "")
        + f"{t.tokens:,} answer tokens",
        f"time        {t.hours:g} hours",
        f"            assuming {t.answer_tokens} tokens an answer and {t.tokens_per_second:,.0f} tokens/s in all "
        "(policy.launch.assumed; the metric tokens_per_second of a run tells)",
        "others      (memory of a device; answers and hours at most, at the same throughput)",
        *(f"            {_stage_line(stage)}" for stage in plan.stages),
    ]


def _prompts_line(strategy: str) -> str:
    """How often training computes a prompt (policy/trainer.py)."""
    if strategy in ("fsdp2", "zero3"):
        return f"a prompt is computed once an answer: with {strategy} the processes must all make the same passes"
    return "a prompt is computed once a group, where a micro-batch holds it whole"


def _stage_line(stage: StagePlan) -> str:
    memory = "memory not known here" if stage.memory is None else f"{stage.memory:.1f} GiB"
    parts = [f"{memory} on {stage.devices} devices" if stage.devices > 1 else memory]
    if stage.at_once is not None:
        parts.append(f"room for {stage.at_once} answers of {stage.longest:,} tokens at once")
    if stage.answers:
        parts.append(f"{stage.answers:,} answers, {stage.tokens:,} tokens")
    if stage.hours is not None:
        parts.append(f"{stage.hours:g} hours")
    return f"{stage.stage} ({stage.engine or 'training'}): " + ", ".join(parts)


def uncounted_lines(stages: Sequence[str]) -> list[str]:
    """Stages whose rows are not at hand."""
    return [f"            {stage}: rows not at hand, so that its answers are not counted" for stage in stages]


def reasoning_line(reasoning: Reasoning | None) -> str:
    """What of a response is the answer; None: its model is not at hand."""
    if reasoning is None:
        return "answers     told from reasoning by the chat template, once the model is here"
    if not reasoning.close:
        return "answers     whole responses (reasoning.format none)"
    without = "nothing (the model always reasons)" if reasoning.always else "the whole response"
    return f"answers     what follows {reasoning.close}; without it {without}"


def prompt_lines(prompt: FirstPrompt | None) -> list[str]:
    """The first prompt as the model reads it; None: its model is not at hand."""
    if prompt is None:
        return ["prompt      not looked at: the model is not in a local folder"]
    first, *more = prompt.text.splitlines() or [""]
    return [f"prompt      {prompt.tokens} tokens: {first}", *(f"            {line}" for line in more)]


def seeds_lines(too_long: int, not_askable: int) -> list[str]:
    """The seeds that will be left out, by why."""
    left_out = (
        (too_long, "leave the model no room for an answer"),
        (not_askable, "have nothing that instructions.types are about"),
    )
    return [f"seeds       {count} {why} and will be left out" for count, why in left_out if count]
