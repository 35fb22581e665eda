"""New seeds: which files, which of them are new, which side they are on, and when they count as used."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.files import filesystem
from ifrl_core.config import SeedsConfig
from ifrl_core.errors import InputError
from ifrl_core.promotion import champion as registry
from ifrl_core.promotion.champion import Version
from ifrl_core.promotion.used_seeds import mend_ledger
from ifrl_core.seeds import ledger
from ifrl_core.seeds.files import seed_files
from ifrl_core.seeds.fresh import FRESH, FreshSeeds, check_held_out, find_fresh_seeds, make_retrain_seeds
from ifrl_core.seeds.read import seed_id
from ifrl_core.seeds.stage import SeedsSource, seeds_source
from tests.flows.servers import s3_server

TOPICS = [f"Explain topic number {number}." for number in range(40)]


def write(folder: Path, name: str, texts: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps({"seed": text}) + "\n" for text in texts))


@pytest.fixture
def recipe(tmp_path: Path) -> SeedsSource:
    """Thirty seeds of the recipe's own."""
    write(tmp_path / "recipe", "own.jsonl", [f"Describe thing {number}." for number in range(30)])
    return seeds_source(SeedsConfig(files=(str(tmp_path / "recipe" / "own.jsonl"),), builtin=False))


def sides(store: ArtifactStore, ref: ArtifactRef) -> dict[str, set[str]]:
    rows = list(store.rows(ref))
    return {side: {row["seed"] for row in rows if row["split"] == side} for side in ("train", "held_out")}


def decided(store: ArtifactStore, fresh: FreshSeeds, run: str) -> ArtifactRef:
    """A retraining with these seeds that came to its end."""
    ref = make_retrain_seeds(fresh.source, {}, store)
    ledger.mark_used(store, "p", ref, run=run, decision="refused", version="1")
    return ref


def test_only_readable_kinds_with_something_in_them_count(tmp_path: Path) -> None:
    write(tmp_path / "new" / "deep", "a.jsonl", TOPICS[:2])
    (tmp_path / "new" / "b.txt").write_text("Explain bees.\n")
    (tmp_path / "new" / "empty.jsonl").write_text("")
    (tmp_path / "new" / "notes.md").write_text("no seeds")
    write(tmp_path / "new" / ".partial", "c.jsonl", TOPICS)
    names = [Path(path).relative_to(tmp_path / "new").as_posix() for path in seed_files(str(tmp_path / "new"))]
    assert names == ["b.txt", "deep/a.jsonl"]
    assert seed_files(str(tmp_path / "new" / "b.txt")) == (str(tmp_path / "new" / "b.txt"),)


@pytest.mark.parametrize(("location", "says"), [("", "new_seeds is empty"), ("/no/such/folder", "does not exist")])
def test_a_folder_that_is_not_there_is_no_empty_folder(location: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        seed_files(location)


def test_an_empty_folder_has_no_new_seeds(tmp_path: Path, recipe: SeedsSource) -> None:
    (tmp_path / "new").mkdir()
    assert find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0).seeds == ()


def test_training_takes_new_seeds_alone_and_holds_out_all_that_is_known(
    tmp_path: Path, recipe: SeedsSource, store: ArtifactStore
) -> None:
    write(tmp_path / "new", "1.jsonl", [*TOPICS[:20], "Describe thing 3."])
    first = find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0)
    assert {item.text for item in first.seeds} == set(TOPICS[:20])  # the recipe's own is none
    before = sides(store, decided(store, first, "run-1"))
    assert before["train"] <= set(TOPICS[:20])
    assert any(text.startswith("Describe") for text in before["held_out"])

    # The same seeds under another name are used; the next retraining trains on what came after.
    (tmp_path / "new" / "1.jsonl").rename(tmp_path / "new" / "renamed.jsonl")
    used = ledger.used_ids(store, "p")
    assert find_fresh_seeds(str(tmp_path / "new"), recipe, used, seed=0).seeds == ()
    write(tmp_path / "new", "2.jsonl", TOPICS[20:])
    second = find_fresh_seeds(str(tmp_path / "new"), recipe, used, seed=0)
    after = sides(store, decided(store, second, "run-2"))
    assert after["train"] <= set(TOPICS[20:])
    assert before["held_out"] <= after["held_out"]
    assert not after["held_out"] & (before["train"] | after["train"])
    assert ledger.used_ids(store, "p") >= {seed_id(text) for text in before["train"] | after["train"]}


