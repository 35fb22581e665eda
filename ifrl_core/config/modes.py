"""Fields that only count in some mode of the recipe, such as `decay` for the aggregation `ordered`.

The rule for all of them: where its mode is off, a field has its default. So nobody tunes what has no effect, and what has no
effect changes no fingerprint. Only fields that wait for a file of the user's own (IFEval's) may be set beforehand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Recipe = Any  # a PipelineConfig, which asks here and so lies above

# Sections with an engine; evaluation.judge may be None.
GENERATING = ("rollouts", "evaluation", "evaluation.judge", "instructions.corridor", "instructions.model_writer")


@dataclass(frozen=True)
class Mode:
    """`fields` (dotted; a section stands for all that is in it) count while `on` holds, which `needs` says in words."""

    fields: tuple[str, ...]
    on: Callable[[Recipe], bool]
    needs: str


def value_at(config: Any, path: str) -> Any:
    """The value of a dotted key; None in a section that there is not."""
    for name in path.split("."):
        config = None if config is None else getattr(config, name)
    return config


def _engine_modes(section: str) -> tuple[Mode, ...]:
    def engine(config: Recipe) -> str:
        return str(value_at(config, f"{section}.engine"))

    local, key = tuple(f"{section}.{name}" for name in ("batch_size", "dtype")), f"{section}.engine"
    return (
        Mode((f"{section}.served_model",), lambda c: engine(c) == "server", f"{key} server"),
        Mode(local, lambda c: engine(c) != "server", f"{key} transformers or vllm"),
        Mode((f"{section}.vllm",), lambda c: engine(c) == "vllm", f"{key} vllm"),
    )


def _sampled(section: str, *names: str) -> Mode:
    """Of greedy answers there is one, whatever is drawn how often."""
    fields = tuple(f"{section}.{name}" for name in names)
    return Mode(fields, lambda c: value_at(c, section).temperature > 0, f"{section}.temperature above 0")


def _sharded(section: str) -> Callable[[Recipe], bool]:
    return lambda c: bool(value_at(c, f"{section}.launch").sharded)


def _asks_general(config: Recipe) -> bool:
    """Whether evaluation may ask general problems, also where only `ifrl retrain` adds them for its guard."""
    return config.evaluation.general_prompts > 0 or config.retrain.accuracy_margin is not None


MODES: tuple[Mode, ...] = (
    Mode(
        ("reasoning.open", "reasoning.close"),
        lambda c: c.reasoning.format != "none",
        "reasoning.format other than none",
    ),
    Mode(
        ("instructions.corridor",),
        lambda c: c.instructions.sampling == "corridor" or c.ladder.order == "easy_to_hard",
        "instructions.sampling corridor or ladder.order easy_to_hard",
    ),
    Mode(
        ("instructions.corridor.low", "instructions.corridor.high", "instructions.corridor.rounds"),
        lambda c: c.instructions.sampling == "corridor",
        "instructions.sampling corridor",
    ),
    Mode(
        ("instructions.model_writer",),
        lambda c: c.instructions.asks_model,
        "instructions.writer llm, self or instructor",
    ),
    Mode(("instructions.evolving",), lambda c: c.instructions.evolves, "instructions.writer evolving or instructor"),
    Mode(
        ("instructions.instructor",), lambda c: c.instructions.writer == "instructor", "instructions.writer instructor"
    ),
    Mode(
        ("instructions.model_writer.fallback",),
        lambda c: c.instructions.model_writes,
        "instructions.writer llm or self",
    ),
    Mode(("instructions.model_writer.model",), lambda c: c.instructions.writer == "llm", "instructions.writer llm"),
    Mode(
        ("instructions.model_writer.structured_output",),
        lambda c: c.instructions.model_writer.engine != "transformers",
        "instructions.model_writer.engine vllm or server",
    ),
    _sampled("instructions.model_writer", "top_p"),
    Mode(("instructions.weights",), lambda c: c.instructions.sampling == "weighted", "instructions.sampling weighted"),
    _sampled("rollouts", "top_p", "samples"),
    Mode(("labels.positives",), lambda c: c.rollouts.samples > 1, "rollouts.samples above 1"),
    Mode(
        ("policy.reward.weights",),
        lambda c: c.policy.reward.aggregation == "weighted",
        "policy.reward.aggregation weighted",
    ),
    Mode(
        ("policy.reward.decay",),
        lambda c: c.policy.reward.aggregation == "ordered",
        "policy.reward.aggregation ordered",
    ),
    Mode(
        ("policy.reward.intent", "policy.reward.intent_threshold"),
        lambda c: c.policy.reward.intent_factor < 1,
        "policy.reward.intent_factor below 1",
    ),
    Mode(
        ("policy.reward.intent_threshold",),
        lambda c: c.policy.reward.intent == "embedding",
        "policy.reward.intent embedding",
    ),
    Mode(
        ("policy.launch.reward_model",),
        lambda c: c.policy.reward.soft == "reward_model",
        "policy.reward.soft reward_model",
    ),
    Mode(
        ("policy.guards.patience",),
        lambda c: c.policy.guards.min_entropy > 0 or c.policy.guards.min_length > 0,
        "policy.guards.min_entropy or min_length above 0",
    ),
    Mode(
        ("policy.curriculum.promote_at",),
        lambda c: c.policy.curriculum.strategy == "incremental",
        "policy.curriculum.strategy incremental",
    ),
    Mode(
        ("policy.curriculum.window",),
        lambda c: c.policy.curriculum.promote_at is not None,
        "policy.curriculum.promote_at",
    ),
    Mode(
        tuple(f"policy.curriculum.{name}" for name in ("low", "high", "passed", "remeasured")),
        lambda c: c.policy.curriculum.strategy == "corridor",
        "policy.curriculum.strategy corridor",
    ),
    Mode(
        ("policy.general.sources", "policy.general.held_out_share"),
        lambda c: c.policy.general.ratio > 0 or _asks_general(c),
        "policy.general.ratio or evaluation.general_prompts above 0",
    ),
    *(
        Mode((f"{section}.launch.offload",), _sharded(section), f"{section}.launch.strategy fsdp2 or zero3")
        for section in ("reward_model", "policy")
    ),
    Mode(
        ("policy.launch.vllm_gpu_memory_utilization",),
        lambda c: c.policy.generation == "vllm_colocate",
        "policy.generation vllm_colocate",
    ),
    Mode(("evaluation.served_policy",), lambda c: c.evaluation.engine == "server", "evaluation.engine server"),
    _sampled("evaluation", "samples"),
    Mode(
        ("evaluation.judge.revision",),
        lambda c: value_at(c, "evaluation.judge.engine") == "server",
        "evaluation.judge.engine server",
    ),
    Mode(("evaluation.general_max_tokens",), _asks_general, "evaluation.general_prompts above 0"),
    Mode(("retrain.general_prompts",), lambda c: c.retrain.accuracy_margin is not None, "a retrain.accuracy_margin"),
    *(mode for section in GENERATING for mode in _engine_modes(section)),
)


def unused_faults(config: Recipe) -> list[str]:
    """One line for each field that differs from its default and has no effect."""
    faults: dict[str, str] = {}
    for mode in MODES:
        if mode.on(config):
            continue
        for field in mode.fields:
            for path, value, default in changed(config, field):
                faults.setdefault(path, _fault(path, value, default, mode))
    return list(faults.values())


def changed(config: BaseModel, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Key, value and default of what differs from its default at a dotted key, or in the section there."""
    *parents, name = path.split(".")
    section = value_at(config, ".".join(parents)) if parents else config
    if section is None:
        return
    field = type(section).model_fields[name]
    value, default = getattr(section, name), field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and type(value) is type(default):
        for inner in type(value).model_fields:
            yield from changed(config, f"{path}.{inner}")
    elif value != default:
        yield path, value, default


def _fault(path: str, value: Any, default: Any, mode: Mode) -> str:
    return (
        f"{path} is {_shown(value)} and has no effect: it counts with {mode.needs}; choose that, or leave {path} out (its "
        f"default is {_shown(default)})"
    )


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value) if value == "" else str(value)
