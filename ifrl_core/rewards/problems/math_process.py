"""Compares mathematics: a line of JSON in ({"gold", "answer"}), a line out ({"correct"}), until its input ends.

It has no limit on time of its own (verify.Grader ends it) and one on memory: a short answer can name a huge number.
"""

import contextlib
import json
import logging
import resource
import sys

from ifrl_core.training.orphans import die_with_parent

MEMORY_BYTES = 4 << 30


def main() -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable(logging.WARNING)  # that no limit on time is set
    from math_verify import parse, verify

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        correct = None
        with contextlib.suppress(MemoryError, RecursionError):
            gold, answer = (parse(_latex(question[name]), parsing_timeout=None) for name in ("gold", "answer"))
            correct = bool(verify(gold, answer, timeout_seconds=None))
        print(json.dumps({"correct": correct}), flush=True)


def _latex(text: str) -> str:
    """LaTeX that says nowhere that it is, between dollars: else 2 would be read out of `\\frac{1}{2}`."""
    marked = any(mark in text for mark in ("$", r"\(", r"\[", r"\boxed"))
    return f"${text}$" if "\\" in text and not marked else text


if __name__ == "__main__":
    main()
