"""Tokens made so far and the pace, as progress shows them."""

import time
from dataclasses import dataclass, field


@dataclass
class TokenCount:
    """Tokens of finished answers since the start of a call."""

    tokens: int = 0
    started: float = field(default_factory=time.perf_counter)

    def add(self, tokens: int) -> None:
        self.tokens += tokens

    @property
    def per_second(self) -> float:
        return self.tokens / max(time.perf_counter() - self.started, 1e-9)

    def __str__(self) -> str:
        """Such as "3,388 tokens, 212 tokens/s"."""
        return f"{self.tokens:,} tokens, {self.per_second:,.0f} tokens/s"
