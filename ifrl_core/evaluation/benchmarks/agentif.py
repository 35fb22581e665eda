"""AgentIF: constraints of agents' system prompts, each checked by steps: a judge's reply, code on it, or both.

Source: Qi et al. (arXiv 2505.16944). A step works on what the one before gave, first on the answer. CSR is the share of
constraints satisfied among those that apply, ISR the share of rows all of whose are. As upstream has it, ISR leaves out a
constraint whose checker fails; where a judge's reply could not be read, or code may not run, it is unscored. Code that comes
with the rows runs in a limited child, and only where that is allowed.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.replies import NOT_READ, yes_or_no
from ifrl_core.evaluation.limited_code import CodeResult, run_limited
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
)
from ifrl_core.evaluation.suite.conversation import conversation
from ifrl_core.evaluation.suite.documents import documents, field
from ifrl_core.records import Row

SATISFIED, VIOLATED, NOT_APPLIED = "satisfied", "violated", "does not apply"
NOT_RUN, NO_VERDICT = "code not run", "no verdict"
STEPS = ("llm", "llm_conditional_check", "code")
_JUDGE, _PAPER = "gpt-4o-2024-11-20", "arXiv 2505.16944"
_AT_ONCE = 4  # children of an item's code; each takes some 30 ms, most of it to start


@dataclass(frozen=True)
class Code:
    """Source that defines `check_following`, and what to call it with."""

    source: str
    value: Any


@dataclass(frozen=True)
class Outcome:
    """How a constraint came out; `detail` says what was wrong with its code."""

    name: str
    detail: str = ""

    @property
    def mark(self) -> float | None:
        return float(self.name == SATISFIED) if self.name in (SATISFIED, VIOLATED) else None


Run = Callable[[Sequence[Code]], Sequence[CodeResult | None]]  # None: not run
Chain = Generator[Question | Code, Any, "Outcome"]  # the steps of a constraint


def read(path: str) -> list[Item]:
    """Its rows, as upstream has them (`input`, `constraints`) or wrapped (`responses_create_params`, `verifier_metadata`)."""
    return [_item(path, number, row) for number, row in enumerate(documents(path), start=1)]


def _item(path: str, number: int, row: Row) -> Item:
    wrapped = isinstance(row.get("responses_create_params"), dict)
    given = row["responses_create_params"] if wrapped else row
    about = field(path, number, row, "verifier_metadata", dict) if wrapped else row
    asked = conversation(given.get("input"), f"{path} row {number}: field 'input'")
    constraints = [
        _constraint(f"{path} row {number}: constraint {place}", constraint)
        for place, constraint in enumerate(field(path, number, about, "constraints", list), start=1)
    ]
    content = {"constraints": constraints, "changed": list(asked.changed)}
    domain = about.get("domain")
    return Item(str(number), (asked.messages,), content, str(number), {"domain": domain} if domain else {})


def _constraint(where: str, constraint: Any) -> Row:
    steps = constraint.get("evaluation") if isinstance(constraint, dict) else None
    if not isinstance(steps, list) or not steps or not all(map(_is_step, steps)):
        raise InputError(f"{where}: field 'evaluation' is no list of steps, each with 'exec' and a type of {STEPS}")
    types = constraint.get("type")
    return {
        "desc": str(constraint.get("desc")),
        "dimension": str(constraint.get("dimension")),
        "types": [str(type_) for type_ in (types if isinstance(types, list) else [types])],
        "steps": [{"type": step["type"], "exec": step["exec"]} for step in steps],
    }


def _is_step(step: Any) -> bool:
    return isinstance(step, dict) and step.get("type") in STEPS and isinstance(step.get("exec"), str)


@contextmanager
def grade(terms: Terms) -> Iterator[Grade]:
    """All questions of an item that can be asked at once are; its code runs in a few children side by side."""
    with ThreadPoolExecutor(_AT_ONCE) as threads:

        def run(jobs: Sequence[Code]) -> Sequence[CodeResult | None]:
            return list(threads.map(lambda job: _run(job, terms), jobs)) if terms.run_code else [None] * len(jobs)

        def graded(item: Item, answers: Sequence[str]) -> Grading:
            chains = [chain(constraint["steps"], answers[-1], terms) for constraint in item.row["constraints"]]
            outcomes = yield from side_by_side(chains, run)
            return _graded(item, outcomes, terms)

        yield graded


def _run(job: Code, terms: Terms) -> CodeResult:
    return run_limited(job.source, "check_following", job.value, official=terms.official)


def chain(steps: Sequence[Mapping[str, str]], answer: str, terms: Terms) -> Chain:
    """The steps of a constraint in their order: yields what a judge is asked and what code is to run, is sent what its reply
    says or its result, and returns how the constraint came out."""
    value: Any = answer
    for place, step in enumerate(steps, start=1):
        if step["type"] == "code":
            if terms.official and not value:
                return Outcome(NO_VERDICT, "there is nothing to check")
            result: CodeResult | None = yield Code(step["exec"], value)
            if result is None or result.outcome != "returned":
                return Outcome(NOT_RUN) if result is None else Outcome(result.outcome, result.detail)
            value = result.value
            continue
        decides = step["type"] == "llm" and place == len(steps)
        said = yield _question(step["exec"], str(value), partial(said_yes, terms) if decides else _text)
        if said is None:
            return Outcome(NOT_READ)
        if step["type"] == "llm":
            value = said
        elif said_yes(terms, said) is not True:  # the answer goes on unchanged
            return Outcome(NOT_APPLIED)
    satisfied = said_yes(terms, value) if isinstance(value, str) else value
    if not isinstance(satisfied, bool | int):
        return Outcome(NO_VERDICT, f"the code returned {str(value)[:200]!r}")
    return Outcome(SATISFIED if satisfied else VIOLATED)


def said_yes(terms: Terms, text: str) -> bool | None:
    """Whether a text says yes; officially YES anywhere in it, else NO anywhere in it, as in NOTE."""
    if terms.official:
        return True if "YES" in text else False if "NO" in text else None
    return yes_or_no(text)


def _question(prompt: str, value: str, read: Callable[[str], Any]) -> Question:
    if "{response}" not in prompt:
        prompt += "\n\nThe response: {response}"
    return Question("plain", {"prompt": prompt.replace("{response}", value)}, read)


def _text(reply: str) -> str | None:
    return reply.strip() or None


def side_by_side(chains: Sequence[Chain], run: Run) -> Generator[Sequence[Question], Sequence[Any], list[Outcome]]:
    """What the chains return: their questions are yielded together, once all of them wait for a reply; their code is run."""
    outcomes = [Outcome(NO_VERDICT)] * len(chains)
    sent: dict[int, Any] = dict.fromkeys(range(len(chains)))
    questions: dict[int, Question] = {}
    while sent or questions:
        jobs: dict[int, Code] = {}
        for place, value in sent.items():
            try:
                step = chains[place].send(value)
            except StopIteration as end:
                outcomes[place] = end.value
            else:
                if isinstance(step, Code):
                    jobs[place] = step
                else:
                    questions[place] = step
        sent = dict(zip(jobs, run(list(jobs.values())), strict=True))
        if questions and not sent:
            replies = yield list(questions.values())
            sent, questions = dict(zip(questions, replies, strict=True)), {}
    return outcomes


def _graded(item: Item, outcomes: Sequence[Outcome], terms: Terms) -> Graded:
    pairs = list(zip(item.row["constraints"], outcomes, strict=True))
    parts: dict[str, dict[str, list[float | None]]] = {"dimension": {}, "type": {}}
    for constraint, outcome in pairs:
        if outcome.name != NOT_APPLIED:
            parts["dimension"].setdefault(constraint["dimension"], []).append(outcome.mark)
            for type_ in constraint["types"]:
                parts["type"].setdefault(type_, []).append(outcome.mark)
    marks = {
        "csr": [outcome.mark for outcome in outcomes if outcome.name != NOT_APPLIED],
        "isr": _whole(outcomes, terms),
    }
    notes = Counter(outcome.name for outcome in outcomes if outcome.name not in (SATISFIED, VIOLATED))
    verdicts = [
        {
            "asked": constraint["desc"],
            "verdict": f"{outcome.name} ({outcome.detail})" if outcome.detail else outcome.name,
        }
        for constraint, outcome in pairs
    ]
    return Graded(marks, notes, verdicts, parts)


def _whole(outcomes: Sequence[Outcome], terms: Terms) -> list[float | None]:
    """Whether all constraints of a row that count are satisfied; nothing where none does."""
    left_out = {NOT_APPLIED, NO_VERDICT, "error", "timeout", *([NOT_READ] if terms.official else [])}
    counted = [outcome.mark for outcome in outcomes if outcome.name not in left_out]
    return [None if None in counted else float(all(counted))] if counted else []


AGENTIF = Benchmark(
    name="agentif",
    title="AgentIF",
    metrics=(Metric("csr"), Metric("isr")),
    read=read,
    grade=grade,
    source="THU-KEG/AgentIF (Hugging Face: THU-KEG/AgentIF), 707 rows",
    licence="Apache-2.0",
    has_systems=True,
    max_tokens=8_192,
    needs=frozenset({"judge", "code"}),
    templates=("plain",),
    anchors=(
        Anchor("GPT-4o", "csr", 0.585, _JUDGE, _PAPER),
        Anchor("GPT-4o", "isr", 0.264, _JUDGE, _PAPER),
        Anchor("QwQ-32B", "csr", 0.581, _JUDGE, _PAPER),
        Anchor("QwQ-32B", "isr", 0.272, _JUDGE, _PAPER),
        Anchor("Llama-3.1-8B", "csr", 0.536, _JUDGE, _PAPER),
        Anchor("Llama-3.1-8B", "isr", 0.199, _JUDGE, _PAPER),
    ),
    odd=(
        "some checkers are no valid Python, some hold a backspace for \\b, and some eval the text they check",
        "a judge's reply that cannot be read leaves the ISR of its row unscored (upstream: the constraint out)",
        "upstream does not run code on an empty answer, which leaves the constraint out (here it runs)",
        "upstream asks no row whose roles repeat (here neighbours of one role are one message)",
        "officially a checker's helper functions are not found (--official)",
    ),
)
