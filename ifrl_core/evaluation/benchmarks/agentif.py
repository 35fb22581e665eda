"""AgentIF: constraints of agents' system prompts, each checked by steps: a judge's answer, code on it, or both.

Source: Qi et al., AgentIF (arXiv 2505.16944). A step works on what the one before gave, first on the answer. CSR is the share
of constraints satisfied among those that apply and could be scored, ISR the share of rows all of whose are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from ifrl_core.evaluation.benchmarks.replies import yes_or_no
from ifrl_core.evaluation.limited_code import CodeResult

Outcome = Literal["satisfied", "violated", "does not apply", "unscored", "timeout", "error"]
Judge = Callable[[str], str | None]  # the reply to a prompt, None where there was none
Run = Callable[[str, str], CodeResult]  # source and value to what its check_following returned


@dataclass(frozen=True)
class Graded:
    """How a constraint was met; `detail` says why it could not be found out."""

    outcome: Outcome
    detail: str = ""


def grade(steps: Sequence[Mapping[str, Any]], answer: str, judge: Judge, run: Run) -> Graded:
    """The outcome of a constraint with those evaluation steps (`type`, `exec`) for an answer without its reasoning.

    Raises:
        KeyError, ValueError: for a step that is not of AgentIF's format.
    """
    value: Any = answer
    for step in steps:
        if step["type"] == "code":
            result = run(step["exec"], str(value))
            if result.outcome != "returned":
                return Graded(result.outcome, result.detail)
            value = result.value
            continue
        if step["type"] not in ("llm", "llm_conditional_check"):
            raise ValueError(f"{step['type']!r} is no step of AgentIF")
        reply = judge(step["exec"].replace("{response}", str(value)))
        if reply is None:
            return Graded("unscored", "the judge gave no reply")
        if step["type"] == "llm":
            value = reply
        elif yes_or_no(reply) is not True:  # the answer goes on unchanged
            return Graded("does not apply")
    return _verdict(value)


def _verdict(value: Any) -> Graded:
    satisfied = yes_or_no(value) if isinstance(value, str) else value
    if isinstance(satisfied, bool | int):
        return Graded("satisfied" if satisfied else "violated")
    return Graded("unscored", f"no verdict in {str(value)[:200]!r}")


def figures(rows: Sequence[Sequence[Graded]]) -> dict[str, Any]:
    """`csr`, `isr` as shares in [0, 1] (None where nothing was scored) and how many constraints ended in which outcome."""
    outcomes = [graded.outcome for row in rows for graded in row]
    scored = [[g.outcome == "satisfied" for g in row if g.outcome in ("satisfied", "violated")] for row in rows]
    flat = [satisfied for row in scored for satisfied in row]
    whole = [all(row) for row in scored if row]
    return {
        "csr": fmean(flat) if flat else None,
        "isr": fmean(whole) if whole else None,
        "constraints": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
    }
