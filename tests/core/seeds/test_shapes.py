"""Every shape of record and of file in a small file (shapes/): read right, or refused by name."""

import csv
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import InstructionsConfig, LadderConfig, SeedsConfig
from ifrl_core.errors import InputError
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.records import Message, Row, conversation_of
from ifrl_core.seeds.conversations import ROLES, UnusableError, dialog_of, tools_of
from ifrl_core.seeds.marked import turns_in
from ifrl_core.seeds.read import SeedText, digest_of_seeds, read_seeds
from ifrl_core.seeds.record import reading_of
from ifrl_core.seeds.split import split_seeds
from ifrl_core.seeds.stage import make_seeds, seeds_source
from tests.core.seeds.hub import hub

SHAPES = Path(__file__).with_name("shapes")
# Of each file its seeds: shape, answers left out, and what is said; and of what is refused, line and a part of the reason.
READ: dict[str, tuple[list[tuple[str, int, str]], list[tuple[int, str]]]] = {
    "alpaca.jsonl": (
        [("Alpaca", 0, "Sum it up.\n\nThe tide rises twice a day."), ("Alpaca", 0, "Explain tides.")],
        [(3, "field 'input' says more of the task than 'instruction'")],
    ),
    "dolly.jsonl": ([("Dolly", 0, "When is high water?\n\nHigh water at Brest is at noon.")], []),
    "sharegpt.json": (
        [
            ("ShareGPT", 1, "system: You are a pilot. | user: Is it ebb? | assistant: It is. | user: Until when?"),
            ("ShareGPT", 1, "user [tools]: High water at Brest? | assistant [tool_calls]:  | tool: {\"high\": \"12:00\"} | "
             "assistant: At noon. | user: And the next?"),
            ("ShareGPT", 0, "user: Low water? | assistant [tool_calls]: Let me see. | tool: 18:00 | assistant: At six. | "
             "user: And after?"),
        ],
        [(2, "'conversations': message 1 is the assistant's, at the beginning; expected the system's or the user's")],
    ),
    "openai.jsonl": (
        [
            ("OpenAI messages", 0, "system: Be brief. | user: What is ebb? | assistant: Falling water. | user: And flood?"),
            ("OpenAI messages", 0, "user [tools]: High water? | assistant [tool_calls]:  | tool [tool_call_id]: 12:00 | "
             "assistant: Noon. | user: Thanks. And low?"),
            ("OpenAI messages", 0, "Call it."),
        ],
        [
            (3, "message 2 is the user's, after the user's; expected the assistant's or a call of tools"),
            (4, "message 1 holds a part of type 'image_url'; expected text alone"),
            (6, "parameters of tool 'a' are no JSON schema of an object"),
        ],
    ),
    "nested.jsonl": (
        [
            ("OpenAI messages in a prompt", 0, "system: Be brief. | user: What is ebb tide?"),
            ("OpenAI messages in a prompt", 0, "What is flood?"),
            ("JSON text of messages", 0, "What is a surge?"),
            ("plain", 0, "[1, 2] Which is more?"),
        ],
        [],
    ),
    "guanaco.jsonl": (
        [
            ("text with marks", 1, "user: What is a neap tide? | assistant: A weak one. | user: And a spring tide?"),
            ("text with marks", 1, "system: Be brief. | user: What is slack water?"),
            ("text with marks", 1, "Who was Kelvin?"),
            ("text with marks", 1, "system: Below is an instruction. | user: Translate it.\n\nMarée"),
            ("text with marks", 1, "user: What is a bore? | assistant: A wave. | user: Where?"),
            ("text with marks", 0, "user: What is a seiche? | assistant: A wave. | user: Where?"),
            ("text with marks", 0, "system: Be brief. | user: What is swell?"),
            ("text with marks", 0, "user: What is a rip? | assistant: A current. | user: How fast?"),
            ("plain", 0, "Finish the chat.\n\nUser: Ahoy\nAssistant: Ahoy"),
            ("plain", 0, "Model: T-800\nUser: John\nTell of them."),
            ("plain", 0, "User: a film of 2017. Review it."),
        ],
        [(6, "field 'text': message 2 is the user's, after the user's")],
    ),
    "oasst.jsonl": ([("plain", 0, "What pulls the sea?")], [(2, "a later message of a tree ('parent_id')")]),
    "ultrachat.jsonl": (
        [
            ("UltraChat", 1, "user: Tell me of tides. | assistant: They rise. | user: Why?"),
            ("UltraChat", 1, "user: Name a sea. | assistant: The Baltic. | user: Has it tides?"),
        ],
        [],
    ),
    "magpie.jsonl": (
        [("Magpie", 1, "Why is the sea salty?")],
        [(2, "field 'instruction' says what 'conversations' does not; expected the task in one of them")],
    ),
    "table.csv": (
        [("Alpaca", 0, "Sum it up,\nplease.\n\nThe sea is wide."), ("Alpaca", 0, "Name a bird.")],
        [(4, "row has 2 values; expected 3")],
    ),
    "table.tsv": ([("text with system, history or tools", 0, "system: Be brief. | user: Name a fish.")], []),
    "open.tsv": (
        [("text with system, history or tools", 0, "system: Be brief. | user: Name a \"fish\".")],
        [(4, "the quotation mark that opens in line 3 or after it is not closed and takes in all up to line 4")],
    ),
    "chats.csv": (
        [("JSON text of messages", 0, "user: Hi; you? | assistant: Well. | user: Good.")],
        [(3, "field 'messages' is not valid JSON")],
    ),
    "packed.jsonl.gz": ([("plain", 0, "Pack it with gzip.")], []),
    "packed.txt.zst": ([("plain", 0, "Pack it with zstd.")], []),
    "saved": (
        [
            ("OpenAI messages", 0, "Saved three?"),
            ("OpenAI messages", 0, "user: Saved one? | assistant: Yes. | user: Sure?"),
            ("OpenAI messages", 1, "Saved two?"),
        ],
        [],
    ),
    "mixed.jsonl": (
        [
            ("plain", 0, "Name a fruit."),
            ("text with system, history or tools", 0, "system: Be kind. | user: Hi | assistant: Hello | user: Who?"),
            ("text with marks", 1, "system: You know the time. | user: Is it late? | assistant: Yes. | user: How late?"),
            ("text with marks", 0, "system: Be kind. | user: Hi | assistant: Hello. | user: Which?"),
        ],
        [
            (2, "fields 'messages' and 'conversations' hold conversations that differ"),
            (3, "field 'turns' is a list of str; expected a list of messages"),
            (7, "field 'conversations' has no text in it; expected a conversation"),
            (8, "field 'dialogue' is a text without marks of who speaks; expected a list of messages"),
        ],
    ),
}  # fmt: skip
USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}


