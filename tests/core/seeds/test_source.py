"""Seeds are named by what their readers make of the files: the same seeds have one fingerprint, other seeds another."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifrl_core.config import SeedsConfig
from ifrl_core.seeds.fresh import find_fresh_seeds
from ifrl_core.seeds.read import seed_id
from ifrl_core.seeds.stage import make_seeds, seeds_source

SEEDS = ["Describe the sea.", "Explain tides.", "Praise tea.", "Name a bird."]
LINES = "".join(json.dumps({"seed": seed}) + "\n" for seed in SEEDS)


def test_plain_seeds_are_named_as_they_were_before_there_were_conversations(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text(LINES + '{"seed": 7}\n' + LINES)
    source = seeds_source(SeedsConfig(files=(str(path),), builtin=False))
    assert source.digest == "273c43950296bf29a331d9561132368404027495f9bab2a1bbfe7f432b7645f1"
    assert seed_id(SEEDS[0]) == "seed-61532f3c2db8e3cf"


def fingerprint(*files: Path) -> str:
    source = seeds_source(SeedsConfig(files=tuple(map(str, files)), builtin=False))
    return make_seeds.fingerprint(source, {}, seed=0)


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text(LINES)
    return path


def test_the_same_bytes_read_in_another_way_are_other_seeds(jsonl: Path, tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text(LINES)
    assert fingerprint(text) != fingerprint(jsonl)


def test_the_same_seeds_in_other_names_kinds_order_and_files_are_the_same(jsonl: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("\n".join(SEEDS) + "\n")
    pq.write_table(pa.table({"prompt": SEEDS}), tmp_path / "mine.parquet")
    (tmp_path / "turned.ndjson").write_text("".join(f'{{"instruction":  "{seed}"}}\n' for seed in reversed(SEEDS)))
    for half, lines in (("a", SEEDS[:2]), ("b", SEEDS[2:])):
        (tmp_path / f"{half}.txt").write_text("\n".join(lines) + "\n")
    whole = fingerprint(jsonl)
    for name in ("plain.txt", "mine.parquet", "turned.ndjson"):
        assert fingerprint(tmp_path / name) == whole, name
    assert fingerprint(tmp_path / "b.txt", tmp_path / "a.txt") == whole


@pytest.mark.parametrize("line", ['{"seed": "Describe the moon."}', '{"other": 1}', '{"seed": "Praise tea."}'])
def test_a_further_record_counts_also_where_it_is_rejected(jsonl: Path, line: str) -> None:
    before = fingerprint(jsonl)
    jsonl.write_text(f"{LINES}{line}\n")
    assert fingerprint(jsonl) != before


def test_new_seeds_of_a_retraining_are_named_in_the_same_way(jsonl: Path, tmp_path: Path) -> None:
    recipe = seeds_source(SeedsConfig())
    folders = [tmp_path / name for name in ("jsonl", "txt", "plain")]
    for folder, name, text in zip(
        folders, ("s.jsonl", "s.txt", "p.txt"), (LINES, LINES, "\n".join(SEEDS)), strict=True
    ):
        folder.mkdir()
        (folder / name).write_text(text)
    first, as_text, plain = (find_fresh_seeds(str(folder), recipe, (), seed=0).source.digest for folder in folders)
    assert first == plain != as_text
