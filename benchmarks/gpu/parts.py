"""The parts of benchmarks/gpu.sh: what each runs, on which sizes, and what it takes from the answers."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu.units import Unit, state_of

DEVICES, SIZES = ("cuda", "cpu"), ("full", "tiny")
RECIPE, MODEL = "smollm2-one-gpu", "embedded:smollm2-135m"
_HERE = Path(__file__).parents[1]
_COLOCATED_GIB = 24  # of a GPU that holds vLLM beside the training
_OTHERS = ("IFRL_", "PREFECT_", "MLFLOW_")

# The recipe in a minute or two on a CPU, every stage of it.
TINY_RECIPE = (
    *("seeds.train=6", "seeds.held_out=4", "instructions.max_words=40", "instructions.max_constraints=3"),
    "instructions.types=[punctuation:no_comma, detectable_format:title, keywords:existence, 'tone:']",
    *("rollouts.max_tokens=16", "rollouts.ladders_per_shard=2", "rollouts.batch_size=8", "labels.validation_share=0.4"),
    *(
        "reward_model.batch_size=8",
        "reward_model.max_tokens=128",
        "reward_model.layers=1",
        "reward_model.baselines=false",
    ),
    *("policy.max_steps=3", "policy.prompts_per_step=2", "policy.generations=2", "policy.micro_batch=4"),
    *("policy.max_tokens=12", "policy.trained_layers=1", "policy.save_steps=1", "policy.curriculum.levels=[[1],[2]]"),
    *("evaluation.max_tokens=16", "evaluation.levels=[1]", "evaluation.batch_size=8"),
)
# Shapes of a step's training part: prompts' tokens, answers a prompt, tokens of an answer, rollouts of a pass.
SHAPES = {
    "full": {
        "demo": ((45, 64, 88, 110), 8, 64, 8),
        "long": ((60, 90, 120, 150, 180, 210, 240, 270), 8, 250, 8),
        "one-prompt": ((400,), 16, 250, 16),
    },
    "tiny": {"demo": ((12, 20), 2, 6, 2)},
}
# Reward models with rules hidden: the recipe, the lines of rules_hidden.py by unit, its seeds and folds.
ABLATION = "reward-model-one-gpu"
ABLATED = {
    "full": {
        "all-rungs": "all rungs",
        "paper": "the paper's: labels.positive_rungs=own labels.negatives=neighbour",
    },
    "tiny": {"all-rungs": "all rungs"},
}
ABLATED_OVER = {
    "full": ("--seeds", "0", "1", "2", "--folds", "3"),
    "tiny": ("--seeds", "0", "--folds", "2"),
}
TINY_ABLATION = (
    *("seeds.train=10", "seeds.held_out=2", "instructions.max_words=40", "labels.validation_share=0.5"),
    "instructions.types=[punctuation:no_comma, change_case:english_lowercase, detectable_format:title, 'tone:']",
    *("rollouts.max_tokens=12", "rollouts.ladders_per_shard=5", "rollouts.batch_size=8", "reward_model.max_tokens=96"),
    *("reward_model.layers=1", "reward_model.epochs=1", "reward_model.batch_size=8"),
)
# Of the reward model: responses, constraints of each, tokens of a response.
PAIRS = {"full": {"demo": (32, 2, 48), "recipe": (160, 3, 250)}, "tiny": {"demo": (4, 2, 12)}}


class WaitingError(Exception):
    """What a part needs is not there; the text says what."""


class Part(NamedTuple):
    name: str
    what: str
    units: Sequence[Unit]


class Setting(NamedTuple):
    """Of one folder: `device` of DEVICES, `size` of SIZES, the path of IFEval's rows, a model; `wheels` of this call."""

    out: Path
    device: str
    size: str
    ifeval: str | None
    model: str = MODEL
    wheels: Path | None = None

    @property
    def python(self) -> str:
        """Of the commands: the environment's own, where packages were missing."""
        own = self.out / "venv" / "bin" / "python"
        return str(own) if own.exists() else sys.executable

    @property
    def store(self) -> Path:
        return self.out / "home" / "store"

    def environment(self) -> dict[str, str]:
        """Of the commands: nothing of theirs lies outside of the folder, and nothing asks a network."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
        own = {"IFRL_HOME": str(self.out / "home"), "IFRL_CACHE": str(self.out / "cache"), "PYTHONUNBUFFERED": "1"}
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        return {**kept, **own, **offline, **({"CUDA_VISIBLE_DEVICES": ""} if self.device == "cpu" else {})}

    def figures(self, part: str, unit: str) -> dict[str, Any]:
        """What a unit measured.

        Raises:
            WaitingError: when it has not ended.
        """
        state = state_of(self.out / part, unit)
        if state["state"] != "ended":
            raise WaitingError(f"{part} has not ended")
        found: dict[str, Any] = state["figures"]
        return found

    def made(self, stage: str) -> Path:
        """The folder of what a stage of the recipe made."""
        run = self.figures("recipe", "run")["run"]
        record = json.loads((self.store / "runs" / f"{run}.json").read_text())
        return Path(record["refs"][stage]["uri"])

    def ablation(self) -> list[str]:
        """Changes to the recipe of the ablation."""
        machine = self.figures("environment", "machine")
        changes = [f"model={self.model}", f"reward_model.launch.device={'gpu' if self.device == 'cuda' else 'cpu'}"]
        if machine["vllm"]:
            changes.append("rollouts.engine=vllm")
        return [*changes, *(TINY_ABLATION if self.size == "tiny" else ())]

    def recipe(self) -> list[str]:
        """The recipe's name and changes, as arguments of `ifrl run` and `ifrl plan`."""
        machine = self.figures("environment", "machine")
        device = "gpu" if self.device == "cuda" else "cpu"
        changes = [f"model={self.model}", f"policy.launch.device={device}", "policy.save_steps=10"]
        if self.device == "cuda":
            changes.append(f"policy.launch.assumed.device_memory_gib={int(machine['gib'])}")
        if machine["vllm"]:
            changes += ["rollouts.engine=vllm", "evaluation.engine=vllm"]
        if machine["vllm"] and machine["gib"] >= _COLOCATED_GIB:
            changes += ["policy.generation=vllm_colocate", "policy.launch.vllm_gpu_memory_utilization=0.3"]
        changes += TINY_RECIPE if self.size == "tiny" else ()
        return [RECIPE, *(part for change in changes for part in ("--set", change))]


