"""The layout: sentences get their marks, stand in lines or paragraphs, and the whole its ends, case and format."""

import json
import textwrap

from ifrl_core.constraints.witness.draft import Draft, Item
from ifrl_core.constraints.witness.filler import Filler
from ifrl_core.constraints.witness.plan import Plan, block_sizes
from ifrl_core.constraints.witness.sentences import lowered


def item_line(item: Item, draft: Draft, filler: Filler) -> str:
    """An item as its line, filled where it has no content."""
    content = item.content
    if content is None:
        content = filler.words(1) if draft.is_short else filler.sentence()
    return item.prefix + content + item.suffix + (_usual_mark(draft) if item.marked else "")


def laid_out(sentences: list[str], items: list[str], draft: Draft, plan: Plan) -> str:
    """The whole text of sentences without marks and lines of their own."""
    sizes = block_sizes(draft, plan.blocks, len(sentences))
    marked = _marked(_with_openers(sentences, sizes, plan), draft)
    if draft.bookend:
        marked[-1:] = [marked[0]] if draft.paragraph_sentences is not None else [marked[-1], marked[0]]
        sizes[-1] += draft.paragraph_sentences is None
    if draft.loud_first_line:
        marked[0] = marked[0].upper() + "\n"
    if draft.final_mark is not None:
        last = items if items and len(marked) == 1 else marked
        last[-1] = last[-1].rstrip(".!?") + draft.final_mark
    blocks = _blocks(marked, items, sizes, draft)
    return _formatted(_broken(_between_ends(blocks, draft), draft), draft)


def _usual_mark(draft: Draft) -> str:
    if draft.mark is not None:
        return draft.mark
    return next((mark for mark in ".!?" if mark not in draft.banned_characters), "")


def _with_openers(sentences: list[str], sizes: list[int], plan: Plan) -> list[str]:
    """The sentences, the first of each block behind that block's opener."""
    opened, place = list(sentences), 0
    for block, size in enumerate(sizes):
        if plan.openers.get(block) and size:
            opened[place] = f"{plan.openers[block]} {lowered(opened[place])}"
        place += size
    return opened


def _marked(sentences: list[str], draft: Draft) -> list[str]:
    """The sentences with a capital first and a mark last: the marks demanded by number first, then the usual one."""
    usual = _usual_mark(draft)
    counted = [mark for mark in "!?" for _ in range(draft.marks_to_add(mark))]
    if draft.bookend:
        counted.insert(0, usual)  # the first sentence comes twice
    marks = [*counted, *[usual] * len(sentences)]
    return [
        sentence[:1].upper() + sentence[1:] + ("" if sentence[-1:] in ".!?" else mark)
        for sentence, mark in zip(sentences, marks, strict=False)
    ]


def _blocks(sentences: list[str], items: list[str], sizes: list[int], draft: Draft) -> str:
    """The sentences in paragraphs or lines of the given sizes; items stand behind the first sentence."""
    blocks, place = [], 0
    for i, size in enumerate(sizes):
        group = sentences[place:] if i == len(sizes) - 1 else sentences[place : place + size]
        place += size
        if i == 0:
            group = [*group[:1], *draft.raw, *group[1:]]
        if i == 0 and items:
            rest = " ".join(group[1:])
            blocks.append("\n".join([*(sentence.strip() for sentence in group[:1]), *items, *([rest] if rest else [])]))
        else:
            blocks.append(" ".join(group).replace("\n ", "\n"))
    return ("\n" if draft.line_openers is not None else draft.divider).join(blocks)


def _between_ends(body: str, draft: Draft) -> str:
    if draft.start:
        body = f"{draft.start}{'' if draft.start[-1] in '.!?' else _usual_mark(draft)}\n{body}"
    if draft.end:
        apart = "\n" if draft.items or draft.end_on_own_line else " "
        body += ("" if not body or body.endswith("\n") else apart) + draft.end
    return body


def _broken(body: str, draft: Draft) -> str:
    """The body with no line longer than is allowed."""
    if draft.line_characters is None or draft.line_openers is not None:
        return body
    return "\n".join(
        textwrap.fill(line, draft.line_characters, break_long_words=False, break_on_hyphens=False)
        for line in body.split("\n")
    )


def _formatted(body: str, draft: Draft) -> str:
    """The body in its wrapping, case and format."""
    body = draft.wrap[0] + body + draft.wrap[1]
    if draft.case is not None:
        body = body.upper() if draft.case == "upper" else body.lower()
    if draft.json:
        key = next((key for key in ("text", "it", "so", "my", "go") if draft.allows(key)), "")
        body = json.dumps({key: body}, ensure_ascii=False)
    return body
