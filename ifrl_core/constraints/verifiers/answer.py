"""The answer is what a response says outside its reasoning: the one place that strips `<think>…</think>`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReasoningTags:
    """The pair of markers a reasoning model puts around its reasoning."""

    open: str = "<think>"
    close: str = "</think>"


THINK = ReasoningTags()


def answer_of(text: str, tags: ReasoningTags | None = THINK, *, required: bool = False) -> str | None:
    """The part of `text` that is the answer; None when the reasoning never ended, so that there is no answer.

    The answer is what follows the last closing tag. Without any tag the whole text is the answer, unless
    `required` (for a model that always reasons: the paper scores an answer without `</think>` 0). A text that opens
    reasoning and does not close it is None either way; chat templates often put the opening tag into the prompt, so a
    closing tag alone is enough. `tags=None` switches the stripping off.

    >>> answer_of("<think>2 + 2</think>4")
    '4'
    >>> answer_of("<think>2 + 2") is None
    True
    """
    if tags is None:
        return text
    _, close, answer = text.rpartition(tags.close)
    if close:
        return answer.lstrip()
    if required or text.lstrip().startswith(tags.open):
        return None
    return text
