"""Collie: one constraint a prompt on characters, words, sentences or paragraphs.

Source: Yao et al. (arXiv 2307.08689). The official file is a pickle, which is never read: write it out as JSONL with the
fields group, structure, prompt, targets and constraint (the tree).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ifrl_core.evaluation.benchmarks.rules.collie import satisfied
from ifrl_core.evaluation.suite.benchmark import (
    Anchor,
    AnsweredRows,
    Benchmark,
    Grade,
    Item,
    Metric,
    Terms,
    VerdictColumn,
    asked,
    by_rules,
)
from ifrl_core.evaluation.suite.documents import documents, field, parsed
from ifrl_core.records import Row


def read(path: str) -> list[Item]:
    """Its rows; ids are group and place in the file."""
    items = []
    for number, row in enumerate(documents(path), start=1):
        structure = field(path, number, row, "structure", str)
        tree = field(path, number, row, "constraint", dict)
        content = {"constraint": tree, "targets": row.get("targets")}
        prompt = field(path, number, row, "prompt", str)
        items.append(Item(str(number), asked(prompt), content, str(number), {"structure": structure}))
    return items


def _answered(path: str, number: int, row: Row) -> Item:
    """Of a row whose tree and targets may be JSON text, both of them."""
    content = {name: row[name] for name in ("constraint", "targets")}
    if isinstance(content["constraint"], str):
        content = {name: parsed(path, number, row, name) for name in content}
    tree = field(path, number, content, "constraint", dict)
    group = row.get("group") or row.get("structure")
    slices = {"structure": str(group).rsplit("_", 1)[-1]} if group else {}
    return Item(str(number), (), {"constraint": tree, "targets": content["targets"]}, str(number), slices)


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    yield by_rules(lambda item, answer: {"satisfied": [_mark(item, answer)]})


def _mark(item: Item, answer: str) -> float:
    return float(satisfied(item.row["constraint"], item.row["targets"], answer))


COLLIE = Benchmark(
    name="collie",
    title="Collie",
    metrics=(Metric("satisfied"),),
    read=read,
    grade=grade,
    source="princeton-nlp/Collie (2,080 rows), as JSONL",
    licence="MIT",
    max_tokens=1_000,
    temperature=0.7,
    anchors=(Anchor("GPT-4", "satisfied", 0.51, "", "Collie (arXiv 2307.08689)"),),
    odd=(
        "officially the mean of 20 samples a row; here of those that are asked for",
        "don't is not one word, a closing quote is the last word, and a blank paragraph at the end counts, as upstream",
        "structures c08 and c10 pass on an empty answer",
        "the human examples satisfy 2,060 of the 2,080 rows with today's nltk",
    ),
    answered=(
        AnsweredRows(
            ("constraint", "targets"),
            (VerdictColumn("satisfied", "satisfied"),),
            _answered,
            answers=("response", "text"),
            as_text=("constraint", "targets"),
        ),
    ),
)
