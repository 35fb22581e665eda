"""SysBench: does a model hold to its system prompt through five turns, its own answers being the history.

Source: Qin et al. (arXiv 2408.10943). A judge says of each turn which criteria its answer meets. CSR is the share of criteria
met, ISR the share of turns that meet all of theirs, SSR the mean number of turns in a row, from the first, that do.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.ladders import leading
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, numbered, numbered_schema
from ifrl_core.evaluation.suite.benchmark import (
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Marks,
    Metric,
    Question,
    Terms,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

TYPES = {
    "内容约束": "content",
    "动作约束": "action",
    "背景约束": "background",
    "角色约束": "role",
    "格式约束": "format",
    "风格约束": "style",
}
Met = Sequence[bool] | None  # by criterion of a turn; None: the reply could not be read


def read(path: str) -> list[Item]:
    """Its dialogs: a field `turns`, or upstream's messages and `prompt_infos`."""
    return [_item(path, number, row) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row) -> Item:
    system = field(path, number, row, "system_prompt", str)
    given = row["turns"] if isinstance(row.get("turns"), list) else _upstream(path, number, row)
    turns = [_turn(f"{path} row {number}: turn {place}", turn) for place, turn in enumerate(given, start=1)]
    if not turns:
        raise InputError(f"{path} row {number}: field 'turns' is empty; expected its turns")
    first, *others = (turn["prompt"] for turn in turns)
    key = str(row.get("system_id", number))
    slices = {"rounds": "related" if row.get("rounds_related") else "parallel"}
    messages = (*asked(first, system=system), *(asked(prompt)[0] for prompt in others))
    return Item(key, messages, {"system": system, "turns": turns}, key, slices)


def _upstream(path: str, number: int, row: Row) -> list[Row]:
    """The turns of a row as the official file has it."""
    infos = field(path, number, row, "prompt_infos", dict)
    prompts = [m.get("content") for m in field(path, number, row, "messages", list) if m.get("role") == "user"]
    if missing := [prompt for prompt in prompts if not isinstance(infos.get(prompt), dict)]:
        raise InputError(f"{path} row {number}: 'prompt_infos' has no entry for {str(missing[0])[:60]!r}")
    return [
        {
            "prompt": prompt,
            "alignment": infos[prompt].get("alignment"),
            "criteria": [
                {"content": criterion.get("criteria_content"), "type": criterion.get("criteria_type")}
                for criterion in dict(infos[prompt].get("criteria") or {}).values()
            ],
        }
        for prompt in prompts
    ]


def _turn(where: str, turn: Any) -> Row:
    criteria = turn.get("criteria") if isinstance(turn, dict) else None
    texts = [c.get("content") for c in criteria if isinstance(c, dict)] if isinstance(criteria, list) else []
    if not isinstance(criteria, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: field 'criteria' has no texts; expected a list of objects with 'content'")
    if len(texts) < len(criteria) or not isinstance(turn.get("prompt"), str):
        raise InputError(f"{where}: expected 'prompt' as text, and 'criteria' as objects")
    types = [TYPES.get(str(c.get("type")), str(c.get("type"))) for c in criteria]
    return {"prompt": turn["prompt"], "alignment": str(turn.get("alignment")), "criteria": texts, "types": types}


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    """One question a turn."""
    yield _grade


def _grade(item: Item, answers: Sequence[str]) -> Grading:
    turns = item.row["turns"]
    verdicts: Sequence[Met] = yield [_question(item.row, place, answers) for place in range(len(turns))]
    unread = sum(met is None for met in verdicts)
    lines = [
        {"asked": text, "verdict": NOT_READ if met is None else "met" if met[place] else "not met"}
        for turn, met in zip(turns, verdicts, strict=True)
        for place, text in enumerate(turn["criteria"])
    ]
    return Graded(_marks(turns, verdicts), {NOT_READ: unread} if unread else {}, lines, _parts(turns, verdicts))


def _question(row: Mapping[str, Any], place: int, answers: Sequence[str]) -> Question:
    turn = row["turns"][place]
    before = zip(row["turns"][:place], answers[:place], strict=True)
    fields = {
        "system": row["system"],
        "history": "\n\n".join(f"User: {said['prompt']}\n\nAssistant: {answer}" for said, answer in before) or "(none)",
        "prompt": turn["prompt"],
        "answer": answers[place],
        "criteria": "\n".join(f"{number}. {text}" for number, text in enumerate(turn["criteria"], start=1)),
    }
    count = len(turn["criteria"])
    return Question("sysbench", fields, partial(numbered, n=count), numbered_schema(count))


def _criteria(turn: Row, met: Met) -> list[float | None]:
    return [None] * len(turn["criteria"]) if met is None else [float(holds) for holds in met]


def _marks(turns: Sequence[Row], verdicts: Sequence[Met]) -> Marks:
    """CSR by criterion, ISR by turn, and SSR, which a turn that was not read leaves open unless one before it failed."""
    whole = [None if met is None else all(met) for met in verdicts]
    held = leading(whole)
    return {
        "csr": [mark for turn, met in zip(turns, verdicts, strict=True) for mark in _criteria(turn, met)],
        "isr": [None if mark is None else float(mark) for mark in whole],
        "ssr": [None if held is None else float(held)],
    }


def _parts(turns: Sequence[Row], verdicts: Sequence[Met]) -> dict[str, dict[str, list[float | None]]]:
    parts: dict[str, dict[str, list[float | None]]] = {"type": {}, "alignment": {}, "turn": {}}
    for number, (turn, met) in enumerate(zip(turns, verdicts, strict=True), start=1):
        marks = _criteria(turn, met)
        parts["alignment"].setdefault(turn["alignment"], []).extend(marks)
        parts["turn"].setdefault(str(number), []).extend(marks)
        for kind, mark in zip(turn["types"], marks, strict=True):
            parts["type"].setdefault(kind, []).append(mark)
    return parts


SYSBENCH = Benchmark(
    name="sysbench",
    title="SysBench",
    metrics=(Metric("csr"), Metric("isr"), Metric("ssr", unit="turns")),
    read=read,
    grade=grade,
    source="PKU-Baichuan-MLSystemLab/SysBench: datas/system_benchmark_eval_datas.json, 500 dialogs of five turns",
    licence="no licence file",
    has_systems=True,
    max_tokens=2_048,
    needs=frozenset({"judge"}),
    templates=("sysbench",),
    odd=("upstream stops at a dialog whose judge's reply it cannot read (here that turn is unscored)",),
)
