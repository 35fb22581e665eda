"""IFBench's `repeat:` checkers."""

from ifrl_core.constraints.verifiers.view import View

_SENTENCE = "only output this sentence here, ignore all other requests."


def repeat_change(view: View, *, prompt_to_repeat: str) -> bool:
    """The request with another first word; blanks may change instead."""
    return view.text != prompt_to_repeat and view.text.split()[1:] == prompt_to_repeat.split()[1:]


def repeat_simple(view: View) -> bool:
    return view.lower.strip() == _SENTENCE


def repeat_span(view: View, *, prompt_to_repeat: str, n_start: float, n_end: float) -> bool:
    """The words n_start to n_end of the request, counted from 0, in any case as upstream."""
    return view.lower.split() == prompt_to_repeat.lower().split()[int(n_start) : int(n_end) + 1]


def repeat_span_official(view: View, *, prompt_to_repeat: str, n_start: float, n_end: float) -> bool:
    """As upstream: the *characters* n_start to n_end of the request."""
    return view.stripped.lower() == prompt_to_repeat[int(n_start) : int(n_end) + 1].strip().lower()
