"""What a constraint type's arguments may be: each kind checks one JSON value and says what is allowed."""

from dataclasses import dataclass
from typing import Any, Protocol


class Argument(Protocol):
    """One argument of a type. `check` returns the value in its canonical form or raises ValueError (with no text)."""

    @property
    def allowed(self) -> str:
        """What is accepted, in words, for error messages and the documentation."""
        ...

    def check(self, value: Any) -> Any: ...


@dataclass(frozen=True)
class Integer:
    """A whole number from `low` to `high`, counted in `unit`."""

    low: int
    high: int
    unit: str

    @property
    def allowed(self) -> str:
        return f"a whole number of {self.unit} from {self.low} to {self.high}"

    def check(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        if value != value or value not in range(self.low, self.high + 1):
            raise ValueError
        return int(value)


@dataclass(frozen=True)
class Choice:
    """One of `values`."""

    values: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(repr(value) for value in self.values)

    def check(self, value: Any) -> str:
        if value not in self.values:
            raise ValueError
        return str(value)


@dataclass(frozen=True)
class Text:
    """A string that holds more than whitespace, of at most `max_chars` characters; `what` says what it is."""

    what: str
    max_chars: int = 20_000
    strip: bool = True
    one_word: bool = False

    @property
    def allowed(self) -> str:
        return f"{self.what}: a non-empty string of at most {self.max_chars} characters" + (
            " without whitespace" if self.one_word else ""
        )

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > self.max_chars:
            raise ValueError
        if self.one_word and len(value.split()) != 1:
            raise ValueError
        return value.strip() if self.strip else value


@dataclass(frozen=True)
class Texts:
    """A list of 1 to `most` non-empty strings; `what` says what they are."""

    what: str
    most: int = 100
    max_chars: int = 1_000
    least: int = 1

    @property
    def allowed(self) -> str:
        return f"{self.what}: a list of {self.least} to {self.most} non-empty strings"

    def check(self, value: Any) -> list[str]:
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            raise ValueError
        if not all(isinstance(item, str) and item.strip() and len(item) <= self.max_chars for item in value):
            raise ValueError
        return list(value)
