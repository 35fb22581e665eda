"""`ifrl eval --model`: models on a benchmark from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from flows.cli.measuring import asked_of, lacking
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError, InputError
from tests.flows.conftest import NewWorkplace

COUNT = {
    "type": "Constraint",
    "input_level": None,
    "target_level": {"level": "word"},
    "transformation": {"type": "Count"},
    "relation": {"operand": "<="},
    "reduction": {"reduction": "all"},
}
ROWS = [{"structure": "c01", "prompt": f"At most {n} words.", "targets": n, "constraint": COUNT} for n in (0, 9, 99)]


@pytest.mark.e2e
@pytest.mark.server
def test_models_and_given_answers_stand_side_by_side(
    workplace: NewWorkplace, small_model_folder: Path, tmp_path: Path
) -> None:
    rows, other, out, answers = (tmp_path / name for name in ("rows.jsonl", "other", "out", "answers.jsonl"))
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    other.symlink_to(small_model_folder)
    answers.write_text("".join(json.dumps({"id": n, "response": "<think>So.</think>a b c"}) + "\n" for n in (1, 2, 3)))
    models = ("--model", str(small_model_folder), "--model", str(other), "--answers", str(answers))
    short = ("--set", "evaluation.benchmarks.collie.max_tokens=4")
    place = workplace("eval")
    done = place.run("eval", *models, "--benchmark", f"collie={rows}", *short, "-o", str(out), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    of_collie = found["benchmarks"]["collie"]["metrics"]["satisfied"]
    assert [figure["n"] for figure in of_collie["models"].values()] == [3, 3, 3]
    assert of_collie["models"][f"answers:{answers}"]["mean"] == pytest.approx(2 / 3)
    assert of_collie["differences"][str(other)]["mean"] == 0.0  # the same weights
    assert found["report"] == str(out / "report.html")
    graded, again = sorted(set(out.glob("collie-*.jsonl")) - {out / "collie-answers-jsonl.jsonl"})
    assert [json.loads(line)["response"] for line in graded.open()] == [
        json.loads(line)["response"] for line in again.open()
    ]
    answered = ("eval", "--benchmark", f"collie={rows}", "--answers", str(graded), "--json")
    given = json.loads(CliRunner().invoke(app, answered).output)["answers"][str(graded)]["metrics"]["satisfied"]
    assert given["mean"] == of_collie["models"][str(other)]["mean"]


def test_benchmarks_become_settings() -> None:
    assert asked_of(["followbench:zh=a", "followbench:zh=b"], 5, 2) == [
        'evaluation.benchmarks.followbench:zh.path=["a", "b"]',
        "evaluation.benchmarks.followbench:zh.limit=5",
        "evaluation.benchmarks.followbench:zh.samples=2",
    ]
    with pytest.raises(InputError, match="no benchmark is called 'colie'"):
        asked_of(["colie=a"], None, 1)
    with pytest.raises(ConfigError, match="--benchmark collie: expected NAME=PATH"):
        asked_of(["collie"], None, 1)


def test_what_a_benchmark_lacks_is_said() -> None:
    config = load_recipe("demo-cpu", asked_of(["agentif=a", "collie=b"], None, 1))
    assert [line.split(" stays unscored without ")[1] for line in lacking(config)] == ["--judge", "--run-code"]
    given = ("evaluation.judge.model=m", "evaluation.run_code=true")
    assert not list(lacking(load_recipe("demo-cpu", [*asked_of(["agentif=a"], None, 1), *given])))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--benchmark", "collie=a", "-o", "rows.parquet"), "need a folder"),
        (("--benchmark", "collie=a", "--set", "evaluation.judge.modle=a"), "evaluation.judge.modle"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(arguments: tuple[str, ...], message: str) -> None:
    error = CliRunner().invoke(app, ["eval", "--model", "m", *arguments]).exception
    assert isinstance(error, ConfigError)
    assert message in str(error)


def test_answers_to_several_benchmarks_need_a_command_each() -> None:
    several = ("--benchmark", "collie=a", "--benchmark", "ifbench=b")
    assert CliRunner().invoke(app, ["eval", "--answers", "a.jsonl", *several]).exit_code == 2
