"""Hard types on punctuation: marks to do without, exact counts, the final mark, parentheses and quotes."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.punctuation_rules import MARKS, RULES
from ifrl_core.constraints.types import Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.witness.draft import Draft

_PLURALS = {"hyphen or dash": "hyphens or dashes", "parenthesis": "parentheses"}
_SAMPLED_BANS = ("exclamation mark", "question mark", "semicolon", "colon", "hyphen or dash", "parenthesis",
                 "apostrophe", "quotation mark")  # fmt: skip


def _plural(mark: str) -> str:
    return _PLURALS.get(mark, f"{mark}s")


def _ban_fields(args: Mapping[str, Any]) -> dict[str, str]:
    return {"marks": _plural(args["mark"])}


def _exact_fields(args: Mapping[str, Any]) -> dict[str, str]:
    return {**shown(args), "marks": counted(args["count"], args["mark"], _plural(args["mark"]))}


def _final_fields(args: Mapping[str, Any]) -> dict[str, str]:
    names = {"!": "an exclamation mark (!)", "?": "a question mark (?)", "...": "three dots (...)", ".": "a period"}
    return {"mark": names[args["mark"]]}


def _few(draw: Draw) -> int:
    return draw.upto(1, min(3, draw.max_words // 15))


def _counted(noun: str) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {"remarks": counted(args["count"], noun)}

    return fields


def _ban(draft: Draft, args: Args) -> None:
    draft.banned_characters.update(MARKS[args["mark"]])


def _exact(draft: Draft, args: Args) -> None:
    draft.mark_counts[MARKS[args["mark"]]] = args["count"]


def _final(draft: Draft, args: Args) -> None:
    draft.final_mark = args["mark"]


def _every(draft: Draft, args: Args) -> None:
    draft.mark = args["mark"]


def _parentheses(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(("(fun)", "(home)", "(sea)", "(by day)"), args["count"])


def _quoted(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(('"fun"', '"home"', '"sea"'), args["count"])


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "punctuation:ban",
        "A punctuation mark does not occur.",
        RULES["punctuation:ban"],
        (
            "Do not use any {marks}.",
            "Write without {marks}.",
            "Avoid {marks} in your answer.",
            "Your response must not contain {marks}.",
            "There should be no {marks} anywhere in the text.",
            "Leave out all {marks}.",
        ),
        draw=lambda draw: {"mark": draw.rng.choice(_SAMPLED_BANS)},
        fields=_ban_fields,
        slots=("marks",),
        witness=_ban,
    ),
    hard(
        "punctuation:exact",
        "A punctuation mark occurs exactly so many times.",
        RULES["punctuation:exact"],
        (
            "Use exactly {marks}.",
            "Your answer must contain exactly {marks}, no more and no fewer.",
            "There have to be exactly {marks} in the text.",
            "Write a response with precisely {marks}.",
            "Make sure that exactly {marks} can be found in your answer.",
            "Include {marks}, neither more nor fewer.",
        ),
        draw=lambda draw: {"mark": draw.rng.choice(("exclamation mark", "question mark", "semicolon", "colon")),
                           "count": _few(draw)},
        fields=_exact_fields,
        slots=("marks",),
        min_words=15,
        witness=_exact,
    ),
    hard(
        "punctuation:final",
        "The response ends with a given mark.",
        RULES["punctuation:final"],
        (
            "End your answer with {mark}.",
            "The last character of your response must be {mark}.",
            "Let the text end with {mark}.",
            "Close your answer with {mark}.",
            "Your final sentence should end with {mark}.",
            "Put {mark} at the very end.",
        ),
        draw=lambda draw: {"mark": draw.rng.choice(("!", "?", "..."))},
        fields=_final_fields,
        slots=("end", "marks"),
        witness=_final,
    ),
    hard(
        "punctuation:every_sentence",
        "Every sentence ends with a given mark.",
        RULES["punctuation:every_sentence"],
        (
            "Every sentence must end with {mark}.",
            "End each of your sentences with {mark}.",
            "Use {mark} at the end of every sentence.",
            "All sentences have to end with {mark}.",
            "Let each sentence finish with {mark}.",
            "Write sentences that all end with {mark}.",
        ),
        draw=lambda draw: {"mark": draw.rng.choice("!?")},
        fields=_final_fields,
        slots=("end", "marks"),
        witness=_every,
    ),
    hard(
        "punctuation:parentheses",
        "At least so many remarks in parentheses.",
        RULES["punctuation:parentheses"],
        (
            "Include at least {remarks} in parentheses.",
            "Your answer should contain at least {remarks} in round brackets (like this).",
            "Put at least {remarks} in parentheses.",
            "Add at least {remarks} between parentheses.",
            "Use parentheses for at least {remarks}.",
            "Make at least {remarks} (in parentheses) along the way.",
        ),
        draw=lambda draw: {"count": _few(draw)},
        fields=_counted("remark"),
        witness=_parentheses,
    ),
    hard(
        "punctuation:quoted",
        "At least so many phrases in double quotation marks.",
        RULES["punctuation:quoted"],
        (
            "Put at least {remarks} in double quotation marks.",
            "Include at least {remarks} in double quotes.",
            'Your answer should contain at least {remarks} in "double quotes".',
            "Set at least {remarks} in quotation marks.",
            "Use double quotation marks around at least {remarks}.",
            "Quote at least {remarks}, with double quotation marks.",
        ),
        draw=lambda draw: {"count": _few(draw)},
        fields=_counted("phrase"),
        witness=_quoted,
    ),
)  # fmt: skip