def said(seed: SeedText) -> str:
    return " | ".join(map(_said, seed.messages)) or seed.text


def _said(message: Message) -> str:
    further = [name for name in message if name not in ("role", "content")]
    return f"{message['role']}{f' [{further[0]}]' if further else ''}: {message['content']}"


def dialog(*turns: str) -> dict[str, Any]:
    """A record of turns: the user's, the assistant's, and so on."""
    return {"messages": [{**(ANSWER if place % 2 else USER), "content": text} for place, text in enumerate(turns)]}


def written(folder: Path, *records: Any) -> str:
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_every_file_has_its_line() -> None:
    assert {path.name for path in SHAPES.iterdir()} == set(READ)


@pytest.mark.parametrize("name", READ)
def test_a_shape_is_read_right_or_refused_by_name(name: str) -> None:
    seeds, rejected = read_seeds([str(SHAPES / name)], builtin=False)
    usable, refused = READ[name]
    assert [(seed.shape, seed.left_out, said(seed)) for seed in seeds] == usable
    assert [item.line for item in rejected] == [line for line, _ in refused]
    assert all(part in item.reason for item, (_, part) in zip(rejected, refused, strict=True))


def test_files_of_a_folder_are_named_by_where_they_lie_in_it() -> None:
    seeds, _ = read_seeds([str(SHAPES / "saved")], builtin=False)
    assert {seed.source for seed in seeds} == {f"saved/{side}/data-00000-of-00001.arrow" for side in ("train", "test")}


