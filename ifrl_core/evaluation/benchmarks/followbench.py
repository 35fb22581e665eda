"""FollowBench: ladders of one instruction with one constraint more a level; here its rule rows, the others need a judge.

Source: Jiang et al. (arXiv 2310.20410). Level 0 is context and is not asked. The language is that of the instructions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.rules.followbench import satisfied
from ifrl_core.evaluation.suite.benchmark import Benchmark, Grade, Item, Marks, Metric, Terms, asked, by_rules
from ifrl_core.evaluation.suite.documents import documents, field


def read(path: str) -> list[Item]:
    """Its rows of levels 1 to 5; one file a category, as upstream has them."""
    rows = documents(path)
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for row in rows[:1] for c in str(row.get("instruction"))) else "en"
    # Rows of the mixed file name the kind of every constraint so far.
    kinds = {
        f"{row.get('source')}-{row.get('example_id')}": str(row.get("category"))
        for row in sorted(rows, key=lambda row: str(row.get("level")))
    }
    items = []
    for number, row in enumerate(rows, start=1):
        level = _level(path, number, row.get("level"))
        if level == 0:
            continue
        source = field(path, number, row, "source", str)
        example_id = str(field(path, number, row, "example_id", (str, int)))
        ladder = f"{source}-{example_id}"
        content = {
            "lang": lang,
            "category": field(path, number, row, "category", str),
            "example_id": example_id,
            "source": source,
            "level": level,
            "target": field(path, number, row, "target", str),
        }
        prompt = field(path, number, row, "instruction", str)
        slices = {"level": str(level), "category": "mixed" if "," in kinds[ladder] else kinds[ladder]}
        items.append(Item(f"{ladder}-{level}", asked(prompt), content, ladder, slices))
    return items


def _level(path: str, number: int, value: object) -> int:
    if str(value) not in ("0", "1", "2", "3", "4", "5"):
        raise InputError(f"{path} row {number}: field 'level' is {value!r}; expected 0 to 5")
    return int(str(value))


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    def marks(item: Item, answer: str) -> Marks:
        verdict = satisfied(**item.row, response=answer)
        return {"satisfied": [None if verdict is None else float(verdict)]}

    yield by_rules(marks)


FOLLOWBENCH = Benchmark(
    name="followbench",
    title="FollowBench (rule rows)",
    metrics=(Metric("satisfied"),),
    read=read,
    grade=grade,
    source="YJiangcm/FollowBench: data/*.json, a file a category",
    licence="Apache-2.0",
    max_tokens=2_048,
)
