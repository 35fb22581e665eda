"""What `ifrl run` prints at its end."""

import shlex

import pytest

from flows.cli.run import _print_end

RECORD = {
    "run": "run-1",
    "seconds": 61.0,
    "peak_rss_mb": 2048,
    "stages": {"seeds": {"cached": True}, "policy": {"cached": False}},
    "mlflow": {"url": None, "uri": "sqlite:////some/a b/.ifrl/mlflow.db"},
    "prefect": {"url": None},
}


def test_a_run_that_measured_no_gain_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/some/x/.ifrl/prefect")
    _print_end(RECORD, {"gain": None, "soft_gain_by_instruments": None}, "/r/report.html", [])
    assert "gain       not measured" in capsys.readouterr().out


def test_without_a_hard_constraint_the_gain_is_that_of_the_instruments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/some/x/.ifrl/prefect")
    seen = {"mean": 10.5, "low": 6.3, "high": 14.8}
    _print_end(RECORD, {"gain": None, "soft_gain_by_instruments": seen}, "/r/report.html", [])
    said = "gain       +10.5 points [+6.3, +14.8] in satisfaction of soft constraints, by instruments,"
    assert said in capsys.readouterr().out


def test_printed_commands_are_commands_whatever_the_paths_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/some/a b/$(x)/.ifrl/prefect")
    _print_end(RECORD, {"gain": {"mean": 1.0, "low": -1.0, "high": 3.0}}, "/r/report.html", [])
    lines = {line[:10].strip(): line[11:] for line in capsys.readouterr().out.splitlines() if line}
    assert shlex.split(lines["mlflow"])[-1] == RECORD["mlflow"]["uri"]  # type: ignore[index]
    assert shlex.split(lines["prefect"])[0] == "PREFECT_HOME=/some/a b/$(x)/.ifrl/prefect"
    assert lines["gain"].startswith("+1.0 points [-1.0, +3.0]")