def test_a_folder_without_seeds_says_what_it_could_hold(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("no seeds")
    with pytest.raises(InputError, match=r"no file of seeds; expected \.jsonl, .*, \.arrow, \.csv"):
        read_seeds([str(tmp_path)], builtin=False)


def test_a_conversation_is_itself_by_all_that_is_said_in_it(tmp_path: Path) -> None:
    """History, system message and tools make another seed; answers after the last turn, and spaces, do not."""
    tools = [{"name": "f"}]
    records = [
        dialog("Hi"),
        dialog("Hi", "Yes.", "More"),
        dialog("Hi", "No.", "More"),
        {**dialog("Hi"), "tools": tools},
    ]
    again = [
        dialog("Hi", "Done."),
        dialog("Hi ", "Yes. ", "More", "End."),
        {"prompt": "Hi"},
        {"prompt": "Hi", "system": "Go."},
    ]
    seeds, rejected = read_seeds([written(tmp_path, *records, *again)], builtin=False)
    assert len({seed.seed_id for seed in seeds}) == 5
    assert [item.line for item in rejected] == [5, 6, 7]
    assert len({digest_of_seeds([seed.said for seed in seeds[:count]], []) for count in range(5)}) == 5


def test_parts_of_one_dialog_are_on_one_side(tmp_path: Path) -> None:
    """Also where the file has every turn of it as a record, and whatever its system message."""
    parts = [
        {**dialog(*(f"Dialog {number} turn {turn}" for turn in range(length))), "system": system}
        for number in range(20)
        for length, system in ((1, ""), (3, ""), (5, "Be kind."))
    ]
    seeds, _ = read_seeds([written(tmp_path, *parts)], builtin=False)
    sides = {(seed.opening, seed.split) for seed in split_seeds(seeds, 0.5, 0)}
    assert (len(seeds), len(sides), len({side for _, side in sides})) == (60, 20, 2)


def test_whole_conversations_go_from_files_to_prompts(store: ArtifactStore, tmp_path: Path) -> None:
    tools = [{"name": "f", "parameters": {"type": "object", "properties": {}}}]
    records = [{**dialog(f"One {n}", "Yes.", f"Two {n}"), "system": "Be kind.", "tools": tools} for n in range(6)]
    path = written(tmp_path, *records, *({"prompt": f"Plain {n}"} for n in range(6)))
    seeds = make_seeds(seeds_source(SeedsConfig(files=(path,), builtin=False, held_out_share=0.5)), {}, store)
    figures = store.manifest(seeds).figures
    assert (figures["shapes"], figures["conversations"]) == ({"OpenAI messages": 6, "plain": 6}, 6)
    assert (figures["with_system"], figures["with_history"], figures["with_tools"]) == (6, 6, 6)
    types = ("punctuation:", "keywords:", "tone:")  # whose rules are quick
    instructions = make_instructions(InstructionsConfig(types=types), {"seeds": seeds}, store)
    asked = [
        row for row in store.rows(make_prompts(LadderConfig(), {"instructions": instructions}, store)) if row["level"]
    ]
    lengths = [len(row["messages"]) for row in asked]
    assert (set(lengths), len(asked) > 24) == ({1, 4}, True)
    for row in asked:
        whole = conversation_of(row)
        if len(whole.messages) == 4:
            assert (whole.system, whole.tools) == ("Be kind.", tools_of(tools))
            assert whole.request.startswith("Two ")


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([ANSWER], "has no message of the user"),
        ([USER, ANSWER, {"role": "system", "content": "Be kind."}, USER], "message 3 is the system's, after the assistant's"),
        ([USER, {"role": "tool", "content": "5"}, USER], "message 2 is a tool's result, after the user's"),
        ([USER, {**ANSWER, "tool_calls": [{"name": "f"}]}, USER], "message 3 is the user's, after a call of tools"),
        ([USER, {**ANSWER, "content": " "}, USER], "message 2, of the assistant, is empty"),
        ([{"role": "user", "content": 7}], "message 1 holds int; expected a text"),
        ([{"role": "critic", "content": "x"}], "message 1 is of 'critic'; expected one of system, user"),
        ([USER, {**ANSWER, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, USER], "is not valid JSON"),
        ([USER, {**ANSWER, "tool_calls": [{"function": {"arguments": {}}}]}, USER], "without name or arguments"),
        ([USER, {**ANSWER, "tool_calls": [{"function": "f"}]}, USER], "without name or arguments"),
        ([USER, 5], "message 2 is int; expected an object with role and content"),
        ([{**USER, "value": "More."}], "message 1 has several texts (content, value, text) that differ"),
        ([{**USER, "from": "gpt"}], "message 1 is of several speakers (assistant, user)"),
        ([{**USER, "Images": ["a.png"]}], "message 1 has 'Images' beside its text"),
        ([{**USER, "attachments": [{"name": "a"}]}], "message 1 has 'attachments' beside its text"),
        ([{**USER, "content": [{"type": "text", "text": "x", "image_url": "a"}]}], "holds a part of type 'text'"),
        ([{**USER, "tool_calls": [{"name": "f"}]}], "message 1 calls tools and is the user's"),
    ],
)  # fmt: skip
def test_what_nobody_could_be_asked_is_refused_by_message(turns: list[Any], reason: str) -> None:
    with pytest.raises(UnusableError) as error:
        dialog_of(turns, "field 'messages'")
    assert reason in str(error.value)
    assert "field 'messages'" in str(error.value)


