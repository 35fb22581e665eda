"""No test gives up waiting because its machine is slow."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.patience import PATIENCE_S

WAITING = {"wait", "join", "result", "timeout", "wait_until", "wait_for"}  # whose bound may have no name
OTHERS = {"row"}  # whose `timeout` is a number of answers
POLLS_S = 1  # up to which it is the pause between two looks
REASON = "# short: "


def short_bounds(source: str) -> Iterator[str]:
    """Lines that bound a wait by less than PATIENCE_S seconds, and do not say why."""
    lines = source.splitlines()
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            bounds = [keyword.value for keyword in call.keywords if str(keyword.arg).removesuffix("_s") == "timeout"]
            bounds += call.args if name in WAITING else []
            for bound in bounds if name not in OTHERS else []:
                seconds = bound.value if isinstance(bound, ast.Constant) else None
                if isinstance(seconds, int | float) and POLLS_S < seconds < PATIENCE_S:
                    line = lines[bound.lineno - 1].strip()
                    if REASON not in line:
                        yield line


def test_a_short_bound_says_why() -> None:
    found = {str(path): list(short_bounds(path.read_text())) for path in sorted(Path(__file__).parent.rglob("*.py"))}
    assert not {path: lines for path, lines in found.items() if lines}


def test_short_bounds_are_seen() -> None:
    short = ("process.wait(30)", "run(command, timeout=60)", "ask(timeout_s=2.5)", "thread.join(timeout=9)")
    assert list(short_bounds("\n".join(short))) == list(short)
    fine = ("process.wait(PATIENCE_S)", "event.wait(0.01)", f"process.wait(20)  {REASON}then it is killed", "f(20)")
    assert not list(short_bounds("\n".join(fine)))
