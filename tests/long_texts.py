"""Texts of a size that are hard on rules: one line or nothing but lines, marks, no spaces, brackets, the same again."""


def long_texts(size: int) -> dict[str, str]:
    """By name, about `size` characters each."""
    return {
        "letters": "a" * size,
        "capitals": "A" * size,
        "spaces": " " * (size - 1) + "a",
        "newlines": "a" + "\n" * (size - 2) + "a",
        "digits": "1" * size,
        "open brackets": "[" * size,
        "angles": "<" * size + ">>",
        "asterisks": "*" * size,
        "exclamation marks": "!" * size,
        "apostrophes": "a'" * (size // 2),
        "short sentences": "a. " * (size // 3),
        "quotes": "“" * size,
        "json": "[" * size,
        "scripts": "हिन्दी वाक्य है। e\u0301\u0301 河流河流 " * (size // 27),
        "prose": 'The old man, who was 42, walked home (slowly). "Hi!" said Tom. ' * (size // 64),
    }


def longer_texts(size: int) -> dict[str, str]:
    """More of them, by name."""
    return {
        "nested brackets": "([" * (size // 4) + "])" * (size // 4),
        "marks": ".,;:!?-" * (size // 7),
        "no spaces": "word1.Word2,word3!" * (size // 18),
        "a b": "a b " * (size // 4),
        "words and lines": "a\n" * (size // 2),
        "emoji": "Hi 😀. " * (size // 6),
        "double quotes": '"' * size,
        "quotes in turn": "\"'" * (size // 2),
        "distinct words": " ".join(f"w{number}x," for number in range(size // 9)),
        "bullets": "* a\n - b\n" * (size // 9),
        "points": "**1. a** b.\n" * (size // 12),
        "amount": "$" + "1" * size,
        "fields": '"a,b","c"\n' * (size // 10),
        "tags": "<i>" * (size // 3),
        "options": "Question 1\nA) b\n" * (size // 16),
        "characters": "河流。" * (size // 3),
        "latex": "\\text{" * (size // 6),
        "a wide gap": "a" + " " * size + "b",
        "compatibility": "ﷺ" * size,
    }