def test_what_a_message_holds_nothing_in_is_no_loss() -> None:
    nothing = {"value": None, "text": USER["content"], "images": [], "image_url": None, "tool_calls": None}
    part = {"type": "text", "text": USER["content"], "image_url": None}
    for turn in ({**USER, **nothing}, {**USER, "speaker": "Ada"}, {**USER, "content": [part]}):
        assert dialog_of([turn], "field 'messages'").messages == (USER,)


def test_what_a_prompt_holds_beside_its_messages_is_read_as_beside_it() -> None:
    prompt = {"messages": [USER], "system": "Be kind."}
    kind = ({"role": "system", "content": "Be kind."}, USER)
    assert reading_of({"prompt": prompt}).messages == kind
    assert reading_of({"prompt": prompt, "system": "Be kind."}).messages == kind
    assert "field 'system' differs inside of 'prompt'" in reading_of({"prompt": prompt, "system": "Be rude."}).problem
    assert "field 'images' says more" in reading_of({"prompt": {"messages": [USER], "images": ["a.png"]}}).problem


def test_a_sequence_with_more_roles_than_texts_is_refused() -> None:
    whole = {"role": ["user", "assistant", "user"], "content": ["a", "b", "c"]}
    assert reading_of({"messages": whole}).value == "c"
    cut = {**whole, "content": ["a", "b"]}
    assert "field 'messages' has 2 and 3 values of its fields" in reading_of({"messages": cut}).problem


TURN = st.fixed_dictionaries({
    "role": st.sampled_from([*ROLES, "critic", None]),
    "content": st.none() | st.text(max_size=5) | st.lists(st.just({"type": "text", "text": "x"}), max_size=2),
}, optional={"tool_calls": st.none() | st.just([{"name": "f", "arguments": {}}]) | st.text(max_size=3)})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(TURN, min_size=1, max_size=6), st.sampled_from(["messages", "conversations", "prompt"]))
def test_any_messages_end_as_a_conversation_that_can_be_asked_or_a_problem(turns: list[Any], field: str) -> None:
    read = reading_of({field: turns, "tools": [{"name": "f"}]})
    if read.problem or not isinstance(read.value, str):  # the latter is refused as no text when it is read
        return
    roles = [message["role"] for message in read.messages]
    kept = [turn for turn in turns if ROLES[turn["role"]] != "system" or turn["content"]]
    assert (roles[-1], read.messages[-1]["content"]) == ("user", read.value)
    assert all(
        pair not in ("uu", "aa", "us", "as", "ut")
        for pair in ("".join(r[0] for r in p) for p in itertools.pairwise(roles))
    )
    assert len(read.messages) <= len(kept)
    assert [ROLES[turn["role"]].replace("call", "assistant") for turn in kept[: len(roles)]] == roles


@pytest.mark.usefixtures("nothing_to_collect")
@pytest.mark.parametrize("many", ["#", " ", "<tool_call>", "<<SYS>>"])
def test_texts_that_repeat_themselves_take_no_time(many: str) -> None:
    begun = time.process_time()
    turns_in(f"### Human: {many * 20_000} x\n### Assistant: y")
    dialog_of([USER, {**ANSWER, "content": f"x{many * 20_000}"}, USER], "field 'messages'")
    call = {**ANSWER, "content": "", "tool_calls": [{"name": "f", "arguments": {}}]}
    result = {"role": "tool", "content": f"<tool_response>{many * 20_000}x"}
    dialog_of([USER, call, result, ANSWER, USER], "field 'messages'")
    assert time.process_time() - begun < 1  # quadratic ways take minutes


