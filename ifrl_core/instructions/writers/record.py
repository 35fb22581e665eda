"""What a writer is asked and what it gives back."""

from dataclasses import dataclass
from typing import NamedTuple

from ifrl_core.records import Constraint, Conversation


class SeedRequest(NamedTuple):
    """A seed that constraints are wanted for; `conversation` is all that it ends, None where the text is all."""

    seed_id: str
    text: str
    conversation: Conversation | None = None


# The type of a soft constraint that a model put in its own words. It is no type of the catalog on purpose: two of one
# catalog type exclude each other, and two free ones do not.
FREE = "soft:free"


@dataclass(frozen=True)
class Dropped:
    """A constraint that was written and is not used: its text and why."""

    text: str
    reason: str


@dataclass(frozen=True)
class Written:
    """The constraints of a seed, in order. `attempts` replies were asked for; `topped_up` came from the catalog."""

    seed_id: str
    constraints: tuple[Constraint, ...]
    writer: str
    attempts: int = 1
    topped_up: int = 0
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True)
class RejectedSeed:
    """A seed that got no constraints: why, and the last reply as a model gave it."""

    seed_id: str
    reason: str
    raw: str
    attempts: int


Outcome = Written | RejectedSeed
