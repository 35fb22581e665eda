"""Is an answer a refusal? Told by how it opens: what models say when they decline, in English.

A refusal follows no constraint for a reason of its own, so a recipe may keep it out of the labels. The list is short on
purpose: an answer that merely contains such words is not marked.
"""

import re

_NOT = r"i(?: can(?:no|')?t| can not| won't| will not|(?: am|'m) (?:not able|unable))"
_DO = "help|assist|do|provide|create|write|answer|fulfil|comply|engage|generate|produce|support|continue|discuss|give"
_MACHINE = r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b"
_OPENINGS = (
    rf"(?:i(?:'m| am) (?:really |very |so )?sorry|sorry|apologies|i apologi[sz]e|unfortunately)[,.:]? (?:but )?"
    rf"(?:{_MACHINE}[^.\n]{{0,60}})?{_NOT}\b",
    rf"{_NOT}(?: to)? (?:{_DO})\b",
    r"i must (?:decline|refuse)",
    rf"{_MACHINE}[^.\n]{{0,60}}i (?:do not|don't|have no|can(?:no|')?t|can not|am (?:not able|unable))\b",
)
_REFUSAL = re.compile(rf"[\"'*_#>\s]{{0,8}}(?:{'|'.join(_OPENINGS)})", re.IGNORECASE)
_LOOKED_AT = 300


def refuses(answer: str) -> bool:
    """Whether an answer (without its reasoning) opens as a refusal does.

    >>> refuses("I'm sorry, but I can't help with that.")
    True
    >>> refuses("I'm sorry to hear that your cat is ill. Here is a card you could write.")
    False
    """
    return bool(_REFUSAL.match(answer[:_LOOKED_AT].replace("\u2019", "'")))
