"""IFEval and IFBench: prompts with verifiable instructions, graded strictly and loosely, per prompt and per instruction.

Sources: Zhou et al. (arXiv 2311.07911); Pyatkin et al. (arXiv 2507.02833), whose headline is the loose prompt level. An
empty answer follows nothing. IFBench's `words:start_verb` needs a tagger: its instructions, and the prompts that hold one,
are unscored.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ifrl_core.constraints.given import GivenError, constraints_given
from ifrl_core.constraints.verdict import Rules, rule_of, strict_and_loose
from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import UNSCORED
from ifrl_core.evaluation.benchmarks.rules.ifbench.rules import rules as ifbench_rules
from ifrl_core.evaluation.suite.benchmark import Benchmark, Grade, Item, Marks, Metric, Terms, asked, by_rules
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Constraint, Row, constraint_of, constraint_row

LEVELS = tuple(map(Metric, ("prompt_loose", "prompt_strict", "inst_loose", "inst_strict")))


def _read(rules: Rules) -> Callable[[str], list[Item]]:
    def read(path: str) -> list[Item]:
        return [_item(path, number, row, rules) for number, row in enumerate(documents(path), start=1)]

    return read


def _item(path: str, number: int, row: Row, rules: Rules) -> Item:
    prompt = field(path, number, row, "prompt", str)
    ids = field(path, number, row, "instruction_id_list", list)
    known = [place for place, id_ in enumerate(ids) if id_ not in UNSCORED]
    kwargs = field(path, number, row, "kwargs", list)
    constraints: list[Constraint] = []
    if known:
        if len(kwargs) != len(ids):
            raise InputError(f"{path} row {number}: {len(kwargs)} entries in 'kwargs'; expected {len(ids)}, one an id")
        scored = {"instruction_id_list": [ids[i] for i in known], "kwargs": [kwargs[i] for i in known]}
        try:
            constraints, _ = constraints_given(scored, rules)
        except GivenError as error:
            raise InputError(f"{path} row {number}: {error}") from None
    key = str(row.get("key", number))
    families = ", ".join(sorted({id_.split(":")[0] for id_ in ids}))
    content = {"constraints": [constraint_row(c) for c in constraints], "unscored": len(ids) - len(known)}
    return Item(key, asked(prompt), content, key, {"family": families})


def _grader(rules: Callable[[Terms], Rules]) -> Callable[[Terms], Iterator[Grade]]:
    def opened(terms: Terms) -> Iterator[Grade]:
        of_terms = rules(terms)
        yield by_rules(lambda item, answer: _marks(item, answer, of_terms))

    return opened


def _marks(item: Item, answer: str, rules: Rules) -> Marks:
    strict, loose = strict_and_loose([constraint_of(row) for row in item.row["constraints"]], answer, rules)
    missing: list[float | None] = [None] * item.row["unscored"]
    prompt = (lambda verdicts: None) if missing else (lambda verdicts: float(all(verdicts)))
    return {
        "prompt_loose": [prompt(loose)],
        "prompt_strict": [prompt(strict)],
        "inst_loose": [*map(float, loose), *missing],
        "inst_strict": [*map(float, strict), *missing],
    }


IFEVAL = Benchmark(
    name="ifeval",
    title="IFEval",
    metrics=tuple(map(Metric, ("prompt_strict", "prompt_loose", "inst_strict", "inst_loose"))),
    read=_read(rule_of),
    grade=contextmanager(_grader(lambda terms: rule_of)),
    source="google-research/instruction_following_eval: input_data.jsonl",
    licence="Apache-2.0",
    max_tokens=1_280,
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
)
