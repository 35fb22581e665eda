"""ComplexBench: questions on the points of an instruction that depend on each other, answered by a judge or by rules.

Source: Wen et al., ComplexBench (arXiv 2407.03978). Where a point has a rule, a judge first cuts out of the response what the
rule is about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, YES_NO_SCHEMA, json_in, yes_or_no
from ifrl_core.evaluation.benchmarks.rules.complexbench import decidable, decided, of_each
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Metric,
    Question,
    Terms,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

UNDECIDABLE = "rule that nothing decides"
_FAMILIES = {
    "lexical": ("Word Matching", "Keywords"),
    "format": (
        "JSON Format",
        "Markdown Format",
        "Bullets Format",
        "Length",
        "Start with",
        "End with",
        "Punctuation",
        "Template",
    ),
    "semantic": ("Language Style", "Personalization", "Topic", "Sentiment"),
    "utility": ("Helpfulness", "Target Language", "Supportiveness", "Consistency", "Factuality"),
}
_FAMILY = {constraint: family for family, constraints in _FAMILIES.items() for constraint in constraints}
_SPANS_SCHEMA = {
    "type": "object",
    "properties": {"spans": {"type": "array", "items": {"type": "string"}}},
    "required": ["spans"],
    "additionalProperties": False,
}
_OFFICIAL_MARKS = ("评分对象：", "评测对象：")


def _read(suffix: str) -> Callable[[str], list[Item]]:
    """Reads rows in the language whose fields end so."""
    return lambda path: [_item(path, number, row, suffix) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row, suffix: str) -> Item:
    key = str(field(path, number, row, "main_id", (int, str)))
    prompt = field(path, number, row, f"instruction{suffix}", str)
    given = field(path, number, row, "scoring_questions", list)
    points = [_point(path, number, question, suffix) for question in given]
    ids = {point["id"] for point in points}
    if not points or len(ids) < len(points):
        raise InputError(
            f"{path} row {number}: 'scoring_questions' is empty or holds one point_id twice; expected one each"
        )
    if unknown := sorted({dep for point in points for dep in point["dep"]} - ids):
        raise InputError(f"{path} row {number}: a question depends on point {unknown[0]}, which the row has not")
    category = row.get("category")
    groups = {"category": "_".join(category) if isinstance(category, list) else category, "task": row.get("task_types")}
    slices = {name: str(group) for name, group in groups.items() if group}
    return Item(key, asked(prompt), {"questions": points}, str(row.get("group") or key), slices)


def _point(path: str, number: int, question: object, suffix: str) -> Row:
    if not isinstance(question, dict):
        raise InputError(f"{path} row {number}: a scoring question is {type(question).__name__}; expected an object")
    rule = question.get("rule")
    if not isinstance(rule, str | None):
        raise InputError(f"{path} row {number}: field 'rule' is {type(rule).__name__}; expected str or null")
    deps = question.get("dep") or []
    if not isinstance(deps, list) or not all(isinstance(dep, int) for dep in deps):
        raise InputError(f"{path} row {number}: field 'dep' is {str(deps)[:80]!r}; expected a list of point ids")
    return {
        "id": field(path, number, question, "point_id", int),
        "question": field(path, number, question, f"question{suffix}", str),
        "rule": rule or None,
        "dep": deps,
        "constraints": _names(question.get("constraint_dimensions")),
        "compositions": _names(question.get("composition_types")),
    }


def _names(value: Any) -> list[str]:
    """One name or several, as the README has both."""
    return [str(name) for name in value] if isinstance(value, list) else [str(value)] if value else []


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    yield lambda item, answers: _graded(item, answers, terms)


def _graded(item: Item, answers: Sequence[str], terms: Terms) -> Grading:
    points = item.row["questions"]
    known = [point for point in points if point["rule"] is None or decidable(point["rule"])]
    replies = (yield [_question(item, point, answers[-1]) for point in known]) if known else []
    verdicts: dict[int, bool | None] = dict.fromkeys(
        (point["id"] for point in points), True if terms.official else None
    )
    for point, reply in zip(known, replies, strict=True):
        by_rule = point["rule"] is not None and reply is not None
        verdicts[point["id"]] = decided(point["rule"], reply) if by_rule else reply
    counted = with_dependencies(verdicts, {point["id"]: point["dep"] for point in points})
    return _worth(points, counted, [point["id"] for point in known], list(replies).count(None), terms)


def _question(item: Item, point: Row, answer: str) -> Question:
    fields = {"instruction": item.prompt, "response": answer, "question": point["question"]}
    if point["rule"] is None:
        return Question("complexbench", fields, yes_or_no, YES_NO_SCHEMA)
    template = "complexbench_spans" if of_each(point["rule"]) else "complexbench_span"
    return Question(template, fields, partial(spans_in, response=answer), _SPANS_SCHEMA)


def spans_in(reply: str, response: str) -> list[str] | None:
    """What a reply cuts out of the response: the list `spans` of its JSON object, what follows the official "评分对象：", or
    the reply itself where it is a passage of the response.

    "all" is the whole response, "None" nothing; officially parts are joined by ||.
    """
    found = [document["spans"] for document in json_in(reply) if isinstance(document, dict) and "spans" in document]
    if found:
        spans = [found[-1]] if isinstance(found[-1], str) else found[-1]
        if not isinstance(spans, list) or not all(isinstance(span, str) for span in spans):
            return None
        return _meant(spans, response)
    mark = next((mark for mark in _OFFICIAL_MARKS if mark in reply), None)
    text = (reply.rpartition(mark)[2] if mark else reply).strip()
    said = mark or "||" in text or _word(text) in ("all", "none") or (text and text in response)
    return _meant(text.split("||"), response) if said else None


def _meant(spans: list[str], response: str) -> list[str]:
    words = [_word(span) for span in spans]
    return [] if words == ["none"] else [response] if words == ["all"] else [span.strip() for span in spans]


def _word(span: str) -> str:
    return span.strip(" \n\"'.。").lower()


def with_dependencies(
    verdicts: Mapping[int, bool | None], dependencies: Mapping[int, Sequence[int]]
) -> dict[int, bool | None]:
    """The verdict that counts, by point: false where one of its *direct* dependencies is false; None: it is not known.

    A dependency that itself fails only because of its own does not count, as in the official aggregate.
    """
    counted: dict[int, bool | None] = {}
    for point, deps in dependencies.items():
        needed = [verdicts[point], *(verdicts[dep] for dep in deps)]
        counted[point] = False if False in needed else None if None in needed else True
    return counted


def _worth(
    points: Sequence[Row], counted: Mapping[int, bool | None], known: Sequence[int], unread: int, terms: Terms
) -> Graded:
    marks = {id_: None if verdict is None else float(verdict) for id_, verdict in counted.items()}
    parts: dict[str, dict[str, list[float | None]]] = {"constraint": {}, "family": {}, "composition": {}}
    for point in points:
        families = [_FAMILY.get(constraint, "other") for constraint in point["constraints"]]
        named = {"constraint": point["constraints"], "family": families, "composition": point["compositions"]}
        for part, names in named.items():
            for name in names:
                parts[part].setdefault(name, []).append(marks[point["id"]])
    # Upstream counts what no rule decides as true in the parts, and as false in the whole.
    whole = [0.0 if terms.official and id_ not in known else mark for id_, mark in marks.items()]
    notes = {NOT_READ: unread, UNDECIDABLE: len(points) - len(known)}
    return Graded(
        {"drfr": whole},
        notes={name: count for name, count in notes.items() if count},
        verdicts=[{"asked": point["question"], "verdict": counted[point["id"]]} for point in points],
        parts=parts,
    )


def _benchmark(name: str, title: str, suffix: str, anchors: tuple[Anchor, ...] = ()) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        metrics=(Metric("drfr"),),
        read=_read(suffix),
        grade=grade,
        source="thu-coai/ComplexBench: data/data_final.json (1,150 rows)",
        licence="MIT",
        max_tokens=4_096,
        needs=frozenset({"judge"}),
        templates=("complexbench", "complexbench_span", "complexbench_spans"),
        anchors=anchors,
        odd=(
            "a rule that nothing decides counts officially as false in the whole and as true by constraint and composition: "
            "here it is unscored, unless official scoring is asked for",
            "only direct dependencies count: a point stays true when what it depends on fails by its own alone",
            "rules compare punctuation as if it were Chinese, and words in Chinese: in English rows many cannot be met",
            "of several spans the last may end otherwise; match of a rule with ASCII punctuation never holds",
            "officially a judge sees 6,000 characters of the instruction and 4,000 of the response, and a reply that cannot "
            "be read is false: here it sees both whole, and such a reply is unscored",
        ),
    )


COMPLEXBENCH = _benchmark(
    "complexbench",
    "ComplexBench",
    "",
    (
        Anchor("Qwen2.5-1.5B", "drfr", 0.510, "not stated", "published; which paper is not noted"),
        Anchor("Qwen2.5-7B", "drfr", 0.745, "not stated", "published; which paper is not noted"),
    ),
)
COMPLEXBENCH_EN = _benchmark("complexbench-en", "ComplexBench (its English translation)", "_en")
