"""The flow `benchmark`: what it asks of which model, before anything starts."""

import json
from pathlib import Path

import pytest

from flows.benchmark import names_of, planned, with_benchmarks
from ifrl_core.config import BenchmarkConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError, InputError, ModelError
from ifrl_core.evaluation.suite.answers import AnswersConfig

ROW = {"key": 1, "prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}


@pytest.fixture
def rows(tmp_path: Path) -> str:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    return str(tmp_path / "rows.jsonl")


def test_models_have_short_names_of_their_own() -> None:
    named = names_of(["a/Qwen3-8B", "b/Qwen3-8B", "server:judge", "/models/x/"])
    assert list(named) == ["qwen3-8b", "qwen3-8b-b", "server-judge", "x"]
    with pytest.raises(ConfigError, match="a/b is named twice"):
        names_of(["a/b", "a/b"])


def test_each_model_is_asked_every_benchmark_with_its_own_engine(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IFRL_SERVER_URLS_BIG_ONE", "http://127.0.0.1:1/v1")
    config = with_benchmarks(load_recipe("demo-cpu", []), {"ifeval": BenchmarkConfig(path=(rows,), max_tokens=7)})
    plan = planned(config, names_of(["embedded:smollm2-135m", "server:big-one"]))
    assert list(plan) == [
        "benchmark.ifeval",
        "model.embedded-smollm2-135m",
        "answers-embedded-smollm2-135m.ifeval",
        "judgements-embedded-smollm2-135m.ifeval",
        "served-model.server-big-one",
        "answers-server-big-one.ifeval",
        "judgements-server-big-one.ifeval",
        "benchmark-report.all",
    ]
    here, served = (plan[f"answers-{name}.ifeval"] for name in ("embedded-smollm2-135m", "server-big-one"))
    assert isinstance(here, AnswersConfig)
    assert isinstance(served, AnswersConfig)
    assert (here.engine, here.max_tokens, served.engine, served.served_model) == (
        "transformers",
        7,
        "server",
        "big-one",
    )


def test_what_cannot_be_measured_is_refused_before_anything_starts(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IFRL_SERVER_URLS", "IFRL_SERVER_URLS_M"):
        monkeypatch.delenv(name, raising=False)
    recipe = load_recipe("demo-cpu", [])
    with pytest.raises(ConfigError, match="no benchmark is named"):
        with_benchmarks(recipe, {})
    asked = with_benchmarks(recipe, {"ifeval": BenchmarkConfig(path=(rows,))})
    with pytest.raises(ConfigError, match="engine server needs IFRL_SERVER_URLS"):
        planned(asked, names_of(["server:m"]))
    with pytest.raises(ModelError, match="nowhere"):
        planned(asked, names_of(["nowhere"]))
    with pytest.raises(InputError, match="no benchmark is called 'ifevil'"):
        planned(with_benchmarks(recipe, {"ifevil": BenchmarkConfig(path=(rows,))}), {})
    with pytest.raises(InputError, match=r"missing\.jsonl"):
        planned(with_benchmarks(recipe, {"ifeval": BenchmarkConfig(path=("missing.jsonl",))}), {})
