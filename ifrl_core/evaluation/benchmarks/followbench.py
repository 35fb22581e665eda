"""FollowBench: ladders of one instruction with one constraint more a level; some rows rules decide, the others a judge.

Source: Jiang et al. (arXiv 2310.20410). Level 0 is context and is not asked. The judge sees the whole path up to the level,
finds what each version adds, and gives a verdict a level. The language is that of the instructions.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.ladders import leading
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, numbered, numbered_schema
from ifrl_core.evaluation.benchmarks.rules.followbench import satisfied
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
    Question,
    Terms,
    VerdictColumn,
    asked,
)
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

LEVELS = (1, 2, 3, 4, 5)
_RULE = ("lang", "category", "example_id", "source", "level", "target")  # what its rules read of a row
Ladder = Mapping[int, Row]  # its rows by level


def read(path: str) -> list[Item]:
    """Its rows of levels 1 to 5; one file a category, as upstream has them."""
    rows = documents(path)
    chinese = sum(_chinese(str(row.get("instruction"))) for row in rows)
    lang = "zh" if 2 * chinese > len(rows) else "en"
    ladders: dict[str, dict[int, Row]] = {}
    for number, row in enumerate(rows, start=1):
        level = _level(path, number, row.get("level"))
        field(path, number, row, "instruction", str)
        ladders.setdefault(_ladder(path, number, row), {})[level] = row
    items = [_item(path, n, row, lang, ladders[_ladder(path, n, row)]) for n, row in enumerate(rows, start=1)]
    return [item for item in items if item is not None]


def _item(path: str, number: int, row: Row, lang: str, ladder: Ladder) -> Item | None:
    level = _level(path, number, row["level"])
    if level == 0:
        return None
    content = {
        "lang": lang,
        "category": field(path, number, row, "category", str),
        "example_id": str(row["example_id"]),
        "source": row["source"],
        "level": level,
        "target": field(path, number, row, "target", str),
    }
    judged: Row = {}
    if not _has_rule(path, number, content):
        if missing := [below for below in range(level) if below not in ladder]:
            raise InputError(
                f"{path} row {number}: a judge has to see its ladder; level {missing[0]} is not in the file"
            )
        judged = {"path": [ladder[below]["instruction"] for below in range(level + 1)]}
    # Rows of the mixed file name the kind of every constraint so far.
    kinds = str(ladder[max(ladder)].get("category"))
    slices = {"level": str(level), "category": "mixed" if "," in kinds else kinds, "lang": lang}
    name = _ladder(path, number, row)
    return Item(f"{name}-{level}", asked(row["instruction"]), {**content, **judged}, name, slices)


def _ladder(path: str, number: int, row: Row) -> str:
    source = field(path, number, row, "source", str)
    return f"{source}-{field(path, number, row, 'example_id', (str, int))}"


def _answered(path: str, number: int, row: Row) -> Item:
    """Of a row with its language, or with the instruction that tells it, which a rule decides."""
    level = _level(path, number, row["level"])
    if level == 0:
        raise InputError(f"{path} row {number}: field 'level' is 0, which is context and is not graded")
    lang = row.get("lang") or ("zh" if _chinese(field(path, number, row, "instruction", str)) else "en")
    if lang not in ("en", "zh"):
        raise InputError(f"{path} row {number}: field 'lang' is {lang!r}; expected 'en' or 'zh'")
    ladder = _ladder(path, number, row)
    named = {name: field(path, number, row, name, str) for name in ("category", "source", "target")}
    content = {"lang": lang, "level": level, "example_id": str(row["example_id"]), **named}
    if not _has_rule(path, number, content):
        raise InputError(
            f"{path} row {number}: no rule decides it; a judge has to see its ladder (--benchmark NAME=PATH)"
        )
    slices = {"level": str(level), "category": named["category"], "lang": lang}
    return Item(f"{ladder}-{level}", (), content, f"{lang}-{ladder}", slices)


def _chinese(instruction: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in instruction)


def _level(path: str, number: int, value: object) -> int:
    if str(value) not in ("0", "1", "2", "3", "4", "5"):
        raise InputError(f"{path} row {number}: field 'level' is {value!r}; expected 0 to 5")
    return int(str(value))


def _has_rule(path: str, number: int, rule: Row) -> bool:
    try:
        return satisfied(**rule, response="") is not None
    except (ValueError, SyntaxError):  # a list that is none
        raise InputError(f"{path} row {number}: field 'target' is {rule['target'][:80]!r}; expected a list") from None


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    yield _graded


def _graded(item: Item, answers: Sequence[str]) -> Grading:
    verdict = satisfied(**{name: item.row[name] for name in _RULE}, response=answers[-1])
    if verdict is not None:
        return _worth([verdict], [f"level {item.row['level']}, by rule"])
    path = item.row["path"]
    n = len(path) - 1
    fields = {
        "levels": str(n),
        "path": "\n".join(f'<version number="{i}">\n{text}\n</version>' for i, text in enumerate(path)),
        "response": answers[-1],
    }
    [met] = yield [Question("followbench", fields, partial(numbered, n=n), numbered_schema(n))]
    return _worth(met, [f"what version {level} adds" for level in range(1, n + 1)])


def _worth(met: Sequence[bool] | None, what: Sequence[str]) -> Graded:
    verdicts: Sequence[bool | None] = [None] * len(what) if met is None else met
    lines = [{"asked": asked, "verdict": verdict} for asked, verdict in zip(what, verdicts, strict=True)]
    if met is None:
        return Graded({"hsr": [None], "ssr": [None]}, {NOT_READ: 1}, lines)
    return Graded({"hsr": [float(all(met))], "ssr": [fmean(met)]}, verdicts=lines)


def of_ladder(rows: Sequence[tuple[Item, Graded]]) -> Marks:
    """Of a whole ladder: levels met in a row from the first, and its shares with level l weighing l/15.

    None where a level that matters is missing or unscored.
    """
    by_level = {item.row["level"]: graded.marks for item, graded in rows}
    hard = [by_level[level]["hsr"][0] if level in by_level else None for level in LEVELS]
    soft = [by_level[level]["ssr"][0] if level in by_level else None for level in LEVELS]
    in_a_row = leading([None if mark is None else mark == 1 for mark in hard])
    csl = None if in_a_row is None else float(in_a_row)
    return {"csl": [csl], "weighted_hsr": [_weighted(hard)], "weighted_ssr": [_weighted(soft)]}


def _weighted(by_level: Sequence[float | None]) -> float | None:
    scored = [share for share in by_level if share is not None]
    if len(scored) < len(LEVELS):
        return None
    return sum(level * share for level, share in zip(LEVELS, scored, strict=True)) / sum(LEVELS)


FOLLOWBENCH = Benchmark(
    name="followbench",
    title="FollowBench",
    metrics=(
        Metric("hsr", over="level"),
        Metric("ssr", over="level"),
        Metric("csl", unit="levels"),
        Metric("weighted_hsr", over="category"),
        Metric("weighted_ssr", over="category"),
    ),
    read=read,
    grade=grade,
    source="YJiangcm/FollowBench: data/*.json (820 rows, English), data_zh/*.json (790, Chinese), a file a category",
    licence="Apache-2.0",
    max_tokens=2_048,
    needs=frozenset({"judge"}),
    templates=("followbench",),
    of_cluster=of_ladder,
    anchors=(
        Anchor("Qwen2.5-7B", "hsr", 0.714, "not stated", "RLCF, before (arXiv 2507.18624)"),
        Anchor("Qwen2.5-7B, trained", "hsr", 0.753, "not stated", "RLCF, after (arXiv 2507.18624)"),
        Anchor("Qwen2.5-7B", "hsr", 0.551, "not stated", "the method's paper, before (arXiv 2510.14420)"),
        Anchor("Qwen2.5-7B, trained", "hsr", 0.575, "not stated", "the method's paper, after (arXiv 2510.14420)"),
        Anchor("Qwen2.5-7B, trained", "hsr", 0.590, "not stated", "SEIF (arXiv 2605.07465)"),
    ),
    odd=(
        "level 0 is context: it is not asked",
        "the official aggregate (weighted_*) weighs level l by l/15 and takes the mean of the categories",
        "rules are stricter or looser than the text: a blank after the last end of a sentence begins one more, at most 15 is "
        "fewer in Chinese, $14.50 passes for $14",
        "an answer with a line break never matches an example's template, and an empty one may",
        "format row 22 cannot be met at levels 4 and 5",
        "officially a reply that cannot be read is summed as -1: here it is unscored",
    ),
    answered=tuple(
        AnsweredRows((language, *_RULE[1:]), (VerdictColumn("satisfied", "hsr"),), _answered)
        for language in ("lang", "instruction")
    ),
)
