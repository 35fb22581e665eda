"""Champions on a real MLflow server: the alias moves, what is written beside it, and the way back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.errors import ConfigError, TrackingError
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.promotion import champion as registry
from ifrl_core.promotion.champion import Version
from ifrl_core.promotion.gate import Decision, decide
from ifrl_core.tracking.tracker import TrackedRun, Tracker
from ifrl_core.tracking.versions import register_folder
from tests.core.promotion.test_gate import GATE, comparison, row
from tests.flows.servers import mlflow_server
from tests.ports import free_port

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Callable[[Path], str]) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    fresh_mlflow(folder / "mlflow.db")
    with mlflow_server(folder, free_port()) as url:
        yield url


def made(uri: str, name: str, tmp_path: Path, count: int) -> list[Version]:
    """`count` registered versions of a model."""
    run = Tracker.start(uri, None, "run", {}).run
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return [Version(name, _register(run, folder, name, number), {}) for number in range(count)]


def _register(run: TrackedRun, folder: Path, name: str, number: int) -> str:
    ref = ArtifactRef(stage="policy", uri="/p", fingerprint=f"{number:064x}", digest="d", rows=0)
    return register_folder(run.uri, run.run_id, folder, name, "challenger", ref, {})


def put(uri: str, version: Version, previous: Version | None) -> None:
    """As a retraining promotes."""
    registry.record_decision(
        uri, version.name, version.version, decide(comparison(), GATE), previous=previous, run="r", seeds="s/1"
    )
    registry.promote(uri, version.name, version.version, previous=previous)


def champion_of(uri: str, name: str) -> str | None:
    found = registry.champion(uri, name)
    return found.version if found else None


def test_promotions_and_rollbacks(uri: str, tmp_path: Path) -> None:
    assert registry.champion(uri, "p") is None
    first, second, third = made(uri, "p", tmp_path, 3)
    assert registry.champion(uri, "p") is None, "registering made a champion"
    put(uri, first, None)
    put(uri, second, first)
    put(uri, third, second)
    assert champion_of(uri, "p") == "3"
    client = MlflowClient(uri)
    assert client.get_model_version_by_alias("p", "challenger").version in (3, "3")

    assert registry.rollback(uri, "p") == registry.Rollback("p", "3", "2")
    assert "to version 2" in client.get_model_version("p", "3").tags[registry.ROLLED_BACK]
    assert registry.rollback(uri, "p") == registry.Rollback("p", "2", "1")
    with pytest.raises(TrackingError, match="none to go back to"):
        registry.rollback(uri, "p")
    assert champion_of(uri, "p") == "1"


def test_what_is_written_beside_a_refused_version(uri: str, tmp_path: Path) -> None:
    first, second = made(uri, "refused", tmp_path, 2)
    put(uri, first, None)
    decision: Decision = decide(comparison(hard=row(40, 2, 5)), GATE)
    registry.record_decision(uri, "refused", "2", decision, previous=first, run="run-7", seeds="retrain-seeds/ab")
    tags = MlflowClient(uri).get_model_version("refused", second.version).tags
    assert tags[registry.DECISION] == "refused"
    assert "+2.0 points [-3.0, +7.0]" in tags[registry.REASONS]
    assert (tags[registry.PREVIOUS], tags[registry.RUN], tags[registry.SEEDS]) == ("1", "run-7", "retrain-seeds/ab")
    assert {item["metric"]: item["difference"] for item in json.loads(tags[registry.FIGURES])}["hard constraints"] == 2
    assert champion_of(uri, "refused") == "1"


def test_a_champion_that_moved_in_the_meantime_stays(uri: str, tmp_path: Path) -> None:
    first, second, third = made(uri, "race", tmp_path, 3)
    put(uri, first, None)
    put(uri, second, first)
    with pytest.raises(TrackingError, match="version 2 is champion"):
        registry.promote(uri, "race", third.version, previous=first)
    assert champion_of(uri, "race") == "2"
    registry.promote(uri, "race", "2", previous=first)  # again after a kill: it is champion already


def test_no_champion_and_no_server_are_told_apart(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrackingError, match="has no champion"):
        registry.rollback(uri, "nobody")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="does not answer"):
        registry.champion("http://127.0.0.1:9", "p")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, "seed must be 0, not 1"),
        ({"seeds": {"held_out_share": 0.3}}, "seeds.held_out_share must be at most 0.2, not 0.3"),
        ({"policy": {"general": {"held_out_share": 0.6}}}, "policy.general.held_out_share must be at most 0.5"),
    ],
)
def test_another_split_would_measure_on_what_was_trained_on(change: dict[str, object], says: str) -> None:
    version = Version("p", "1", registry.split_tags(PipelineConfig()))
    with pytest.raises(ConfigError, match=says):
        registry.check_split(PipelineConfig.model_validate(change), version)
    registry.check_split(PipelineConfig.model_validate({"seeds": {"held_out_share": 0.1}}), version)


def test_an_alias_of_a_late_registration_stays_on_what_came_after(
    uri: str, tmp_path: Path, store: ArtifactStore
) -> None:
    run = Tracker.start(uri, None, "run", {}).run
    made(uri, "late", tmp_path, 1)
    ref = ArtifactRef(stage="policy", uri="/p", fingerprint="e" * 64, digest="d", rows=0)
    version = register_folder(run.uri, run.run_id, tmp_path / "model", "late", "challenger", ref, {}, at=1)
    assert version == "2"
    assert MlflowClient(uri).get_model_version_by_alias("late", "challenger").version in (1, "1")


def test_a_model_of_the_registry_is_downloaded_once_a_machine(
    uri: str, tmp_path: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the alias of its version at that time, from then on by its digest: the registry is asked no more."""
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    run = Tracker.start(uri, None, "run", {}).run
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for number, weights in ((1, b"some weights"), (2, b"more weights")):
        (folder / "model.safetensors").write_bytes(weights)
        (folder / "pytorch_model.bin").write_bytes(b"pickled")
        assert _register(run, folder, "served", number) == str(number)
        if number == 1:
            ref = import_model(model_source("models:/served@challenger"), {}, store)
            first = model_folder(ref, store)
    second = model_folder(import_model(model_source("models:/served@challenger"), {}, store), store)
    assert {path.name for path in second.iterdir()} == {"config.json", "model.safetensors"}
    assert (second / "model.safetensors").read_bytes() == b"more weights"
    assert store.manifest(ref).figures["revision"] == "models:/served/1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert model_folder(ref, store) == first == tmp_path / "cache" / "models" / first.name
    assert (first / "model.safetensors").read_bytes() == b"some weights"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="MLflow does not say where it is"):
        model_source("models:/served@challenger")
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "weights", "store"}, "something was left over"
