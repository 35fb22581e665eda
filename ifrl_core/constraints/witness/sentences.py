"""The sentences of the running text, without marks: openings, demanded phrases woven in, filler up to every count."""

from ifrl_core.constraints.verifiers.words import words_of
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.constraints.witness.filler import Filler
from ifrl_core.constraints.witness.plan import Plan

_MOST_ADDITIONS = 400  # fillers added at most to reach a count


def running_text(draft: Draft, plan: Plan, filler: Filler) -> list[str]:
    """As many sentences as the plan has, more where the phrases need them."""
    phrases = _phrases(draft)
    words = _first_sentence_words(draft)
    sentences = _first_sentence(draft, words, filler)
    if len(sentences) >= plan.sentences and phrases:  # no room for a second sentence
        woven = _woven(phrases, draft, 1)[0]
        if words is None:
            sentences[-1] += _joiner(draft) + woven
        else:
            start = " ".join(filter(None, [draft.opener, woven]))
            sentences[-1] = f"{start} {filler.words(max(0, words - len(words_of(start))))}".strip()
    else:
        sentences += _woven(phrases, draft, max(1, plan.sentences - len(sentences)))
    while len(sentences) < plan.sentences:
        sentences.append(filler.sentence())
    return sentences


def lengthen(sentences: list[str], draft: Draft, plan: Plan, filler: Filler, words_in_items: int) -> None:
    """Add filler in place until the counts are reached: new sentences, or onto those there are in a fixed plan."""
    for step in range(_MOST_ADDITIONS):
        text = " ".join(sentences)
        lacking = [letter for letter, least in draft.letter_least.items() if text.lower().count(letter) < least]
        short = len(text.split()) < draft.min_words - words_in_items or len(text) < draft.min_characters
        if not lacking and not short:
            return
        addition = filler.richest_in(lacking[0]) if lacking else filler.sentence()
        if plan.fixed:
            first = 1 if len(sentences) > 1 else 0
            place = first + step % (len(sentences) - first)
            sentences[place] = f"{sentences[place]}{_joiner(draft)}{lowered(addition)}"
        else:
            sentences.append(addition)


def lowered(sentence: str) -> str:
    """The sentence as it stands behind other words; one that begins with a word in capitals stays."""
    return sentence if sentence[:2].isupper() else sentence[:1].lower() + sentence[1:]


def _phrases(draft: Draft) -> list[str]:
    """The demanded phrases, and some that carry the marks that only stand inside a sentence."""
    phrases = list(draft.phrases)
    for mark in ";:":
        phrases += draft.pick((f"so{mark} go", f"it{mark} fun", f"home{mark} sea"), draft.marks_to_add(mark))
    return phrases


def _first_sentence_words(draft: Draft) -> int | None:
    """Words that the first sentence still needs behind what stands before it in its block; None when it is free."""
    if draft.first_sentence_words is None:
        return None
    opener = draft.line_openers[0] if draft.line_openers else draft.paragraph_openers.get(0, "")
    return max(1, draft.first_sentence_words - len(words_of(draft.wrap[0] + opener)))


def _first_sentence(draft: Draft, words: int | None, filler: Filler) -> list[str]:
    """The first sentence where anything is demanded of it (of `words` words unless None); empty when nothing is."""
    if draft.opener:
        return [f"{draft.opener} {lowered(_after_opener(draft, words, filler))}".strip()]
    if words is not None:
        return [filler.sentence_of(words)]
    if draft.loud_first_line or draft.bookend or draft.sentence_letter:
        return [filler.sentence()]
    return []


def _after_opener(draft: Draft, words: int | None, filler: Filler) -> str:
    own_words = len(words_of(draft.opener))
    if words is not None:
        return filler.sentence_of(words - own_words) if words > own_words else ""
    if draft.opener[-1] in ".!?":
        return ""
    most = (draft.sentence_words or 99) - own_words
    sentence = filler.sentence()
    return sentence if len(sentence.split()) <= most else filler.words(max(0, most))


def _woven(phrases: list[str], draft: Draft, room: int) -> list[str]:
    """The phrases joined to sentences in order: at most `room`, unless the longest allowed sentence makes them more."""
    if not phrases:
        return []
    joiner = _joiner(draft)
    per_sentence = max(4, -(-len(phrases) // max(1, room)))
    if draft.distinct_starts:
        per_sentence = len(phrases)  # equal phrases would begin two sentences alike
    groups: list[list[str]] = [[]]
    for phrase in phrases:
        words = len(words_of(joiner.join([draft.lead, *groups[-1], phrase])))
        full = draft.sentence_words is not None and words > draft.sentence_words
        if groups[-1] and (full or len(groups[-1]) >= per_sentence):
            groups.append([])
        groups[-1].append(phrase)
    return [" ".join(filter(None, [draft.lead, joiner.join(group)])) for group in groups]


def _joiner(draft: Draft) -> str:
    joiners = (", ",) if draft.is_short else (" and ", " or ", ", ")
    return next((joiner for joiner in joiners if draft.allows(joiner)), " ")