@given(st.lists(st.sampled_from(TOPICS), min_size=15, unique=True), st.integers(5, 39), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_what_is_trained_on_once_is_never_held_out(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cut: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("seeds")
    own = seeds_source(SeedsConfig(builtin=True))
    trained: set[str] = set()
    for end in (min(cut, len(texts)), len(texts)):
        write(folder, "all.jsonl", texts[:end])
        fresh = find_fresh_seeds(str(folder), own, {seed_id(text) for text in trained}, seed=seed)
        trained |= {item.text for item in fresh.seeds if item.split == "train"}
        assert not trained & {item.text for item in fresh.seeds if item.split == "held_out"}


def test_a_champion_whose_retraining_was_killed_before_it_ended_has_used_its_seeds(
    tmp_path: Path, recipe: SeedsSource, store: ArtifactStore
) -> None:
    write(tmp_path / "new", "1.jsonl", TOPICS)
    fresh = find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0)
    ref = make_retrain_seeds(fresh.source, {}, store)
    assert ledger.used_ids(store, "p") == set(), "used before a decision"
    tags = {registry.RUN: "killed", registry.SEEDS: f"{ref.stage}/{ref.fingerprint}", registry.DECISION: "promoted"}
    mend_ledger(store, Version("p", "2", tags))
    assert ledger.used_ids(store, "p") == set(store.read_json(ref, FRESH))
    assert find_fresh_seeds(str(tmp_path / "new"), recipe, ledger.used_ids(store, "p"), seed=0).seeds == ()


def compared(letter: str) -> ArtifactRef:
    return ArtifactRef(stage="comparison", uri="/c", fingerprint=letter * 64, digest="d", rows=0)


def test_refused_challengers_give_their_seeds_back(tmp_path: Path, recipe: SeedsSource, store: ArtifactStore) -> None:
    write(tmp_path / "new", "1.jsonl", TOPICS[:20])
    decided(store, find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0), "run-1")
    assert ledger.used_ids(store, "p", refused=False) == set()
    write(tmp_path / "new", "2.jsonl", TOPICS[20:])
    again = find_fresh_seeds(str(tmp_path / "new"), recipe, ledger.used_ids(store, "p", refused=False), seed=0)
    assert {item.text for item in again.seeds} == set(TOPICS)
    ref = make_retrain_seeds(again.source, {}, store)
    ledger.mark_used(store, "p", ref, run="run-2", decision="promoted", version="2")
    assert ledger.used_ids(store, "p", refused=False) == set(store.read_json(ref, FRESH))


def test_every_decision_on_the_same_held_out_seeds_is_a_look(
    tmp_path: Path, recipe: SeedsSource, store: ArtifactStore
) -> None:
    write(tmp_path / "new", "1.jsonl", TOPICS[:20])
    seeds = make_retrain_seeds(find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0).source, {}, store)
    assert ledger.next_look(store, "p", seeds, compared("a")) == 1
    named = {"run": "run-1", "decision": "refused", "version": "1"}
    ledger.mark_used(store, "p", seeds, **named, comparison=compared("a").fingerprint, look=1)
    assert ledger.next_look(store, "p", seeds, compared("a")) == 1, "the same figures again say nothing new"
    assert ledger.next_look(store, "p", seeds, compared("b")) == 2
    assert ledger.next_look(store, "another", seeds, compared("b")) == 1

    # More seeds came into the folder: those held out before are still among them, and were looked at.
    write(tmp_path / "new", "2.jsonl", TOPICS[20:])
    more = make_retrain_seeds(find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0).source, {}, store)
    assert ledger.next_look(store, "p", more, compared("c")) == 2
    write(tmp_path / "others", "1.jsonl", [f"Name river {number}." for number in range(30)])
    write(tmp_path / "others", "own.jsonl", [f"Name lake {number}." for number in range(30)])
    own = seeds_source(SeedsConfig(files=(str(tmp_path / "others" / "own.jsonl"),), builtin=False))
    other = make_retrain_seeds(find_fresh_seeds(str(tmp_path / "others"), own, (), seed=0).source, {}, store)
    assert ledger.next_look(store, "p", other, compared("d")) == 1, "held-out seeds that no decision has seen"


@pytest.mark.parametrize("there", [True, False])
def test_an_entry_that_does_not_name_its_held_out_seeds_is_a_look_as_its_artifact_says(
    tmp_path: Path, recipe: SeedsSource, store: ArtifactStore, there: bool
) -> None:
    write(tmp_path / "new", "1.jsonl", TOPICS[:20])
    seeds = make_retrain_seeds(find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0).source, {}, store)
    name = f"{seeds.stage}/{seeds.fingerprint if there else 'f' * 64}"
    entry = {"run": "run-1", "decision": "refused", "version": "1", "seeds": name, "seed_ids": []}
    folder = Path(store.root) / "retrain" / "p"
    folder.mkdir(parents=True)
    (folder / "run-1.json").write_text(json.dumps(entry))
    assert ledger.next_look(store, "p", seeds, compared("a")) == 2


def test_a_held_out_seed_that_the_champion_was_trained_on_is_refused(
    tmp_path: Path, recipe: SeedsSource, store: ArtifactStore
) -> None:
    write(tmp_path / "new", "1.jsonl", TOPICS)
    other = make_retrain_seeds(find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=5).source, {}, store, seed=5)
    writer = store.writer("policy", 1, "c" * 64, {}, {"prompts": f"{other.stage}/{other.fingerprint}"})
    writer.write_json("model/config.json", {})
    champion = writer.commit({})
    now = find_fresh_seeds(str(tmp_path / "new"), recipe, (), seed=0)
    with pytest.raises(InputError, match="held-out seeds were trained on by the champion"):
        check_held_out(store, make_retrain_seeds(now.source, {}, store, seed=0), champion)
    check_held_out(store, other, champion)


@pytest.mark.server
def test_new_seeds_on_s3(tmp_path: Path, recipe: SeedsSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path) as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        assert find_fresh_seeds("s3://ifrl/seeds/new", recipe, (), seed=0).seeds == ()
        fs, path = filesystem("s3://ifrl/seeds/new/1.jsonl")
        fs.pipe_file(path, "".join(json.dumps({"seed": text}) + "\n" for text in TOPICS).encode())
        fresh = find_fresh_seeds("s3://ifrl/seeds/new", recipe, (), seed=0)
        assert {item.text for item in fresh.seeds} == set(TOPICS)
        assert fresh.source.paths == ("s3://ifrl/seeds/new/1.jsonl",)
