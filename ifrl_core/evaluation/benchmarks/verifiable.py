"""IFEval and IFBench: prompts with verifiable instructions, graded strictly and loosely, per prompt and per instruction.

Sources: Zhou et al. (arXiv 2311.07911); Pyatkin et al. (arXiv 2507.02833), whose headline is the loose prompt level. An
empty answer follows nothing. IFBench's `words:start_verb` needs a tagger: its instructions, and the prompts that hold one,
are unscored.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ifrl_core.constraints.given import GivenError, constraints_given
from ifrl_core.constraints.verdict import Rules, rule_of, strict_and_loose
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import UNSCORED
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import rules as ifbench_rules
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    AnsweredRows,
    Benchmark,
    Grade,
    Graded,
    Grading,
    Item,
    Marks,
    Metric,
    Terms,
    VerdictColumn,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field, parsed
from ifrl_core.records import Constraint, Row, constraint_of, constraint_row

LEVELS = tuple(map(Metric, ("prompt_loose", "prompt_strict", "inst_loose", "inst_strict")))


def _read(rules: Rules) -> Callable[[str], list[Item]]:
    def read(path: str) -> list[Item]:
        return [_item(path, number, row, rules) for number, row in enumerate(documents(path), start=1)]

    return read


def _item(path: str, number: int, row: Row, rules: Rules) -> Item:
    prompt = field(path, number, row, "prompt", str)
    ids = field(path, number, row, "instruction_id_list", list)
    scored = [place for place, id_ in enumerate(ids) if str(id_) not in UNSCORED]
    constraints: list[Constraint] = []
    if scored or not ids:
        try:
            constraints, _ = constraints_given(_scored(row, ids, scored), rules)
        except GivenError as error:
            raise InputError(f"{path} row {number}: {error}") from None
    by_place = dict(zip(scored, map(constraint_row, constraints), strict=True))
    key = str(row.get("key", number))
    families = ", ".join(sorted({str(id_).split(":")[0] for id_ in ids}))
    content = {"constraints": [by_place.get(place) for place in range(len(ids))]}  # None: without a rule
    return Item(key, asked(prompt), content, key, {"family": families})


def _scored(row: Row, ids: Sequence[object], scored: Sequence[int]) -> Row:
    """The row without the instructions that have no rule, where its arguments are a list as long."""
    kwargs = row.get("kwargs")
    if len(scored) == len(ids) or not isinstance(kwargs, list) or len(kwargs) != len(ids):
        return row
    return {"instruction_id_list": [ids[i] for i in scored], "kwargs": [kwargs[i] for i in scored]}


def _grader(rules: Callable[[Terms], Rules]) -> Callable[[Terms], Iterator[Grade]]:
    def opened(terms: Terms) -> Iterator[Grade]:
        of_terms = rules(terms)

        def grade(item: Item, answers: Sequence[str]) -> Grading:
            unscored = item.row["constraints"].count(None)
            return Graded(
                _marks(item, answers[-1], of_terms), {"needs a part-of-speech tagger": unscored} if unscored else {}
            )
            yield  # it asks no judge

        yield grade

    return opened


def _marks(item: Item, answer: str, rules: Rules) -> Marks:
    rows = item.row["constraints"]
    strict, loose = strict_and_loose([constraint_of(row) for row in rows if row is not None], answer, rules)
    levels = {}
    for name, verdicts in (("loose", loose), ("strict", strict)):
        known = iter(verdicts)
        marks = [None if row is None else float(next(known)) for row in rows]
        levels[f"prompt_{name}"] = [None if None in marks else float(all(marks))]
        levels[f"inst_{name}"] = marks
    return levels


def _answered(rules: Rules) -> tuple[AnsweredRows, ...]:
    """Rows that name one instruction, of which those with one prompt are a cluster, and rows with lists of them."""

    def listed(path: str, number: int, row: Row) -> Item:
        lists = {name: parsed(path, number, row, name) for name in ("instruction_id_list", "kwargs")}
        return _item(path, number, {**row, **lists, "prompt": row.get("prompt") or ""}, rules)

    def single(path: str, number: int, row: Row) -> Item:
        named = {name: row[name] for name in ("instruction_id", "kwargs")}
        try:
            known = [] if str(named["instruction_id"]) in UNSCORED else constraints_given(named, rules)[0]
        except GivenError as error:
            raise InputError(f"{path} row {number}: {error}") from None
        rows: list[Row | None] = [*map(constraint_row, known)] or [None]
        prompt, type_ = str(row.get("prompt") or ""), str(named["instruction_id"])
        return Item(str(row.get("key", number)), asked(prompt), {"constraints": rows}, prompt, {"type": type_})

    one = tuple(VerdictColumn(level, f"inst_{level}") for level in ("strict", "loose"))
    several = tuple(VerdictColumn(level, f"inst_{level}", listed=True) for level in ("strict", "loose"))
    whole = tuple(VerdictColumn(f"{level}_all", f"prompt_{level}") for level in ("strict", "loose"))
    return (
        AnsweredRows(("instruction_id", "kwargs"), one, single, as_text=("kwargs",)),
        AnsweredRows(("instruction_id_list", "kwargs"), (*several, *whole), listed, as_text=("kwargs",)),
    )


IFEVAL = Benchmark(
    name="ifeval",
    title="IFEval",
    metrics=tuple(map(Metric, ("prompt_strict", "prompt_loose", "inst_strict", "inst_loose"))),
    read=_read(rule_of),
    grade=contextmanager(_grader(lambda terms: rule_of)),
    source="google-research/instruction_following_eval: input_data.jsonl",
    licence="Apache-2.0",
    max_tokens=1_280,
    anchors=(
        Anchor("Qwen2.5-1.5B", "prompt_strict", 0.436, "", "the method's paper, before (arXiv 2510.14420)"),
        Anchor("Qwen2.5-1.5B, trained", "prompt_strict", 0.652, "", "the method's paper, after (arXiv 2510.14420)"),
        Anchor("R1-0528-Qwen3-8B, trained", "prompt_strict", 0.871, "", "the method's paper (arXiv 2510.14420)"),
    ),
    odd=("an empty answer follows nothing, as upstream",),
    answered=_answered(rule_of),
)
IFBENCH = Benchmark(
    name="ifbench",
    title="IFBench",
    metrics=LEVELS,
    read=_read(ifbench_rules()),
    grade=contextmanager(_grader(lambda terms: ifbench_rules(official=terms.official))),
    source="allenai/IFBench: data/IFBench_test.jsonl (300 rows since April 2026)",
    licence="ODC-BY",
    max_tokens=4_096,
    anchors=(
        Anchor("Qwen3-8B", "prompt_loose", 0.350, "", "published; which paper is not noted"),
        Anchor("Qwen3-32B", "prompt_loose", 0.373, "", "published; which paper is not noted"),
        Anchor("Qwen2.5-7B, IF-RLVR", "prompt_loose", 0.487, "", "IFBench (arXiv 2507.02833), lowest"),
        Anchor("Qwen2.5-7B, IF-RLVR", "prompt_loose", 0.537, "", "IFBench (arXiv 2507.02833), highest"),
        Anchor("o3", "prompt_loose", 0.693, "", "IFBench (arXiv 2507.02833)"),
    ),
    odd=(
        "the data had 294 rows until April 2026",
        "repeat_span cuts characters since May 2026 though its prompts say words, and line_indent changes the list it walks: "
        "here both follow the words, unless official scoring is asked for",
        "words:start_verb needs a tagger: its 6 rows are unscored",
        "other libraries' copies of the checkers differ in 13 to 22 of 58: the scorer's version is part of a result",
    ),
    answered=_answered(ifbench_rules()),
)
