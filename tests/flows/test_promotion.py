"""What a decision changes: tags, the alias and the used seeds, in an order that a kill cannot spoil."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import retrain
from flows.execution.run import Run
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import PipelineConfig, RegistryConfig, RetrainConfig, SeedsConfig
from ifrl_core.promotion import champion as registry
from ifrl_core.promotion.champion import Version
from ifrl_core.promotion.gate import decide
from ifrl_core.promotion.used_seeds import mend_ledger
from ifrl_core.seeds import fresh, ledger
from ifrl_core.seeds.stage import seeds_source
from ifrl_core.tracking.sink import open_experiment
from ifrl_core.tracking.tracker import Tracker
from ifrl_core.tracking.versions import register_folder
from tests.core.promotion.test_gate import comparison, row

BETTER, NO_BETTER = (decide(comparison(hard=row(40, gain, 5)), RetrainConfig()) for gain in (10, 2))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Callable[[Path], str]) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = fresh_mlflow(folder / "mlflow.db")
    open_experiment(uri, str(folder / "files"))
    return uri


@pytest.fixture
def run(uri: str, store: ArtifactStore, tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """A run in MLflow, with two registered versions of a model of its own; seeds to decide with lie in its refs."""
    name = request.node.name
    tracker = Tracker.start(uri, None, "run-1", {}, store)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    for number in range(2):
        ref = ArtifactRef(stage="policy", uri="/p", fingerprint=f"{number:064x}", digest="d", rows=0)
        register_folder(uri, tracker.run.run_id, tmp_path / "model", name, "challenger", ref, {})
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps({"seed": f"Explain topic {number}."}) + "\n" for number in range(30)))
    new_seeds = fresh.find_fresh_seeds(str(new), seeds_source(SeedsConfig()), (), seed=0)
    seeds = fresh.make_retrain_seeds(new_seeds.source, {}, store)
    config = PipelineConfig(registry=RegistryConfig(policy_name=name))
    compared = ArtifactRef(stage="comparison", uri="/c", fingerprint="c" * 64, digest="d", rows=0)
    refs = {"seeds": seeds, "comparison": compared}
    made = Run("run-1", "retrain", config, {}, store, tracker, CostMeter(), refs=refs)
    made.meter.stop()
    return made


def name_of(run: Run) -> str:
    return run.config.registry.policy_name


def champion_of(run: Run) -> Version | None:
    return registry.champion(run.tracker.run.uri, name_of(run))


def version(run: Run, number: str) -> Version:
    return Version(name_of(run), number, {})


def killed(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_a_better_challenger_becomes_champion_and_its_seeds_are_used(run: Run) -> None:
    retrain._carry_out(run, run.refs, BETTER, version(run, "1"), None)
    first = champion_of(run)
    assert first is not None
    assert (first.version, first.tags[registry.DECISION], first.tags[registry.PREVIOUS]) == ("1", "promoted", "")
    assert ledger.used_ids(run.store, name_of(run)) == set(run.store.read_json(run.refs["seeds"], fresh.FRESH))
    retrain._carry_out(run, run.refs, BETTER, version(run, "2"), first)
    assert registry.rollback(run.tracker.run.uri, name_of(run)) == registry.Rollback(name_of(run), "2", "1")


def test_one_that_is_no_better_changes_no_alias_and_its_seeds_are_used_as_well(run: Run) -> None:
    retrain._carry_out(run, run.refs, BETTER, version(run, "1"), None)
    first = champion_of(run)
    retrain._carry_out(run, run.refs, NO_BETTER, version(run, "2"), first)
    assert champion_of(run) == first
    said = retrain._in_words(NO_BETTER, version(run, "2"), first)
    assert said.startswith(
        f"refused: version 2 of {name_of(run)} was compared with version 1, the champion: hard constraints:"
    )
    assert "(look 1 of this held-out set: level 2.5 %)" in said
    assert said.endswith("nothing got worse for sure, too little was asked to tell")
    assert ledger.used_ids(run.store, name_of(run))
    assert not ledger.used_ids(run.store, name_of(run), refused=False)


def test_seeds_that_a_refused_challenger_had_wait_for_new_ones(tmp_path: Path) -> None:
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps({"seed": f"Explain topic {number}."}) + "\n" for number in range(30)))
    found = fresh.find_fresh_seeds(str(new), seeds_source(SeedsConfig()), (), seed=0)
    ids = [seed.seed_id for seed in found.seeds]
    nothing = "no new seeds: all of 30 were used before or are the recipe's own"
    assert retrain._too_few(found, ids, 3) == f"{nothing}; 30 of them, of refused challengers, wait for others"
    assert retrain._too_few(found, ids[2:], 3).startswith("too few new seeds: 2 of 30 are new")
    assert not retrain._too_few(found, ids[3:], 3)


def test_killed_after_the_alias_moved_the_seeds_are_used_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "mark_used", killed)
    with pytest.raises(KeyboardInterrupt):
        retrain._carry_out(run, run.refs, BETTER, version(run, "1"), None)
    monkeypatch.undo()
    champion = champion_of(run)
    assert champion is not None
    assert ledger.used_ids(run.store, name_of(run)) == set()
    mend_ledger(run.store, champion)
    assert ledger.used_ids(run.store, name_of(run)) == set(run.store.read_json(run.refs["seeds"], fresh.FRESH))


def test_killed_before_the_alias_moved_nothing_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "promote", killed)
    with pytest.raises(KeyboardInterrupt):
        retrain._carry_out(run, run.refs, BETTER, version(run, "1"), None)
    monkeypatch.undo()
    assert champion_of(run) is None
    assert ledger.used_ids(run.store, name_of(run)) == set()
    retrain._carry_out(run, run.refs, BETTER, version(run, "1"), None)  # the same again, out of the cache
    assert champion_of(run) is not None
