"""Is an answer a refusal? Told by how it opens: what models say when they decline, in English and a dozen languages.

A refusal follows no constraint for a reason of its own, so rollouts count them. The list is short on purpose: an answer that
merely contains such words is not marked.
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
_ELSEWHERE = (  # words of regret, and soon after them what cannot be done; or the latter alone
    r"(?:(?:非常|很)?(?:抱歉|对不起|對不起)|不好意思)[^。\n]{0,20}(?:无法|不能|無法)|我(?:无法|不能|無法)(?:提供|协助|帮助|回答|完成)",
    r"(?:申し訳(?:ありません|ございません)|すみません)[^。\n]{0,30}(?:できません|できかねます|いたしかねます)",
    r"죄송(?:합니다|하지만)[^\n]{0,40}(?:수 없|어렵습니다)",
    r"ขออภัย[^\n]{0,40}ไม่สามารถ",
    r"(?:माफ़? कीजिए|माफ़ कीजिए|क्षमा करें|मुझे खेद है)[^।\n]{0,50}(?:नहीं (?:कर|दे) सक|असमर्थ)",
    r"(?:عذر[اًا]*|آسف|أعتذر)[^.\n]{0,50}(?:لا أستطيع|لا يمكنني)",
    r"(?:извините|простите|к сожалению)[^.\n]{0,40}не (?:могу|в состоянии)|я не могу (?:помочь|ответить|выполнить)",
    r"(?:es tut mir leid|tut mir leid|leider|entschuldigung)[^.\n]{0,30}(?:kann ich|ich kann)\b[^.\n]{0,40}\bnicht",
    r"(?:je suis )?désolée?[^.\n]{0,30}je ne (?:peux|puis)|je ne peux pas (?:vous aider|répondre|fournir)",
    r"lo siento[^.\n]{0,30}no puedo|no puedo (?:ayudar|responder|proporcionar)",
    r"mi dispiace[^.\n]{0,30}non posso|non posso (?:aiutar|rispondere|fornire)",
    r"(?:desculpe|sinto muito|lamento)[^.\n]{0,30}não posso|não posso (?:ajudar|responder|fornecer)",
)
_REFUSAL = re.compile(rf"[\"'*_#>\s]{{0,8}}(?:{'|'.join((*_OPENINGS, *_ELSEWHERE))})", re.IGNORECASE)
_LOOKED_AT = 300


def refuses(answer: str) -> bool:
    """Whether an answer (without its reasoning) opens as a refusal does.

    >>> refuses("I'm sorry, but I can't help with that.")
    True
    >>> refuses("I'm sorry to hear that your cat is ill. Here is a card you could write.")
    False
    """
    return bool(_REFUSAL.match(answer[:_LOOKED_AT].replace("\u2019", "'")))
