"""Which part of a response is the answer: the one place that cuts reasoning off. And how the model writes tool calls in it.

A run has one format (the recipe's `reasoning`, settled by the model's chat template: models/reasoning.py), and whoever reads
an answer is given it.
"""

from pydantic import BaseModel, ConfigDict, Field


class Reasoning(BaseModel):
    """How a model sets its reasoning apart: it ends with `close`, and begins with `open`, which the prompt may hold already.

    `always`: every response reasons first, so that one without `close` has not come to its answer. `calls` is the model's own
    response template (JSON, of its tokenizer), by which its tool calls are read; empty where it has none.
    """

    model_config = ConfigDict(frozen=True)

    open: str = "<think>"
    close: str = "</think>"
    always: bool = False
    calls: str = Field("", exclude_if=lambda calls: not calls)


THINK = Reasoning()  # of a model of which nothing else is known: it may reason, and says so
WHOLE = Reasoning(open="", close="")  # nothing is reasoning, whatever stands in the text


def answer_of(response: str, reasoning: Reasoning) -> str:
    """The answer; empty when the reasoning never ended, so that there is none.

    >>> answer_of("<think>2 + 2</think>4", THINK)
    '4'
    >>> answer_of("<think>2 + 2", THINK), answer_of("2 + 2", Reasoning(always=True))
    ('', '')
    """
    return response[answer_start(response, reasoning) :]


def answer_start(response: str, reasoning: Reasoning) -> int:
    """Where the answer begins: after the last closing tag and white space, else at the start; at the end when there is none.

    A text that opens reasoning and does not close it has no answer. The prompt may have opened it, so a closing tag alone is
    enough to end it.
    """
    if not reasoning.close:
        return 0
    closed = response.rfind(reasoning.close)
    rest = response[closed + len(reasoning.close) :] if closed >= 0 else response
    if rest.lstrip().startswith(reasoning.open) or (reasoning.always and closed < 0):
        return len(response)
    return len(response) - len(rest.lstrip()) if closed >= 0 else 0
