"""A stage that nobody knew: declared in one module and named in one line, it has a task, a place, a form and a title."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from flows.execution.call import Call
from flows.execution.placed import stage as run_stage
from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.report.data import report_data
from ifrl_core.stages import registry
from tasks.stages import stage_task

pytestmark = [pytest.mark.server]
MODULE = """
import pyarrow as pa

from ifrl_core.artifacts import ShardRecord
from ifrl_core.errors import ConfigError
from ifrl_core.config import SeedsConfig
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage


def check(recipe: object) -> None:
    if recipe.seeds.train > 100:
        raise ConfigError("more than a hundred toys")


def part(config: SeedsConfig, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    return work.writer.write_table(f"part-{index}.parquet", pa.table({"toy": [index]}))


@stage(
    "toy-count",
    version=1,
    title="Toys counted",
    inputs=(),
    config=lambda recipe: recipe.seeds,
    check=check,
    placeable=True,
    shards=Shards("toy-part", lambda config, inputs, store: config.train, part),
)
def count_toys(config: SeedsConfig, inputs: Inputs, work: Work) -> Figures:
    parts = [work.writer.recorded(f"part-{index}.parquet") for index in range(config.train)]
    return {"toys": len(parts) - parts.count(None), "seed": work.seed}
"""


@pytest.fixture
def recipe(prefect: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipelineConfig]:
    (tmp_path / "toy_stage.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("IFRL_ROOT", str(tmp_path / "store"))
    monkeypatch.setattr(registry, "DECLARED", (*registry.DECLARED[:-1], "toy_stage:count_toys", registry.DECLARED[-1]))
    registry.stages.cache_clear()
    api = prefect["PREFECT_API_URL"]
    with temporary_settings({PREFECT_API_URL: api, PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        yield load_recipe("demo-cpu", ["seeds.train=3", "seed=5", "execution.deployments={toy-count: gpu}"])
    registry.stages.cache_clear()


def test_a_stage_of_one_module_and_one_line_runs_is_placed_and_is_on_the_report(recipe: PipelineConfig) -> None:
    toy, store = registry.find("toy-count"), ArtifactStore(os.environ["IFRL_ROOT"])
    assert recipe.execution.deployment_of(toy) == "stage/gpu"
    config = registry.look(recipe)["toy-count"]
    call = Call(toy, config, toy.inputs_of(recipe, {}), recipe.seed)
    # As another work pool runs it: from its name and plain JSON, its shards by tasks of their own.
    ref = run_stage("toy-count", config.model_dump(mode="json"), {}, recipe.seed, call.fingerprint)
    assert ref == call.find(store)
    assert store.manifest(ref).figures == {"toys": 3, "seed": 5}
    assert ref == stage_task(toy)(config, {}, seed=recipe.seed, fingerprint=call.fingerprint, run=None)
    page = report_data("demo", recipe.model, {"toy_count": ref}, store)
    assert [(stage["key"], stage["title"]) for stage in page["stages"]] == [("toy_count", "Toys counted")]
    assert "Toys counted" in report_data("demo", recipe.model, {}, store)["missing"]


def test_what_it_cannot_do_is_said_before_anything_runs(recipe: PipelineConfig) -> None:
    many = recipe.model_copy(update={"seeds": recipe.seeds.model_copy(update={"train": 101})})
    with pytest.raises(ConfigError, match="more than a hundred toys"):
        registry.look(many)
