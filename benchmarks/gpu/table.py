"""The table of benchmarks/gpu.sh, made of what the parts measured; a part that did not end is named as such."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.gpu.parts import ABLATED, PAIRS, RECIPE, SHAPES, Part, Setting, WaitingError
from benchmarks.gpu.units import state_of

AIM = 21.6  # points on IFEval, prompt-level strict (arXiv 2510.14420, Qwen2.5-1.5B-Instruct)
_HEAD = ("part", "figure", "measured", "against")


class Row(NamedTuple):
    figure: str
    measured: str
    against: str = ""


def table(parts: Sequence[Part], setting: Setting) -> str:
    lines = [
        f"# {RECIPE} on {_device(setting)}",
        "",
        f"`benchmarks/gpu.sh --device {setting.device} --size {setting.size}`, model {setting.model}."
        + (" Tiny sizes say that every part runs, and nothing of speed or quality." if setting.size == "tiny" else ""),
        "",
        f"| {' | '.join(_HEAD)} |",
        f"|{'---|' * len(_HEAD)}",
    ]
    for part in parts:
        lines += [
            f"| {part.name} | {' | '.join(row)} |"
            for row in [Row("calls", progress(part, setting)), *_rows(part, setting)]
        ]
    return "\n".join(lines) + "\n"


def progress(part: Part, setting: Setting) -> str:
    """How far a part is, and what it took."""
    states = [state_of(setting.out / part.name, unit.name) for unit in part.units]
    ended = sum(state["state"] == "ended" for state in states)
    if not any(state["calls"] for state in states):
        return "not run"
    took = f"{sum(state['seconds'] for state in states):,.0f} s in {max(state['calls'] for state in states)} call(s)"
    if ended == len(states):
        return f"ended, {took}"
    open_ = next(state["state"] for state in states if state["state"] != "ended")
    return f"**not ended**: {ended} of {len(states)}, {open_}, {took}{_last_step(setting) if part.name == 'recipe' else ''}"


def _last_step(setting: Setting) -> str:
    """Of a policy that is still trained."""
    for file in setting.store.glob(".scratch/policy-*/**/metrics.jsonl"):
        lines = file.read_text().splitlines()
        if lines:
            return f", at step {json.loads(lines[-1])['step']}"
    return ""


def _rows(part: Part, setting: Setting) -> list[Row]:
    try:
        return list(_ROWS[part.name](setting))
    except WaitingError:
        return []


def _device(setting: Setting) -> str:
    try:
        machine = setting.figures("environment", "machine")
    except WaitingError:
        return setting.device
    cuda = f" with CUDA {machine['cuda']}" if machine["cuda"] else ""
    return f"{machine['device']}, torch {machine['torch']}{cuda}"


def _environment(setting: Setting) -> Iterator[Row]:
    machine = setting.figures("environment", "machine")
    yield Row("memory, GiB", f"{machine['gib']:.1f}")
    yield Row("answers", f"vLLM {machine['vllm']}" if machine["vllm"] else "transformers (no vLLM)")
    yield Row("transformers, trl", f"{machine['transformers']}, {machine['trl']}")


def _before(setting: Setting) -> Iterator[Row]:
    ifeval = setting.figures("ifeval-before", "answers")["benchmarks"]["ifeval"]
    for name, metric in ifeval["metrics"].items():
        yield Row(f"{name} of {ifeval['items']} prompts, %", _percent(next(iter(metric["models"].values()))))


def _after(setting: Setting) -> Iterator[Row]:
    ifeval = setting.figures("ifeval-after", "answers")["benchmarks"]["ifeval"]
    for name, metric in ifeval["metrics"].items():
        yield Row(f"{name}, %", _percent(list(metric["models"].values())[-1]))
        change = next(iter(metric["differences"].values()))
        yield Row(f"{name}, gain in points", _points(change), f"{AIM:+}" if name == "prompt_strict" else "")


def _plan(setting: Setting) -> Iterator[Row]:
    plan, steps = setting.figures("plan", "plan"), setting.figures("plan", "steps")
    time, memory = plan["time"], plan["memory"]
    yield Row("steps", f"{steps['steps']}", f"{time['steps']}")
    planned = time["tokens"] / time["tokens_per_second"] / time["steps"]
    yield Row("seconds a step", f"{steps['seconds/step']:.2f}", f"{planned:.2f}")
    parts = ("generate", "score", "forward", "backward", "optimizer")
    yield Row("of it " + ", ".join(parts), ", ".join(f"{steps[f'seconds/{name}']:.2f}" for name in parts))
    yield Row("answer tokens a second", f"{steps['tokens_per_second']:,.0f}", f"{time['tokens_per_second']:,.0f}")
    yield Row("tokens an answer", f"{steps['length/tokens']:.0f}", f"{time['answer_tokens']}")
    if "memory/gpu_gib" in steps:
        at_most = max(memory["training"], memory["generating"])
        yield Row("memory of the GPU, GiB", f"{steps['memory/gpu_gib']:.2f}", f"{at_most:.2f}")
    yield Row("memory of the training process, GiB", f"{steps['memory/process_gib']:.2f}")


def _shared_prefix(setting: Setting) -> Iterator[Row]:
    for name in SHAPES[setting.size]:
        found = setting.figures("shared-prefix", name)
        trl, own = found["ways"]
        if not found["shared"]:
            yield Row(name, "**not shared**: the model takes no such rows here, the log says why", "")
            continue
        yield Row(f"{name}: training part, s", f"{own['seconds']:.3f}", f"trl {trl['seconds']:.3f}")
        yield Row(f"{name}: ratio (gradient off by)", f"{own['ratio']:.2f} ({own['gradient']:.1e})", "1.00")
        if own["gpu_gib"]:
            yield Row(f"{name}: memory of the GPU, GiB", f"{own['gpu_gib']:.2f}", f"trl {trl['gpu_gib']:.2f}")


def _reward_model(setting: Setting) -> Iterator[Row]:
    for name in PAIRS[setting.size]:
        found = setting.figures("reward-model", name)
        ways = found["ways"]
        rivals = ", ".join(f"{way} {ways[way]:,.0f}" for way in ways if way != "packed")
        yield Row(f"{name}: pairs a second", f"{ways['packed']:,.0f}", rivals)


def _rules_hidden(setting: Setting) -> Iterator[Row]:
    """AUC within types of each line that has ended, against what it has to beat on the same pairs."""
    for name in ABLATED[setting.size]:
        if state_of(setting.out / "rules-hidden", name)["state"] != "ended":
            continue
        for row in setting.figures("rules-hidden", name)["rows"]:
            rivals = ", ".join(f"{rival} {row[rival]}" for rival in ("length", "zero-shot", "likelihood"))
            yield Row(f"{row['labels']}, types {row['types']}: AUC within types", row["within types"], rivals)


_ROWS: Mapping[str, Callable[[Setting], Iterator[Row]]] = {
    "environment": _environment,
    "ifeval-before": _before,
    "recipe": lambda setting: iter(()),
    "ifeval-after": _after,
    "plan": _plan,
    "shared-prefix": _shared_prefix,
    "reward-model": _reward_model,
    "rules-hidden": _rules_hidden,
}


def _percent(share: Mapping[str, float]) -> str:
    return f"{share['mean']:.1%} [{share['low']:.1%}, {share['high']:.1%}]".replace("%", "")


def _points(change: Mapping[str, float]) -> str:
    return f"{change['mean']:+.1f} [{change['low']:+.1f}, {change['high']:+.1f}]"