def parts_of(setting: Setting) -> list[Part]:
    """All parts, in the order in which they are run."""
    return [
        Part("environment", "packages, the machine, the model", _environment(setting)),
        Part("ifeval-before", "IFEval of the model", [_ifeval(setting, after=False)]),
        Part("recipe", f"the recipe {RECIPE}, from seeds to a report", [_run(setting)]),
        Part("ifeval-after", "IFEval of model and policy", [_ifeval(setting, after=True)]),
        Part("plan", "steps and memory against `ifrl plan`", _plan(setting)),
        Part("shared-prefix", "the training pass, a group in one row, against trl's", _shared_prefix(setting)),
        Part("reward-model", "pairs a second of the reward model", _reward_model(setting)),
        Part("rules-hidden", f"reward models of {ABLATION} against hidden rules", _rules_hidden(setting)),
    ]


def _environment(setting: Setting) -> list[Unit]:
    def command(unit: str, *arguments: str) -> list[str]:
        return [setting.python, "-m", "benchmarks.gpu.environment", unit, *arguments]

    wheels = ["--wheels", str(setting.wheels)] if setting.wheels else []
    return [
        Unit("packages", lambda: command("packages", str(setting.out), *wheels), always=True),
        Unit("machine", lambda: command("machine", setting.device)),
        Unit("model", lambda: command("model", setting.model)),
    ]


def _ifeval(setting: Setting, *, after: bool) -> Unit:
    def command() -> list[str]:
        if setting.ifeval is None:
            raise WaitingError("--ifeval PATH names no rows")
        changes = ["evaluation.batch_size=128"]
        if setting.figures("environment", "machine")["vllm"]:
            changes.append("evaluation.engine=vllm")
        if setting.size == "tiny":
            changes.append("evaluation.benchmarks.ifeval.max_tokens=16")
        policy = ["--model", str(setting.made("policy") / "model")] if after else []
        limit = ["--limit", "4"] if setting.size == "tiny" else []
        sets = [part for change in changes for part in ("--set", change)]
        asked = ["--model", setting.model, *policy, "--benchmark", f"ifeval={setting.ifeval}", *limit]
        return _ifrl(setting, "eval", *asked, *sets, "--json")

    return Unit("answers", command)


def _run(setting: Setting) -> Unit:
    return Unit("run", lambda: _ifrl(setting, "run", *setting.recipe()), lambda said: {"run": _name_of_run(said)})


def _plan(setting: Setting) -> list[Unit]:
    def steps() -> list[str]:
        return [setting.python, "-m", "benchmarks.gpu.steps", str(setting.made("policy"))]

    return [Unit("plan", lambda: _ifrl(setting, "plan", *setting.recipe(), "--json")), Unit("steps", steps)]


def _shared_prefix(setting: Setting) -> list[Unit]:
    def unit(name: str) -> Unit:
        prompts, generations, answers, rows = SHAPES[setting.size][name]
        shape = ["--prompts", *map(str, prompts), "--generations", str(generations), "--answers", str(answers)]
        shape += ["--micro-batch", str(rows), "--rounds", "5" if setting.size == "full" else "1"]
        return Unit(name, lambda: _script(setting, "policy_training.py", _model(setting), *shape, "--json"))

    return [unit(name) for name in SHAPES[setting.size]]


def _reward_model(setting: Setting) -> list[Unit]:
    def unit(name: str) -> Unit:
        responses, constraints, tokens = map(str, PAIRS[setting.size][name])
        shape = ["--responses", responses, "--constraints", constraints, "--tokens", tokens, "--json"]
        scripted = "reward_model_scoring.py"
        return Unit(name, lambda: _script(setting, scripted, str(setting.made("reward-model") / "model"), *shape))

    return [unit(name) for name in PAIRS[setting.size]]


def _rules_hidden(setting: Setting) -> list[Unit]:
    def unit(name: str) -> Unit:
        def command() -> list[str]:
            over = [*ABLATED_OVER[setting.size], "--set", *setting.ablation()]
            return _script(setting, "rules_hidden.py", ABLATION, ABLATED[setting.size][name], *over)

        return Unit(name, command, rows_of)

    return [unit(name) for name in ABLATED[setting.size]]


def rows_of(said: str) -> dict[str, Any]:
    """Of a table in Markdown, its rows by their heads.

    Raises:
        ValueError: when it has none.
    """
    heads, _, *rows = (tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in said.splitlines())
    return {"rows": [dict(zip(heads, row, strict=True)) for row in rows]}


def _model(setting: Setting) -> str:
    return str(setting.figures("environment", "model")["folder"])


def _ifrl(setting: Setting, *arguments: str) -> list[str]:
    return [setting.python, "-m", "flows.cli", *arguments]


def _script(setting: Setting, name: str, *arguments: str) -> list[str]:
    return [setting.python, str(_HERE / name), *arguments]


def _name_of_run(said: str) -> str:
    """Of the line `run        NAME: ...` at the end of `ifrl run`."""
    return next(line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith("run  "))
