"""Whether a response gives a problem's answer.

math    the last number or expression is equal to the answer (the package math-verify), in a process of its own: some
        expressions take sympy for ever, and ending a process is the one limit that always holds, in any thread
choice  the letter that the response settles on
exact   the text after "Answer:", or the whole response, but for case, spaces and the marks around it

What could not be compared in time is None, never wrong.
"""

import json
import re
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal, get_args

Kind = Literal["math", "choice", "exact"]
KINDS: tuple[str, ...] = get_args(Kind)
LETTERS = "ABCDEFGHIJ"
LIMIT_S = 5.0  # for one comparison
START_S = 120.0  # for the process: it imports sympy, on a machine that may be busy
_TAIL = 2_000  # characters at the end of a response, where its answer is
_ANSWER = re.compile(r"answer\s*(?:is|:|=)+\s*", re.IGNORECASE)
_BEFORE = (
    r"^(?:[^\S\n]|[*(\[])*"  # on its line: over lines, a run of blank ones would be gone through from each of them
)
_CHOICES = (
    re.compile(rf"(?i:answer\s*(?:is|:|=)+)[\s*(\[]*(?i:option\s+)?([{LETTERS}])\b"),
    re.compile(rf"^(?:[^\S\n]|\*)*A[\s*]*:[\s*(]*([{LETTERS}])(?:\)|[\s.*]*$)", re.MULTILINE),  # A for answer
    re.compile(rf"\\boxed\{{\s*(?:\\text\{{\s*)?([{LETTERS}])\b"),
    re.compile(rf"{_BEFORE}([{LETTERS}])(?:[\s*]*[).:\]]|[\s*]*$)", re.MULTILINE),
    re.compile(rf"\(([{LETTERS}])\)"),
)


def chosen_letter(response: str) -> str | None:
    """The letter that a response settles on: the last of the clearest form that it uses; None when there is none.

    >>> chosen_letter("It could be (A), but the answer is B.")
    'B'
    >>> chosen_letter("C) gravity")
    'C'
    >>> chosen_letter("A planet.") is None
    True
    """
    for pattern in _CHOICES:
        if letters := pattern.findall(response):
            return str(letters[-1])
    return None


def stated_text(response: str) -> str:
    """What follows the last "Answer:", to the end of its line; without one, the whole response.

    >>> stated_text("It is red.\\nAnswer: blue\\n")
    'blue'
    """
    stated = _ANSWER.split(response)
    return stated[-1].strip().split("\n")[0].strip() if len(stated) > 1 and stated[-1].strip() else response.strip()


def same_text(one: str, other: str) -> bool:
    """Equal but for case, runs of spaces, and quotes, asterisks and stops at the ends."""

    def plain(text: str) -> str:
        return " ".join(text.split()).strip(" .,;:!?\"'*`").casefold()

    return plain(one) == plain(other)


class Grader:
    """Compares responses with answers. A context manager: it holds the process for mathematics, once one is needed."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._kinds: dict[str, Callable[[str, str], bool | None]] = {
            "math": self._math,
            "choice": lambda response, answer: chosen_letter(response) == answer.strip().upper(),
            "exact": lambda response, answer: same_text(stated_text(response), answer),
        }

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def correct(self, response: str, kind: str, answer: str) -> bool | None:
        """Whether the response (without its reasoning) gives the answer; None when that could not be found out in time."""
        return bool(response.strip()) and self._kinds[kind](response, answer)

    def _math(self, response: str, answer: str) -> bool | None:
        return self._ask({"gold": answer, "answer": stated_text(response)[-_TAIL:]})

    def _ask(self, question: dict[str, str]) -> bool | None:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            reply = self._read(process, self._limit_s)
        except BrokenPipeError:
            reply = None
        if reply is None:
            self.close()
            return None
        verdict: bool | None = reply["correct"]
        return verdict

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ifrl_core.rewards.problems.math_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        if self._read(self._process, START_S) is None:
            self.close()
            raise RuntimeError("the process that checks mathematics did not start (is math-verify installed?)")
        return self._process

    @staticmethod
    def _read(process: subprocess.Popen[bytes], limit_s: float) -> dict[str, Any] | None:
        """One line, or None when it does not come in time or the process is gone."""
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], limit_s)[0]:
            return None
        line = process.stdout.readline()
        return json.loads(line) if line else None
