"""Texts that say the same, made the same: quotes, spaces, numbers in words and a short list of synonyms.

>>> canonical("The response should not contain more than  two commas.")
'your answer must not contain more than 2 commas'
>>> canonical('Never mention “the response” in fewer than three sentences')
'do not mention "the response" in less than 3 sentences'
"""

import re

from ifrl_core.constraints.vocabulary import NUMBER_NAMES, ORDINALS

_MARKER = re.compile(r"^\s*(?:[-*•]|\(?\d+[.)]|[cC]\d+\s*[:.)])\s+")
_LITERAL = re.compile(r'("[^"]*"|<[^>]*>)')  # what a constraint means word for word
_FULL_STOP = re.compile(r"(?<!\.\w)\.\Z")  # not that of P.S.
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\u00a0": " "})

# Each pattern becomes its replacement, in this order, outside quotes and tags.
_SYNONYMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), replacement)
    for pattern, replacement in (
        *((name, str(number)) for number, name in enumerate(NUMBER_NAMES)),
        *((name, f"number {number}") for number, name in enumerate(ORDINALS, 1)),
        (r"(\d+)(?:st|nd|rd|th)", r"number \1"),
        ("once", "1 times"),
        ("twice", "2 times"),
        ("a minimum of|no fewer than|no less than|not fewer than|not less than", "at least"),
        ("a maximum of|no more than|not more than", "at most"),
        ("fewer than|under", "less than"),
        ("should|shall|has to|have to|needs to|need to", "must"),
        ("response|reply|output", "answer"),
        ("the answer", "your answer"),
        ("do not|don't|never", "do not"),
        ("ensure that|ensure|be sure that|be sure to|make sure to|make sure that|make sure", "make sure"),
        ("contains|include|includes", "contain"),
        ("capital letters|capitals|uppercase letters|uppercase|caps", "capitals"),
        ("lowercase letters|lower case letters|lower case", "lowercase"),
        ("punctuation marks", "marks"),
        ("usage", "use"),
        ("avoid using|avoid the use of|refrain from using|refrain from the use of", "do not use"),
    )
)


def canonical(text: str) -> str:
    """`text` with straight quotes, single spaces, synonyms made one and no final full stop."""
    pieces = _LITERAL.split(_FULL_STOP.sub("", " ".join(text.split()).translate(_STRAIGHT)))
    return "".join(piece if place % 2 else _said_alike(piece) for place, piece in enumerate(pieces)).strip()


def tidy(text: str) -> str:
    """One line without list markers and the quotation marks around it; empty when no sentence can be meant."""
    line = _MARKER.sub("", " ".join(text.split())).translate(_STRAIGHT)
    if len(line) > 1 and line[0] == line[-1] == '"' and line.count('"') == 2:
        line = line[1:-1].strip()
    return line


def _said_alike(text: str) -> str:
    for pattern, replacement in _SYNONYMS:
        text = pattern.sub(replacement, text)
    return text
