"""Texts in which marks say who speaks, as the turns of a conversation: Guanaco's, ChatML's, Llama's, Alpaca's, chats."""

import re

_ROLE = (
    r"(?P<user>human|user|instruction|prompter)|(?P<assistant>assistant|response|gpt|bot|chatbot|model)|(?P<system>system)"
    r"|(?P<tool>tool|observation|function response)"
)
# The surest first; a text is read by the first of them that marks both sides in it.
_MARKS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"<\|im_start\|>(?:{_ROLE})\n",
        rf"<\|start_header_id\|>(?:{_ROLE})<\|end_header_id\|>",
        rf"<start_of_turn>(?:{_ROLE})\n",
        r"(?P<user>\[INST\])|(?P<assistant>\[/INST\])",
        rf"<\|(?:{_ROLE})\|>",
        rf"(?<!#)#{{2,}}+ *+(?:{_ROLE}) *:",
        rf"^(?:{_ROLE}) *:",
        r"(?-i:\b(?P<user>USER):(?=\s|\Z)|\b(?P<assistant>ASSISTANT):(?=\s|\Z))",
    )
)
_WORDS = _MARKS[-2:]  # which a plain text may begin with as well: of these, both sides have to be marked
_ENDS = re.compile(r"<\|(?:im_end|endoftext|eot_id|begin_of_text|end)\|>|<end_of_turn>|</?s>|<bos>|<eos>")
_INPUT = re.compile(
    r"(?:(?<!\s)\s++|(?<![\s#]))#{2,}+ *+input *: *\n", re.IGNORECASE
)  # Alpaca's second part of a request
_SYS = re.compile(r"<<SYS>>((?:(?!<<SYS>>).)*?)<</SYS>>", re.DOTALL)  # Llama 2's, inside the first request

Turns = list[dict[str, str]]


def turns_in(text: str) -> Turns:
    """The turns, with role and content; [] of a text that neither marks both sides nor begins with a mark that is no word and
    has a request. What stands before the first one is the system's."""
    for pattern in _MARKS:
        marks = list(pattern.finditer(text))
        sides = {mark.lastgroup for mark in marks}
        begins = pattern not in _WORDS and bool(marks) and not _said(text[: marks[0].start()])
        if "user" in sides and ("assistant" in sides or begins):
            return _turns(text, marks)
    return []


def all_in_turns(text: str) -> Turns:
    """The turns of a text that begins with the mark of a request or of a system message; [] of others, which may be about a
    chat."""
    turns = turns_in(text)
    return turns if turns and not turns[0]["content"] and turns[1]["role"] in ("system", "user") else []


def _turns(text: str, marks: list[re.Match[str]]) -> Turns:
    places = [*marks[1:], None]
    turns = [{"role": "system", "content": _said(text[: marks[0].start()])}]
    for mark, following in zip(marks, places, strict=True):
        role, said = str(mark.lastgroup), _said(text[mark.end() : following.start() if following else None])
        if role == "user":
            said = _INPUT.sub("\n\n", said)
            if system := _SYS.search(said):
                turns.append({"role": "system", "content": system.group(1).strip()})
                said = said.replace(system.group(), "").strip()
        turns.append({"role": role, "content": said})
    return turns


def _said(text: str) -> str:
    return _ENDS.sub("", text).strip()
