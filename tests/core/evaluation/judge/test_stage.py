"""The stage `judgements` with a judge on a server: what stops it repeats nothing, nonsense is refused or kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import BenchmarkConfig, JudgeConfig
from ifrl_core.errors import InferenceError, UnscoredError
from ifrl_core.evaluation.suite.answers import ANSWERS
from ifrl_core.evaluation.suite.judgements import JudgementsConfig, make_judgements
from ifrl_core.evaluation.suite.rows import benchmark_source, import_benchmark
from tests.core.inference.fault_server import Asked, Body, Reply, completion, serving

pytestmark = pytest.mark.server
ROWS = 6
JUDGE = JudgeConfig(engine="server", served_model="judge", checks=4, retries=0)
CONFIG = JudgementsConfig(benchmark="cfbench", official=False, run_code=False, items_per_shard=3, judge=JUDGE)


@pytest.fixture
def inputs(tmp_path: Path, store: ArtifactStore) -> dict[str, ArtifactRef]:
    """Rows of CFBench with two criteria each, and answers to them."""
    criteria = [["is a poem", "主需", "内容约束", ""], ["has four lines", "次需", "数值约束", ""]]
    rows = [{"idx": n, "prompt": f"Write poem {n}.", "gold": "", "criteria": criteria} for n in range(ROWS)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    benchmark = import_benchmark(
        benchmark_source("cfbench", BenchmarkConfig(path=(str(tmp_path / "rows.json"),))), {}, store
    )
    given = [(str(n), 0, 0, f"The sea is wide and blue, poem {n}.", 0, "stop", 1, 1) for n in range(ROWS)]
    writer = store.writer("answers", 1, fingerprint("answers", 1, {}, {}), {}, {})
    table = pa.Table.from_pylist([dict(zip(ANSWERS.names, row, strict=True)) for row in given], schema=ANSWERS)
    writer.write_table(f"part-000000-{ROWS:06d}.parquet", table)
    return {"benchmark": benchmark, "answers": writer.commit({})}


@pytest.fixture
def asked_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Asked], None]:
    return lambda server: monkeypatch.setenv("IFRL_JUDGE_URLS", server.url)


def met(body: Body, number: int) -> Reply:
    """Yes to all that is asked, as the schema has it."""
    names = body["response_format"]["json_schema"]["schema"]["required"]
    return 200, completion(json.dumps(dict.fromkeys(names, 1))), {}


def asked(server: Asked) -> list[str]:
    return [body["messages"][0]["content"] for body in server.bodies]


def test_a_judge_that_stops_midway_goes_on_where_it_was(
    inputs: dict[str, ArtifactRef], store: ArtifactStore, asked_at: Callable[[Asked], None]
) -> None:
    def until_the_fifth(body: Body, number: int) -> Reply:
        return met(body, number) if number < 5 else (401, {"error": "the key has expired"}, {})

    with serving(until_the_fifth) as first:
        asked_at(first)
        with pytest.raises(InferenceError, match="the key has expired"):
            make_judgements(CONFIG, inputs, store)
    with serving(met) as second:
        asked_at(second)
        ref = make_judgements(CONFIG, inputs, store)
        assert make_judgements(CONFIG, inputs, store) == ref
    answered = [*asked(first)[:5], *asked(second)]
    assert len(answered) == len(set(answered)) == ROWS + 2 * JUDGE.checks
    figures: dict[str, Any] = store.manifest(ref).figures
    assert figures["metrics"]["csr"]["mean"] == 1
    assert figures["judge"]["checks"]["asked"] == JUDGE.checks
    assert figures["made_with"]["judge"] == "judge"


def test_a_judge_that_talks_nonsense_is_refused_and_with_a_larger_share_kept_as_unscored(
    inputs: dict[str, ArtifactRef], store: ArtifactStore, asked_at: Callable[[Asked], None]
) -> None:
    with serving(lambda body, number: (200, completion("I am a poem."), {})) as server:
        asked_at(server)
        with pytest.raises(UnscoredError, match=r"3 of 3 replies .*'I am a poem\.'"):
            make_judgements(CONFIG, inputs, store)
        count = len(server.bodies)
        patient = CONFIG.model_copy(update={"judge": JUDGE.model_copy(update={"max_unscored_share": 1.0})})
        ref = make_judgements(patient, inputs, store)
    assert len(server.bodies) - count == ROWS - 3 + 2 * JUDGE.checks
    rows = list(store.rows(ref))
    assert [json.loads(row["replies"])[0]["text"] for row in rows] == ["I am a poem."] * ROWS
    assert (
        store.manifest(ref).figures["metrics"]["csr"] | {"unscored": ROWS, "mean": None}
        == (store.manifest(ref).figures["metrics"]["csr"])
    )
