"""Files of responses get verdicts: same rows, same order, clear errors."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifrl_core.constraints.check import check_file
from ifrl_core.constraints.given import GivenError, conversation_given
from ifrl_core.errors import InputError


def _jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _row(response: str, **more: Any) -> dict[str, Any]:
    return {"instruction_id": "punctuation:no_comma", "kwargs": "{}", "prompt": "p", "response": response, **more}


def test_jsonl_rows_come_back_in_order_with_verdicts(tmp_path: Path) -> None:
    rows = [_row(f"{'a, b' if n % 3 else 'a b'} {n}", n=n) for n in range(1_200)]  # more than two batches
    summary = check_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    found = _read(tmp_path / "out.jsonl")
    assert [row["n"] for row in found] == list(range(1_200))
    assert [row["strict"] for row in found] == [n % 3 == 0 for n in range(1_200)]
    assert (summary.rows, summary.strict, summary.changed) == (1_200, 400, None)


def test_parquet_keeps_its_columns_and_replaces_old_verdicts(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([_row("a b", strict=False, loose=True), _row("a, b", strict=False, loose=False)])
    pq.write_table(table, tmp_path / "in.parquet")
    summary = check_file(tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["instruction_id", "kwargs", "prompt", "response", "strict", "loose"]
    assert found["strict"].to_pylist() == [True, False]
    assert summary.changed == 1


def test_ifeval_lists_get_lists_and_follow_all(tmp_path: Path) -> None:
    row = {
        "key": 1,
        "prompt": "p",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{"num_words": None}, {"num_words": 3, "relation": "at least"}],
        "response": "First, a line\n*one* two three",
    }
    check_file(_jsonl(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl")
    (found,) = _read(tmp_path / "out.jsonl")
    assert (found["strict"], found["loose"]) == ([False, True], [True, True])
    assert (found["strict_all"], found["loose_all"]) == (False, True)


def test_jsonl_can_become_parquet(tmp_path: Path) -> None:
    rows = [_row("a"), {**_row("b, c"), "kwargs": {}}]
    check_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["strict"].to_pylist() == [True, False]


def test_reasoning_is_not_part_of_the_answer(tmp_path: Path) -> None:
    rows = [_row("<think>a, b</think>c"), _row("<think>never ends")]
    check_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert [row["strict"] for row in _read(tmp_path / "out.jsonl")] == [True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**_row("a"), "response": None}, "row 2, field 'response': missing"),
        ({**_row("a"), "response": 3}, "row 2, field 'response': expected text, found int"),
        ({**_row("a"), "kwargs": "{"}, "row 2, field 'kwargs': not JSON"),
        (
            {**_row("a"), "instruction_id": "no:such"},
            "row 2, field 'instruction_id': no verifier has the id 'no:such'; `",
        ),
        ({**_row("a"), "instruction_id": "punctuation:no_coma"}, "nearest: 'punctuation:no_comma'"),
        ({**_row("a"), "instruction_id": "tone:formal"}, "row 2, field 'instruction_id': "),
        ({**_row("a"), "kwargs": "[1]"}, "row 2, field 'kwargs': list; expected an object"),
        (
            {"response": "a", "instruction_id_list": ["punctuation:no_comma", "no:such"], "kwargs": [None, None]},
            "row 2, field 'instruction_id_list[1]': no verifier has the id 'no:such'",
        ),
        (
            {"response": "a", "instruction_id_list": ["length_constraints:number_words"], "kwargs": [None]},
            "row 2, field 'kwargs[0]': length_constraints:number_words: argument 'num_words' is missing",
        ),
        (
            {**_row("a"), "instruction_id": "language:response_language", "kwargs": {"language": "klingon"}},
            "argument 'language' is 'klingon'; expected a language code or tag such as en or pt-BR; detected are af, ar",
        ),
        ({**_row("a"), "instruction_id": None}, "row 2, field 'instruction_id': missing"),
        (
            {"response": "a", "instruction_id_list": ["a", "b"], "kwargs": [{}]},
            "row 2, field 'kwargs': 1 entries; expected a list as long as instruction_id_list (2)",
        ),
        ([1], "row 2 is not a JSON object"),
    ],
)
def test_a_bad_row_is_named_and_leaves_no_output(tmp_path: Path, row: Any, message: str) -> None:
    source = _jsonl(tmp_path / "in.jsonl", [_row("fine"), row])
    with pytest.raises(InputError) as caught:
        check_file(source, tmp_path / "out.jsonl")
    assert message in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_bytes_that_are_no_utf8_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"response": "\xff"}\n')
    with pytest.raises(InputError, match="row 1 is not JSON"):
        check_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(InputError, match="no such file"):
        check_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(InputError, match=r"unknown kind of file"):
        check_file(tmp_path / "in.csv", tmp_path / "out.jsonl")


def test_lone_surrogates_survive_a_jsonl_round_trip(tmp_path: Path) -> None:
    check_file(_jsonl(tmp_path / "in.jsonl", [_row("a \ud800 b")]), tmp_path / "out.jsonl")
    (found,) = _read(tmp_path / "out.jsonl")
    assert found["response"] == "a \ud800 b"


@pytest.mark.parametrize("kwargs", [None, "null", {}, "{}", {"num_words": None}])
def test_no_arguments_can_be_written_in_any_way(tmp_path: Path, kwargs: Any) -> None:
    one = {**_row("a b"), "kwargs": kwargs}
    listed = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [kwargs], "response": "a b"}
    for row in (one, listed):
        check_file(_jsonl(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl")
        assert _read(tmp_path / "out.jsonl")[0]["strict"] in (True, [True])


def test_an_empty_list_of_ids_hides_no_id(tmp_path: Path) -> None:
    check_file(_jsonl(tmp_path / "in.jsonl", [_row("a b", instruction_id_list=[])]), tmp_path / "out.jsonl")
    assert _read(tmp_path / "out.jsonl")[0]["strict"] is True


def test_an_id_may_come_twice_in_a_row(tmp_path: Path) -> None:
    twice = ["length_constraints:number_words"] * 2
    kwargs = [{"relation": "at least", "num_words": n} for n in (20, 2)]
    row = {"instruction_id_list": twice, "kwargs": kwargs, "response": "one two three"}
    check_file(_jsonl(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl")
    assert _read(tmp_path / "out.jsonl")[0]["strict"] == [False, True]


NULL = pa.null()
COLUMNS: dict[str, tuple[list[Any], pa.DataType]] = {
    "list<null>": ([[None, None], []], pa.list_(NULL)),
    "large_list<null>": ([[None, None], None], pa.large_list(NULL)),
    "fixed_size_list<null>": ([[None, None], [None, None]], pa.list_(NULL, 2)),
    "list<list<null>>": ([[[None], [None]], [[]]], pa.list_(pa.list_(NULL))),
    "null": ([None, None], NULL),
    "struct of nulls": ([{"a": None}, None], pa.struct([("a", NULL)])),
    "list of structs of nulls": ([[{"a": None}, {"a": None}], []], pa.list_(pa.struct([("a", NULL)]))),
    "large_string": (["a", "b"], pa.large_string()),
    "binary": ([b"\xff", None], pa.binary()),
    "map": ([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    "dictionary": (["a", "b"], pa.dictionary(pa.int32(), pa.string())),
    "list of dictionary": ([["a"], []], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_parquet_columns_of_any_type_pass_through(tmp_path: Path, name: str) -> None:
    values, type_ = COLUMNS[name]
    many = 300  # two batches
    table = pa.Table.from_pylist([_row("a b"), _row("a, b")] * many).append_column(
        "extra", pa.array(values * many, type_)
    )
    pq.write_table(table, tmp_path / "in.parquet")
    check_file(tmp_path / "in.parquet", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.drop_columns(["strict", "loose"]).equals(table)
    assert found["strict"].to_pylist() == [True, False] * many


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps([_row("a")]), "holds one JSON array; expected an object a line. Make lines of it: jq -c"),
        (json.dumps(_row("a"), indent=1), "its objects go over several lines"),
        ("instruction_id,response\n", "holds a table with a header such as CSV"),
        (b"\x1f\x8bxx", "is packed (gzip)"),
    ],
)
def test_a_file_that_is_no_json_lines_says_what_to_do(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        check_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "in.jsonl").write_bytes((json.dumps(_row("é"), ensure_ascii=False) + "\r\n").encode(encoding))
    check_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert _read(tmp_path / "out.jsonl")[0]["response"] == "é"


def _turns_row(**row: Any) -> dict[str, Any]:
    kwargs = json.dumps({"turn_number": 0})
    return {"instruction_id": "conversation:hold_rule", "kwargs": kwargs, "response": "Hello. Fair winds.", **row}


MESSAGES = [
    {"role": "system", "content": 'Always end with "Fair winds."'},
    {"role": "user", "content": "Hi.", "name": None},
]
TOOLS = [{"type": "function", "function": {"name": "sail", "parameters": {"type": "object", "properties": {}}}}]


def test_a_type_of_conversations_is_judged_in_the_rows_own(tmp_path: Path) -> None:
    calling = {"instruction_id": "tools:call", "kwargs": {"tool": "sail"}, "messages": MESSAGES, "tools": TOOLS}
    rows = [
        _turns_row(messages=MESSAGES),
        _turns_row(messages=json.dumps(MESSAGES), response="Hello."),
        _turns_row(**calling, response='<tool_call>{"name": "sail", "arguments": {}}</tool_call>'),
        _row("a b", messages="not read for a plain type"),
    ]
    check_file(_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert [row["strict"] for row in _read(tmp_path / "out.jsonl")] == [True, False, True, True]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (_turns_row(), r"row 1, field 'instruction_id': .*none is given"),
        (_turns_row(prompt="Hi."), r"row 1, field 'instruction_id': .*has nothing that it is about"),
        (_turns_row(messages=[{"role": "user"}]), r"row 1, field 'messages': expected a list"),
        (_turns_row(messages=[MESSAGES[0]]), r"row 1, field 'messages': expected the user's turn"),
        (_turns_row(messages=MESSAGES, tools=["sail"]), r"row 1, field 'tools': expected a list of tools"),
    ],
)
def test_a_row_without_the_conversation_that_its_type_needs_is_refused(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_file(_jsonl(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl")


def test_an_assistant_that_only_called_tools_says_nothing_and_a_tool_without_name_is_refused() -> None:
    call = {"type": "function", "id": "1", "function": {"name": "f", "arguments": "{}"}}
    asked = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "5"},
        {"role": "assistant", "content": "Five."},
        {"role": "user", "content": "And?"},
    ]
    found = conversation_given({"messages": asked, "tools": [{"type": "function", "function": {"name": "f"}}]})
    assert found is not None
    assert (found.request, len(found.messages)) == ("And?", 5)
    for tools in ([{"type": "web_search"}], [{"name": "f", "parameters": [1]}], {"f": 1}, 5):
        with pytest.raises(GivenError, match="tools"):
            conversation_given({"messages": asked, "tools": tools})
