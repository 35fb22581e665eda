"""Seed files as people have them: other columns, other types, other encodings, other kinds of file."""

import gzip
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.errors import InputError
from ifrl_core.seeds.conversations import texts_in
from ifrl_core.seeds.read import Rejected, read_seeds
from ifrl_core.seeds.record import CONTEXT, CONVERSATIONS, FIELDS, reading_of

TIDES = "Explain tides."
NOTHING = ("", "<noinput>", "nan", "none", "null", "n/a")


def read(folder: Path, name: str, content: str | bytes) -> tuple[list[str], list[Rejected]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    seeds, rejected = read_seeds([str(path)], builtin=False)
    return [seed.text for seed in seeds], rejected


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("nothing", ["", "  ", None, "<noinput>", "nan", float("nan"), [], {}, ["", None], False])
@pytest.mark.parametrize("field", ["input", "context", "history", "System"])
def test_an_empty_field_beside_the_seed_is_no_loss(field: str, nothing: Any) -> None:
    read = reading_of({"instruction": TIDES, field: nothing, "output": "x"})
    assert (read.value, read.field, read.problem, read.messages) == (TIDES, "instruction", "", ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inputs", "The tide rises twice a day."),
        ("Input", ["The moon pulls."]),
        ("passage", "The moon pulls."),
        ("choices", ["the moon", "the sun"]),
        ("Image", {"path": "moon.png"}),
        ("videos", ["moon.mp4"]),
        ("question", "Why?"),
        ("chat", "And waves?"),
    ],
)  # fmt: skip
def test_a_field_that_says_more_of_the_task_than_the_seed_refuses_the_record_by_name(
    tmp_path: Path, field: str, value: Any
) -> None:
    texts, (rejected,) = read(
        tmp_path, "a.jsonl", lines({"instruction": TIDES, field: value}, {"instruction": "Name a fruit."})
    )
    assert texts == ["Name a fruit."]
    assert f"field {field!r} says more of the task than 'instruction' and is not read" in rejected.reason
    assert "write all of it into 'instruction'" in rejected.reason


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Shorten this: The moon pulls.", "input": "The moon\npulls."},
        {"prompt": TIDES, "messages": [{"role": "user", "content": TIDES}, {"role": "assistant", "content": "ok"}]},
        {"prompt": TIDES, "output": "The moon.", "category": "science", "id": 7},
    ],
)
def test_what_the_seed_says_too_and_answers_are_no_loss(record: dict[str, Any]) -> None:
    read = reading_of(record)
    assert (read.value, read.problem, read.messages) == (record["prompt"], "", ())


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    lost = [{"instruction": f"Sum up {n}.", "passage": f"Text {n}."} for n in range(3)]
    twice = [{"instruction": TIDES}, {"instruction": TIDES}]
    _, rejected = read(tmp_path, "a.jsonl", lines(*lost, *twice, {"instruction": "x" * 9000}) + "{\n{a\n")
    assert sorted(Counter(item.kind for item in rejected).values()) == [1, 1, 2, 3]


def test_a_text_that_speaks_of_one_side_is_a_seed() -> None:
    read = reading_of({"text": "User: an interface for whom?\nName three."})
    assert (read.problem, read.messages) == ("", ())


@pytest.mark.parametrize("wrong", [42, None, "", ["x"], {"a": 1}, 0.5])
def test_a_field_of_a_wrong_type_hides_no_good_one(tmp_path: Path, wrong: Any) -> None:
    texts, rejected = read(tmp_path, "a.jsonl", lines({"seed": wrong, "instruction": TIDES}))
    assert (texts, rejected) == ([TIDES], [])


def test_parquet_rows_are_looked_at_in_the_same_way(tmp_path: Path) -> None:
    table = pa.table(
        {
            "seed": [1, 2, 3],
            "instruction": pa.array([TIDES, "Shorten it.", "Name a fruit."], pa.large_string()).dictionary_encode(),
            "passage": ["", "The moon pulls.", None],
            "messages": pa.array(
                [[], None, None], pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
            ),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    seeds, (rejected,) = read_seeds([str(tmp_path / "a.parquet")], builtin=False)
    assert [seed.text for seed in seeds] == [TIDES, "Name a fruit."]
    assert rejected.line == 2
    assert "field 'passage' says more" in rejected.reason


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"{TIDES}{end}Erkläre Ebbe – kurz.{end}潮汐是什么?{end}"
    assert read(tmp_path, "a.txt", text.encode(encoding)) == ([TIDES, "Erkläre Ebbe – kurz.", "潮汐是什么?"], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", TIDES.encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
        ("a.txt", TIDES.encode("utf-16-be"), "looks like UTF-16 without a byte order mark"),
        ("a.txt", b"\xff\xfeE\x00x", "is not valid UTF-16 at byte"),
        ("a.txt", "Erkläre Ebbe.".encode("latin-1"), "line is not valid UTF-8"),
        ("a.txt", b"PK\x03\x04x", "is packed (zip); unpack it first"),
        ("a.jsonl", gzip.compress(b"tides" * 9, mtime=0)[:-9], "cannot be unpacked"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfdx", "cannot be unpacked"),
        ("a.txt", b"PAR1xxxx", "is a Parquet file; name it .parquet"),
        ("a.json", '[{"seed": "x"},', "begins as a JSON array and is not valid JSON"),
        ("a.jsonl", json.dumps({"seed": TIDES}, indent=2), "its objects go over several lines"),
        ("a.jsonl", "instruction,input\nExplain,\n", "holds a table with a header such as CSV; name it .csv"),
        ("a.jsonl", '{"seed": "x"},\n{"seed": "y"},\n', "a comma stands behind it"),
        ("a.jsonl", "\n\n", "line is empty"),
        ("a.json", "[]", "the file is empty"),
        (
            "a.csv",
            "question,answer\nWhy?,So.\n",
            "no field 'seed', 'instruction', 'prompt', 'text' and no conversation",
        ),
        ("a.arrow", b"ARROW1 and no more", "not a readable Arrow file"),
        ("a.xlsx", "x", "unknown kind of file '.xlsx'; expected one of .jsonl"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, name, content)
    assert message in str(error.value)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x92", "\ufffe"])
def test_control_characters_are_named(tmp_path: Path, character: str) -> None:
    texts, (rejected,) = read(tmp_path, "a.jsonl", lines({"seed": f"Explain{character} tides."}, {"seed": TIDES}))
    assert texts == [TIDES]
    assert f"field 'seed' holds the control character U+{ord(character):04X}" in rejected.reason


def test_tabs_and_line_ends_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", lines({"seed": "Sort:\r\n\tb\n\ta"}))[1] == []


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, *CONTEXT, *CONVERSATIONS, "other"]), VALUE, max_size=5))
def test_a_record_gives_its_seed_whole_or_a_problem(record: dict[str, Any]) -> None:
    read = reading_of(record)
    if read.problem or not isinstance(read.value, str):
        return
    said = " ".join(" ".join(text.split()) for text in (read.value, *texts_in(read.messages)))
    for name in (*FIELDS[:3], *CONTEXT):
        text = record.get(name)
        if isinstance(text, str) and (name in CONTEXT or name == read.field):
            assert " ".join(text.split()) in said or text.strip().lower() in NOTHING


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_end_as_seeds_rejections_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("a.txt", "a.json", "a.csv", "a.arrow"):
        with suppress(InputError):
            texts, rejected = read(folder, name, content)
            assert texts
            assert all(item.reason for item in rejected)
