"""BIG-Bench Extra Hard: what counts as the answer of a response, and when it is right.

Source: Kazemi et al., BIG-Bench Extra Hard (arXiv 2502.19187); rules of its repository's evaluation: the answer follows "The
answer is:"; formatting goes; option letters, numbers, quotes and brackets match leniently. Mini: the share of right ones.
Full: the harmonic mean over tasks of percent plus one.
"""

import re

_PREFIXES = ("the answer is:", "the final answer is:", "the final answer is", "the answer is")


def answer_in(response: str) -> str:
    """The normalised answer of a response, "" when nothing follows its announcement."""
    text = response
    for prefix in _PREFIXES:
        position = text.lower().rfind(prefix)
        if position >= 0:
            text = text[position + len(prefix) :]
            break
    lines = text.strip().splitlines()
    text = lines[0].strip() if lines else ""
    text = text.replace("$", "")
    closed = text.rfind("}") + 1  # what is opened behind it stays open
    text = re.sub(r"\\(?:boxed|text|textbf)\{(.*?)\}", r"\1", text[:closed]) + text[closed:]
    return text.replace("**", "").strip().rstrip(".").strip().lower()


def right(response: str, target: str) -> bool:
    """Whether the response's answer is `target`, leniently."""
    answer, expected = answer_in(response), target.strip().lower()
    if answer == expected or answer.strip("'\"") == expected or f"[{answer}]" == expected or f"({answer})" == expected:
        return True
    if re.fullmatch(r"\([a-z]\)", expected) and re.match(rf"\(?{expected[1]}\)?(?![\w])", answer):
        return True
    if answer.endswith("?") and answer[:-1] == expected:
        return True
    if _listed(answer) == _listed(expected):
        return True
    try:
        return float(answer) == float(expected)
    except ValueError:
        return False


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]
