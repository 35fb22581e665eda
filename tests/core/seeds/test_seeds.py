"""Reading and splitting of seed instructions."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.errors import ConfigError, InputError
from ifrl_core.seeds.read import MAX_CHARACTERS, SeedText, normalised, read_seeds, seed_id
from ifrl_core.seeds.record import FIELDS
from ifrl_core.seeds.split import at_most, split_hash, split_seeds


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def parquet(folder: Path, name: str, table: pa.Table) -> str:
    pq.write_table(table, folder / name)
    return str(folder / name)


def texts_of(count: int) -> list[SeedText]:
    return [SeedText(seed_id(f"Question number {i}"), f"Question number {i}", "test") for i in range(count)]


def test_every_accepted_field_name_is_read_and_the_first_in_order_wins(tmp_path: Path) -> None:
    lines = [
        {"seed": "from seed", "instruction": "seed", "prompt": "from", "text": "Q: from seed A: yes"},
        {"text": "Q: from instruction A: no", "instruction": "from instruction"},
        {"prompt": "from prompt", "text": "prompt"},
        {"text": "from text", "other": 1},
    ]
    path = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)))
    seeds, rejected = read_seeds([path], builtin=False)
    assert [seed.text for seed in seeds] == ["from seed", "from instruction", "from prompt", "from text"]
    assert not rejected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "line is not valid JSON"),
        (b"", "line is empty"),
        (b"[1, 2]", "line is a JSON list"),
        (
            b'{"sed": "x", "b": 1}',
            "no field 'seed', 'instruction', 'prompt', 'text' and no conversation ('messages', 'conversations'); found 'sed'",
        ),
        (b"{}", "found none"),
        (b'{"seed": 7}', "field 'seed' is int; expected a text"),
        (b'{"prompt": null}', "field 'prompt' is null; expected a text"),
        (b'{"text": ["a"]}', "field 'text' is list; expected a text"),
        (b'{"seed": "  \\n "}', "field 'seed' is empty"),
        (b'{"seed": "caf\xe9"}', "line is not valid UTF-8 at byte 14"),
        (b'{"seed": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, "line is not valid JSON"),
        (b"9" * 5_000, "line is not valid JSON"),
        (json.dumps({"seed": "x" * (MAX_CHARACTERS + 1)}).encode(), "has 8,001 characters; expected at most 8,000"),
    ],
)
def test_a_broken_line_is_rejected_with_its_number_and_reason_and_the_rest_is_read(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    path = written(tmp_path, "a.jsonl", b'{"seed": "first"}\n' + line + b'\n{"seed": "third"}\n')
    seeds, rejected = read_seeds([path], builtin=False)
    assert [seed.text for seed in seeds] == ["first", "third"]
    assert [(reject.source, reject.line) for reject in rejected] == [("a.jsonl", 2)]
    assert reason in rejected[0].reason
    assert len(rejected[0].record) <= 200


def test_the_longest_allowed_text_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "x" * MAX_CHARACTERS)
    assert len(read_seeds([path], builtin=False)[0][0].text) == MAX_CHARACTERS


def test_text_files_hold_one_seed_a_line_whatever_the_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", b"\xef\xbb\xbfone\r\n\r\ntwo\nwr\xffong\nthree")
    seeds, rejected = read_seeds([path], builtin=False)
    assert [seed.text for seed in seeds] == ["one", "two", "three"]
    assert [(reject.line, reject.reason.split(";")[0]) for reject in rejected] == [
        (2, "line is empty"),
        (4, "line is not valid UTF-8 at byte 3"),
    ]


def test_parquet_rows_are_read_and_broken_ones_are_rejected_by_row_number(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3, 4], "prompt": ["one", None, "", "four"]})
    seeds, rejected = read_seeds([parquet(tmp_path, "a.parquet", table)], builtin=False)
    assert [seed.text for seed in seeds] == ["one", "four"]
    assert [(reject.line, reject.reason) for reject in rejected] == [
        (2, "field 'prompt' is null; expected a text"),
        (3, "field 'prompt' is empty; expected a text"),
    ]


def test_invalid_utf8_inside_a_parquet_column_costs_that_row_alone(tmp_path: Path) -> None:
    column = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00\x04\x00\x00\x00"), pa.py_buffer(b"ok\xff\xfe")],
    )
    seeds, rejected = read_seeds([parquet(tmp_path, "a.parquet", pa.table({"seed": column}))], builtin=False)
    assert [seed.text for seed in seeds] == ["ok"]
    assert rejected[0].line == 2
    assert "not valid UTF-8" in rejected[0].reason


def test_the_same_text_twice_is_kept_once_and_the_other_names_the_first(tmp_path: Path) -> None:
    one = written(tmp_path, "a.txt", "Explain tides.\nSomething else.")
    two = written(tmp_path, "b.jsonl", '{"seed": "  Explain\\n tides. "}\n{"seed": "New."}')
    seeds, rejected = read_seeds([one, two], builtin=False)
    assert [seed.text for seed in seeds] == ["Explain tides.", "Something else.", "New."]
    assert [(reject.source, reject.line, reject.reason) for reject in rejected] == [
        ("b.jsonl", 1, "duplicate of a.txt line 1")
    ]


def test_a_file_whose_records_are_all_duplicates_is_not_broken(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "Explain tides.")
    seeds, rejected = read_seeds([path, path], builtin=False)
    assert len(seeds) == 1
    assert [(reject.source, reject.reason) for reject in rejected] == [("a.txt#2", "duplicate of a.txt line 1")]


def test_ids_depend_on_neither_path_nor_order_nor_spacing(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    one = written(tmp_path, "a.txt", "Explain tides.\nDescribe rain.")
    two = written(tmp_path / "deep", "b.txt", "Describe   rain.\nExplain tides.")
    first, second = (read_seeds([path], builtin=False)[0] for path in (one, two))
    assert {seed.seed_id for seed in first} == {seed.seed_id for seed in second}
    assert str(tmp_path) not in str(first + second)


def test_a_file_with_no_usable_record_fails_with_the_first_three_reasons(tmp_path: Path) -> None:
    good = written(tmp_path, "good.txt", "Explain tides.")
    bad = written(tmp_path, "bad.jsonl", '{"seed": 1}\n{"seed": 2}\nnope\n{"seed": 4}\n')
    with pytest.raises(InputError) as error:
        read_seeds([good, bad], builtin=False)
    message = str(error.value)
    assert "bad.jsonl: none of its 4 records is usable" in message
    assert "line 1: field 'seed' is int" in message
    assert "line 3: line is not valid JSON" in message
    assert "line 4" not in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "the file is empty"),
        ("a.parquet", b"not parquet at all", "not a readable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_used_at_all_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=name) as error:
        read_seeds([written(tmp_path, name, content)], builtin=False)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "name", ["missing.jsonl", "nosuchprotocol://host/seeds.jsonl", "missing", "nosuchprotocol://host"]
)
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    path = name if "://" in name else str(tmp_path / name)
    with pytest.raises(InputError, match="cannot be opened"):
        read_seeds([path], builtin=False)


def test_a_parquet_file_without_a_seed_column_says_what_it_found(tmp_path: Path) -> None:
    path = parquet(tmp_path, "a.parquet", pa.table({"question": ["x"]}))
    with pytest.raises(InputError, match=r"and no conversation .*; found 'question'"):
        read_seeds([path], builtin=False)


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(InputError, match=r"seeds\.builtin"):
        read_seeds([], builtin=False)


def test_a_url_of_another_filesystem_is_read() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/seeds/a.txt", b"Explain tides.\n")
    assert [seed.text for seed in read_seeds(["memory://seeds/a.txt"], builtin=False)[0]] == ["Explain tides."]


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), min_size=1, max_size=12))
def test_every_line_ends_as_exactly_one_seed_or_one_rejection(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = written(tmp_path_factory.mktemp("any"), "a.txt", b"a good line\n" + b"".join(line + b"\n" for line in lines))
    seeds, rejected = read_seeds([path], builtin=False)
    assert len(seeds) + len(rejected) == len(lines) + 1
    assert len({seed.seed_id for seed in seeds}) == len(seeds)
    assert len({reject.line for reject in rejected}) == len(rejected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "other"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(documents=st.lists(JSON, max_size=10))
def test_any_json_ends_as_a_seed_or_a_rejection_that_can_be_stored(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Any]
) -> None:
    lines = [json.dumps(document) for document in [{"seed": "a good line"}, *documents]]
    seeds, rejected = read_seeds([written(tmp_path_factory.mktemp("any"), "a.jsonl", "\n".join(lines))], builtin=False)
    assert len(seeds) + len(rejected) == len(lines)
    for item in (*seeds, *rejected):
        assert "".join(map(str, vars(item).values())).encode()


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(st.text(), st.integers(0, 2**31 - 1))
def test_the_split_hash_is_a_share(text: str, seed: int) -> None:
    assert 0 <= split_hash(text.encode(errors="ignore").decode(), seed) < 1


@pytest.mark.parametrize(
    "variant", ["explain tides", "EXPLAIN TIDES!", "  Explain,\n tides...", "“Explain” tides?", "Ｅxplain tides."]
)
@pytest.mark.parametrize("held_out", [0.2, 0.5, 0.8])
def test_texts_that_differ_in_case_spaces_or_punctuation_share_their_split(variant: str, held_out: float) -> None:
    pair = [SeedText("a", "Explain tides.", "test"), SeedText("b", variant, "test")]
    for seed in range(20):
        splits = {item.split for item in split_seeds([*pair, *texts_of(4)], held_out, seed) if item.seed_id in "ab"}
        assert len(splits) == 1


@given(share=st.floats(0.05, 0.95), seed=st.integers(0, 1_000), kept=st.sets(st.integers(0, 59)), order=st.randoms())
def test_with_a_share_other_seeds_never_move_a_seed(
    share: float, seed: int, kept: set[int], order: random.Random
) -> None:
    everything = texts_of(60)
    some = [everything[i] for i in kept]
    order.shuffle(some)
    full = {item.seed_id: item.split for item in split_seeds(everything, share, seed)}
    assert all(full[item.seed_id] == item.split for item in split_seeds(some, share, seed))


def test_a_larger_share_only_moves_seeds_to_held_out() -> None:
    held = [
        {item.seed_id for item in split_seeds(texts_of(300), share, 0) if item.split == "held_out"}
        for share in (0.1, 0.2, 0.5)
    ]
    assert held[0] < held[1] < held[2]


def test_the_share_is_met_on_average() -> None:
    # 4,000 fair draws at 0.2: standard deviation 0.0063, so 0.025 is 4 of them (odds 1 in 16,000; the texts are fixed).
    held = sum(item.split == "held_out" for item in split_seeds(texts_of(4_000), 0.2, 0))
    assert abs(held / 4_000 - 0.2) < 0.025


def test_another_seed_splits_otherwise() -> None:
    assert split_seeds(texts_of(50), 0.5, 0) != split_seeds(texts_of(50), 0.5, 1)


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_split_is_refused(held_out: float) -> None:
    with pytest.raises(ConfigError, match="held-out"):
        split_seeds(texts_of(5), held_out, 0)


def test_a_limited_choice_does_not_depend_on_order_and_grows_by_addition() -> None:
    seeds = texts_of(40)
    few, more = at_most(seeds, 5, 0), at_most(seeds[::-1], 9, 0)
    assert len(few) == 5
    assert set(few) < set(more)
    assert at_most(seeds, 100, 0) == sorted(seeds, key=lambda item: item.seed_id)
