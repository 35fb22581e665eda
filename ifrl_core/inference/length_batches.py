"""Items of about one length together, so that little of a padded batch is padding."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def length_batches(
    items: Iterable[T], length: Callable[[T], int], *, max_tokens: int, max_padding: float = 1.0
) -> Iterator[list[T]]:
    """Yield every item once, longest first, equal lengths in the order given.

    A batch's rectangle (items x longest) holds at most `max_tokens` tokens, of which at most the share `max_padding` is
    padding; an item that is longer goes alone.
    """
    batch: list[T] = []
    longest = tokens = 0  # of the batch
    for item in sorted(items, key=length, reverse=True):
        size = length(item)
        rectangle = longest * (len(batch) + 1)
        if batch and (rectangle > max_tokens or rectangle - (tokens + size) > max_padding * rectangle):
            yield batch
            batch, tokens = [], 0
        longest = longest if batch else size
        batch.append(item)
        tokens += size
    if batch:
        yield batch