def test_a_dataset_of_the_hub_is_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"prompt": "From the Hub."}\n'
    with hub({"data/train.jsonl": lines, "README.md": b"x"}) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        (seed,), _ = read_seeds(["hf://datasets/org/name"], builtin=False)
        assert (seed.text, seed.source) == ("From the Hub.", "name/data/train.jsonl")
        with pytest.raises(InputError, match="hf://datasets/org/none: cannot be opened"):
            read_seeds(["hf://datasets/org/none"], builtin=False)


TURNS = [{"role": role, "content": text} for role, text in (("user", "Hi"), ("assistant", "Hello"), ("user", "More"))]


@pytest.mark.parametrize(
    ("beside", "problem"),
    [
        ({"turns": 2}, ""),
        ({"conversation": "c-17"}, ""),
        ({"turns": ["Hi", "Hello", "More"]}, ""),
        ({"dialog": "Hi"}, ""),
        ({"turns": ["Hi", "Something else"]}, "field 'turns' is a list of str"),
        ({"dialog": "Something else."}, "field 'dialog' is"),
    ],
)
def test_a_second_field_that_may_hold_a_conversation_matters_where_it_says_more(
    beside: dict[str, Any], problem: str
) -> None:
    for record in ({"messages": TURNS} | beside, beside | {"messages": TURNS}):
        read = reading_of(record)
        assert (read.value, read.problem) == ("More", "") if not problem else read.problem.startswith(problem)
    alone = reading_of({"prompt": "Hi Hello More"} | beside)
    assert bool(alone.problem) == bool(problem)


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl", "deep.csv"])
def test_a_record_that_is_nested_too_deeply_is_refused_alone(name: str, tmp_path: Path) -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = json.dumps([{"name": "f", "parameters": schema}])
    records = [{"seed": "Explain tides.", "tools": tools}, {"seed": "Name a bird.", "tools": ""}]
    if name.endswith("csv"):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, ["seed", "tools"])
            writer.writeheader()
            writer.writerows(records)
    else:
        lines = "\n".join(map(json.dumps, records))
        (tmp_path / name).write_text(json.dumps(records) if name.endswith("json") else lines)
    (seed,), (refused,) = read_seeds([str(tmp_path / name)], builtin=False)
    assert seed.text == "Name a bird."
    assert "nested too deeply" in refused.reason


@pytest.mark.parametrize(
    ("record", "seed"),
    [
        ({"instruction": "Name a bird.", "prompt": "Sum it up."}, ""),
        ({"seed": "Name a bird.", "text": "A wren is small."}, ""),
        ({"prompt": "Sum it  up.\n", "text": "Sum it up."}, "Sum it  up.\n"),
        ({"prompt": "Sum it up.", "text": "Q: Sum it up. A: It is short."}, "Sum it up."),
        (
            {"instruction": "Sum", "input": "it up.", "text": "### Instruction:\nSum\n\n### Input:\nit up."},
            "Sum\n\nit up.",
        ),
        ({"instruction": "Sum", "input": "it up.", "prompt": "Sum it up."}, "Sum\n\nit up."),
        ({"prompt": "Human: Sum it up.\n\nAssistant:", "text": "Name a bird."}, ""),
        ({"prompt": "Human: Sum it up.\n\nAssistant:", "text": "Human: Sum it up.\n\nAssistant: Short."}, "Sum it up."),
        ({"prompt": "Sum it up.", "text": None}, "Sum it up."),
        ({"prompt": "Sum it up.", "text": " "}, "Sum it up."),
    ],
)
def test_two_fields_that_could_be_the_seed_are_one_task_or_refused(record: Row, seed: str) -> None:
    reading = reading_of(record)
    if seed:
        assert (reading.problem, reading.value) == ("", seed)
    else:
        asked, other = record
        assert (
            reading.problem == f"field {other!r} asks something else than {asked!r}; expected the task in one of them"
        )
