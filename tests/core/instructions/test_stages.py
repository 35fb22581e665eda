"""Seeds to ladders: nothing leaks, nothing is lost, everything is counted."""

from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig, LadderConfig, SeedsConfig
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.errors import InputError
from ifrl_core.instructions import stage as dataset
from ifrl_core.seeds import stage as seeds_stage


def make(store: ArtifactStore, seeds: SeedsConfig, *, seed: int = 0) -> tuple[ArtifactRef, ArtifactRef, ArtifactRef]:
    made = seeds_stage.make_seeds(seeds_stage.seeds_source(seeds), {}, store, seed=seed)
    instructions = dataset.make_instructions(InstructionsConfig(max_words=60), {"seeds": made}, store, seed=seed)
    return made, instructions, dataset.make_prompts(LadderConfig(), {"instructions": instructions}, store, seed=seed)


def test_train_and_held_out_share_no_seed_and_keep_their_side_to_the_prompts(store: ArtifactStore) -> None:
    _, _, prompts = make(store, SeedsConfig())
    sides: dict[str, set[str]] = {"train": set(), "held_out": set()}
    for row in store.rows(prompts):
        sides[row["split"]].add(row["messages"][0]["content"].split("\n\n")[0])
    assert len(sides["train"]) > 300
    assert len(sides["held_out"]) > 50
    assert not sides["train"] & sides["held_out"]


def test_every_rung_adds_one_constraint_and_keeps_the_prompt_before_it(store: ArtifactStore) -> None:
    _, instructions, prompts = make(store, SeedsConfig(train=20, held_out=5))
    rows = {row["prompt_id"]: row for row in store.rows(prompts)}
    count = 0
    for instruction in store.rows(instructions):
        ladder = [rows[f"{instruction['instruction_id']}-L{k}"] for k in range(len(instruction["constraints"]) + 1)]
        count += len(ladder)
        assert 3 <= len(instruction["constraints"]) <= 5
        for level, rung in enumerate(ladder):
            assert rung["level"] == level
            assert rung["constraints"] == instruction["constraints"][:level]
            if level:
                assert rung["messages"][-1]["content"].startswith(ladder[level - 1]["messages"][-1]["content"])
    assert count == len(rows)


def test_the_builtin_seeds_meet_enough_types(store: ArtifactStore) -> None:
    _, instructions, _ = make(store, SeedsConfig())
    used = {c["type"]: c["kind"] for row in store.rows(instructions) for c in row["constraints"]}
    assert sum(kind == "hard" for kind in used.values()) >= 12
    assert sum(kind == "soft" for kind in used.values()) >= 8
    assert set(used) <= set(CATALOG)


def test_broken_lines_are_kept_apart_with_line_and_reason(store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"seed": "Explain the tides."}\n{"seed": 7}\nnot json\n{"seed": "Describe a glacier."}\n')
    made, _, _ = make(store, SeedsConfig(files=(str(path),), train=1000, held_out=1000))
    rejected = store.read_table(made, "rejected.parquet").to_pylist()
    assert [(row["source"], row["line"]) for row in rejected] == [("mine.jsonl", 2), ("mine.jsonl", 3)]
    assert "expected" in rejected[0]["reason"]
    assert store.manifest(made).figures["rejected"] == 2
    assert store.manifest(made).figures["sources"]["mine.jsonl"] == 2


def test_a_file_of_broken_lines_is_a_clean_failure(store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"seed": 7}\nnot json\n')
    with pytest.raises(InputError, match=r"mine\.jsonl"):
        make(store, SeedsConfig(files=(str(path),)))


def test_moving_a_seeds_file_makes_nothing_new(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    refs = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "mine.txt"
        path.write_text("Explain the tides.\nDescribe a glacier.\n")
        refs.append(make(store, SeedsConfig(files=(str(path),)))[2])
    assert refs[0] == refs[1]


def test_another_seed_makes_another_dataset(store: ArtifactStore) -> None:
    assert make(store, SeedsConfig(), seed=0)[2].digest != make(store, SeedsConfig(), seed=1)[2].digest
