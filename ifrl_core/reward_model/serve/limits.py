"""What the service takes on, and how it waits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`body_bytes` of one request, `body_seconds` for its arrival; `queue_pairs` waiting or being scored; `batch_pairs`:
    how many are asked for before scoring starts (pairs that share their answer come along); `gather_seconds`: how long an
    idle service waits for company of a first request."""

    body_bytes: int = 1 << 20
    body_seconds: float = 30.0
    queue_pairs: int = 4096
    batch_pairs: int = 64
    gather_seconds: float = 0.003
