"""benchmarks/gpu.sh: parts of at most some minutes that go on from each other, and one table of what was measured."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks.gpu import environment
from benchmarks.gpu.__main__ import TIME_UP, alone, call, main
from benchmarks.gpu.parts import RECIPE, SIZES, Part, Setting, WaitingError, parts_of
from benchmarks.gpu.table import table
from benchmarks.gpu.units import Unit, state_of
from ifrl_core.config.recipes import load_recipe
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]

# Counts to 3 in a file, as a training keeps its step: asked to stop, it saves; a killed one begins at the last that it saved.
COUNTING = """
import json, pathlib, signal, sys, time
file, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
done = len(file.read_text()) if file.exists() else 0
for step in range(done, 3):
    time.sleep(seconds if step else 0)
    file.write_text("x" * (step + 1))
print(json.dumps({"begun_at": done, "said": ["counted"]}))
"""


def counting(folder: Path, name: str, seconds: float) -> Unit:
    return Unit(name, lambda: [sys.executable, "-S", "-c", COUNTING, str(folder / f"{name}.count"), str(seconds)])


def failing() -> Unit:
    return Unit(
        "bad", lambda: [sys.executable, "-S", "-c", "import sys; print('no GPU', file=sys.stderr); sys.exit(4)"]
    )


def setting_in(folder: Path) -> Setting:
    return Setting(folder, "cpu", "tiny", None)


def test_what_time_cut_off_goes_on_in_the_next_call_and_what_ended_is_not_run_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    setting, slow = setting_in(tmp_path), counting(tmp_path, "slow", 60)
    parts = [Part("environment", "", [counting(tmp_path, "first", 0)]), Part("recipe", "", [slow])]

    for seconds in (0.3, 1, 3, 9, 27):  # on a loaded machine the first ones end before the command has begun
        assert call(parts, parts, setting, minutes=seconds / 60) == TIME_UP
        if (tmp_path / "slow.count").exists():
            break
    cut_off = state_of(tmp_path / "recipe", "slow")
    assert cut_off["state"] == "stopped"
    assert (tmp_path / "slow.count").read_text() == "x", "it was to be cut off in its second step"
    assert "| recipe | calls | **not ended**: 0 of 1, stopped" in (tmp_path / "table.md").read_text()

    again = [parts[0], Part("recipe", "", [counting(tmp_path, "slow", 0)])]
    assert call(again, again, setting, minutes=10) == 0
    state = state_of(tmp_path / "recipe", "slow")
    assert (state["state"], state["calls"], state["figures"]["begun_at"]) == ("ended", cut_off["calls"] + 1, 1)
    assert state_of(tmp_path / "environment", "first")["state"] == "ended"
    assert state_of(tmp_path / "environment", "first")["figures"]["begun_at"] == 0, "what ended was run again"
    assert f"in {state['calls']} call(s); counted" in capfd.readouterr().out


def test_a_part_that_fails_is_told_and_those_that_do_not_need_it_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def waiting() -> list[str]:
        raise WaitingError("recipe has not ended")

    units = {"environment": counting(tmp_path, "first", 0), "recipe": failing(), "ifeval-after": Unit("wait", waiting)}
    parts = [Part(name, "", [unit]) for name, unit in {**units, "plan": counting(tmp_path, "last", 0)}.items()]
    assert call(parts, parts, setting_in(tmp_path), minutes=10) == 1
    told = capfd.readouterr()
    assert "recipe: failed: exit code 4" in told.err
    assert "no GPU" in told.err
    assert "ifeval-after: not run: recipe has not ended" in told.out
    states = {part.name: state_of(tmp_path / part.name, part.units[0].name)["state"] for part in parts}
    assert states == {"environment": "ended", "recipe": "failed", "ifeval-after": "not begun", "plan": "ended"}

    broken = [Part("environment", "", [failing()]), *parts[1:]]
    assert call(broken, broken, setting_in(tmp_path / "other"), minutes=10) == 1
    assert not (tmp_path / "other" / "recipe").exists(), "nothing runs without its environment"


def test_a_killed_call_takes_its_command_along_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """SIGKILL, which nobody can answer."""
    program = (
        "import sys; from pathlib import Path; from benchmarks.gpu.__main__ import *; from benchmarks.gpu.units import Unit\n"
        "folder, command = Path(sys.argv[1]), [sys.executable, '-S', '-c', *sys.argv[2:]]\n"
        "part = Part('recipe', '', [Unit('slow', lambda: command)])\n"
        "call([part], [part], Setting(folder, 'cpu', 'tiny', None), minutes=9)"
    )
    slow = [COUNTING, str(tmp_path / "slow.count"), "60"]
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), *slow], cwd=ROOT)
    wait_for(lambda: (tmp_path / "slow.count").exists(), process)
    commands = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert commands
    assert not psutil.wait_procs(commands, timeout=PATIENCE_S)[1], "the command outlived its call"
    assert state_of(tmp_path / "recipe", "slow")["state"] == "begun"
    part = Part("recipe", "", [counting(tmp_path, "slow", 0)])
    assert call([part], [part], setting_in(tmp_path), minutes=10) == 0
    assert state_of(tmp_path / "recipe", "slow")["figures"]["begun_at"] == 1


def test_a_folder_is_of_one_kind_and_of_one_call(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "setting.json").write_text('{"device": "cpu", "size": "tiny", "ifeval": null}')
    assert main(["--out", str(tmp_path), "--list"]) == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == [
        part.name for part in parts_of(setting_in(tmp_path))
    ]
    for wrong, told in (
        (["--device", "cuda"], "was begun with --device cpu"),
        (["--part", "recipes"], "--part recipes: expected one of environment, ifeval-before, recipe"),
        (["--ifeval", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
    ):
        assert main(["--out", str(tmp_path), *wrong]) == 2
        assert told in capfd.readouterr().err
    with alone(tmp_path):
        assert main(["--out", str(tmp_path)]) == 2
    assert "another call works in" in capfd.readouterr().err


@pytest.mark.parametrize(("gib", "vllm"), [(15.8, None), (15.8, "0.22"), (79.0, "0.22")])
def test_the_recipe_suits_the_machine(tmp_path: Path, gib: float, vllm: str | None) -> None:
    setting = Setting(tmp_path, "cuda", "full", None)
    (tmp_path / "environment").mkdir()
    state = {"state": "ended", "calls": 1, "seconds": 0, "figures": {"gib": gib, "vllm": vllm}}
    (tmp_path / "environment" / "machine.json").write_text(json.dumps(state))
    name, *sets = setting.recipe()
    config = load_recipe(name, sets[1::2])
    assert name == RECIPE
    assert config.rollouts.engine == ("vllm" if vllm else "transformers")
    assert config.policy.generation == ("vllm_colocate" if gib > 24 else "transformers")


def test_the_table_is_made_of_what_was_measured(tmp_path: Path) -> None:
    def measured(part: str, unit: str, figures: dict[str, object]) -> None:
        (tmp_path / part).mkdir(exist_ok=True)
        state = {"state": "ended", "calls": 2, "seconds": 61.4, "figures": figures}
        (tmp_path / part / f"{unit}.json").write_text(json.dumps(state))

    change = {"mean": 20.0, "low": 15.25, "high": 24.5}
    metric = {"models": {"a": {"mean": 0.2, "low": 0.15, "high": 0.25}}, "differences": {"b": change}}
    ifeval = {"items": 541, "metrics": {"prompt_strict": metric}}
    measured("ifeval-after", "answers", {"benchmarks": {"ifeval": ifeval}})
    way = {"seconds": 2.0, "ratio": 1.0, "gradient": 0.0, "gpu_gib": 0.0}
    measured("shared-prefix", "demo", {"ways": [way, {**way, "seconds": 0.5, "ratio": 0.25}], "shared": True})
    made = table(parts_of(setting_in(tmp_path)), setting_in(tmp_path))
    assert "| ifeval-before | calls | not run |  |" in made
    assert "| ifeval-after | calls | ended, 61 s in 2 call(s) |  |" in made
    assert "| ifeval-after | prompt_strict, gain in points | +20.0 [+15.2, +24.5] | +21.6 |" in made
    assert "| shared-prefix | demo: training part, s | 0.500 | trl 2.000 |" in made
    measured("shared-prefix", "demo", {"ways": [way, way], "shared": False})
    assert "demo | **not shared**" in table(parts_of(setting_in(tmp_path)), setting_in(tmp_path))


def machine_of(**known: object) -> dict[str, object]:
    return {"device": "a card", **dict.fromkeys(("cuda", "torch", "transformers", "trl", "vllm")), **known}


@pytest.mark.parametrize("size", SIZES)
def test_reward_models_are_trained_with_rules_hidden(tmp_path: Path, size: str) -> None:
    """Every line is a recipe that no rule has a say in; its table is read back, each line as soon as it has ended."""
    setting = Setting(tmp_path, "cpu", size, None)
    (tmp_path / "environment").mkdir()
    machine = {"state": "ended", "calls": 1, "seconds": 0, "figures": machine_of(gib=79.0)}
    (tmp_path / "environment" / "machine.json").write_text(json.dumps(machine))
    [part] = [part for part in parts_of(setting) if part.name == "rules-hidden"]
    for unit in part.units:
        _, script, recipe, line, *over = unit.command()
        _, _, overrides = line.partition(":")
        config = load_recipe(recipe, [*over[over.index("--set") + 1 :], *overrides.split()])
        assert Path(script).name == "rules_hidden.py"
        assert (config.labels.contradicted, config.labels.positives, config.reward_model.noise) == (
            "keep",
            "all",
            "ignore",
        )
        assert config.reward_model.launch.device == "cpu"
    heads = ["labels", "types", "within types", "length", "zero-shot", "likelihood"]
    lines = [heads, ["---"] * 6, ["all rungs", "held out", "0.700 ± 0.025", "0.675", "0.560", "0.754"]]
    said = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    (tmp_path / "rules-hidden").mkdir()
    ended = {"state": "ended", "calls": 1, "seconds": 9, "figures": part.units[0].figures(said)}
    (tmp_path / "rules-hidden" / f"{part.units[0].name}.json").write_text(json.dumps(ended))
    made = table(parts_of(setting), setting)
    against = "length 0.675, zero-shot 0.560, likelihood 0.754"
    assert f"| rules-hidden | all rungs, types held out: AUC within types | 0.700 ± 0.025 | {against} |" in made
    with pytest.raises(ValueError, match="not enough values"):
        part.units[0].figures("")


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(environment.missing(["pytest>=1", "pytest<1", "no-such-package"])) == ["pytest<1", "no-such-package"]
    monkeypatch.setattr(environment, "ROOT", with_dependency(tmp_path, "no-such-package>=2"))
    monkeypatch.setattr(environment, "ALONE", ())
    with pytest.raises(SystemExit, match=r"missing here: no-such-package>=2\. Give --wheels DIR"):
        environment.packages(tmp_path, None)


def with_dependency(folder: Path, requirement: str) -> Path:
    """A folder of a project that depends on it."""
    (folder / "pyproject.toml").write_text(f'[project]\ndependencies = ["{requirement}"]')
    return folder


TAKES = """
import json, sys
from pathlib import Path
from benchmarks.gpu import environment
project, out, wheels = map(Path, sys.argv[1:])
environment.ROOT, environment.ALONE = project, ()
print(json.dumps(environment.packages(out, wheels)))
"""


@pytest.mark.soak
def test_what_is_missing_comes_from_the_wheels_into_an_environment_of_the_folder(tmp_path: Path) -> None:
    out, wheels = tmp_path / "out", tmp_path / "wheels"
    wheels.mkdir()
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: ifrl-nothing\nVersion: 3\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(wheels / "ifrl_nothing-3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("ifrl_nothing.py", "SAID = 'here'\n")
        for name, text in about.items():
            wheel.writestr(f"ifrl_nothing-3.dist-info/{name}", text)
    base = getattr(sys, "_base_executable", sys.executable)  # which is of no virtual environment
    paths = [str(with_dependency(tmp_path, "ifrl-nothing==3")), str(out), str(wheels)]
    plain = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    calls = []
    for python in (base, str(out / "venv" / "bin" / "python")):
        done = subprocess.run([python, "-c", TAKES, *paths], cwd=ROOT, env=plain, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        calls.append(json.loads(done.stdout)["missing"])
    assert calls == [["ifrl-nothing==3"], []], "the next call has it"
    assert setting_in(out).python == str(out / "venv" / "bin" / "python")
    said = subprocess.check_output([setting_in(out).python, "-c", "import ifrl_nothing; print(ifrl_nothing.SAID)"])
    assert said.strip() == b"here"


@pytest.mark.soak
@pytest.mark.model
@pytest.mark.timeout(1_800)
def test_every_part_runs_on_a_cpu_through_kills_and_cut_off_calls(
    tmp_path: Path, shared: Path, small_model_folder: Path, soak_random: random.Random
) -> None:
    """Every part at tiny sizes, the first call killed while the policy is trained, the second cut off."""
    out, variables = tmp_path / "out", {**os.environ, "PYTHON": sys.executable}
    command = [str(ROOT / "benchmarks" / "gpu.sh"), "--out", str(out), "--device", "cpu", "--size", "tiny"]
    command += ["--ifeval", str(shared / "ifeval_input_data.jsonl"), "--model", str(small_model_folder)]
    process = subprocess.Popen([*command, "--minutes", "9"], env=variables)
    wait_for(lambda: any(out.glob("home/store/.scratch/policy-*/metrics.jsonl")), process)
    time.sleep(soak_random.uniform(0, 1))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state_of(out / "recipe", "run")["state"] == "begun"
    codes: list[int] = []
    for minutes in ("0.75", "9", "9"):
        codes.append(subprocess.run([*command, "--minutes", minutes], env=variables).returncode)
        if codes[-1] != TIME_UP:
            break
    assert codes[-1] == 0
    table = (out / "table.md").read_text()
    assert "not run" not in table
    assert "not ended" not in table
    for figure in (
        "prompt_strict, gain in points",
        "seconds a step",
        "demo: ratio",
        "demo: pairs a second",
        "held out: AUC",
    ):
        assert f"{figure}" in table


def wait_for(found: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE_S
    while not found():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
