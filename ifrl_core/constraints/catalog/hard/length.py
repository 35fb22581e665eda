"""Hard types on length and shape: characters, sentences, lines, paragraphs."""

from collections.abc import Callable, Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.length_rules import RULES
from ifrl_core.constraints.types import LINE_SLOTS, Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint


def _counted(name: str, noun: str) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "count": counted(args[name], noun)}

    return fields


def _draw_characters(draw: Draw) -> Args:
    if draw.rng.random() < 0.7:
        return {"relation": "at most", "num_characters": draw.upto(8, max(8, draw.max_words // 2)) * 10}
    return {"relation": "at least", "num_characters": draw.upto(4, max(4, draw.max_words // 4)) * 10}


def _draw_paragraph_sentences(draw: Draw) -> Args:
    paragraphs = draw.upto(2, min(3, draw.max_words // 30))
    return {"num_paragraphs": paragraphs, "num_sentences": draw.upto(1, min(3, draw.max_words // 12 // paragraphs))}


def _shape_fields(args: Mapping[str, Any]) -> dict[str, str]:
    return {
        "paragraphs": counted(args["num_paragraphs"], "paragraph"),
        "sentences": counted(args["num_sentences"], "sentence"),
    }


def _characters(draft: Draft, args: Args) -> None:
    if args["relation"] == "at least":
        draft.min_characters = max(draft.min_characters, args["num_characters"])
    else:
        draft.max_characters = args["num_characters"]


def _exact_sentences(draft: Draft, args: Args) -> None:
    draft.min_sentences = max(draft.min_sentences, args["num_sentences"])
    draft.no_more_sentences_than(args["num_sentences"])


def _sentence_words(draft: Draft, args: Args) -> None:
    draft.sentence_words = args["max_words"]


def _first_sentence(draft: Draft, args: Args) -> None:
    draft.first_sentence_words = args["num_words"]


def _lines(draft: Draft, args: Args) -> None:
    draft.line_openers = [""] * args["num_lines"]


def _line_characters(draft: Draft, args: Args) -> None:
    draft.line_characters = args["max_characters"]


def _paragraphs(draft: Draft, args: Args) -> None:
    draft.paragraphs = args["num_paragraphs"]


def _paragraph_sentences(draft: Draft, args: Args) -> None:
    draft.paragraphs, draft.paragraph_sentences = args["num_paragraphs"], args["num_sentences"]
    draft.no_more_sentences_than(args["num_paragraphs"] * args["num_sentences"])


def _repeats_the_prompt(args: Args, other: Constraint) -> bool:
    return other.type == "combination:repeat_prompt"


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "length:characters",
        "The response has at most, or at least, a given number of characters.",
        RULES["length:characters"],
        (
            "Your answer must have {relation} {num_characters} characters.",
            "Write {relation} {num_characters} characters, spaces included.",
            "The length of the response has to be {relation} {num_characters} characters.",
            "Use {relation} {num_characters} characters in total.",
            "Count characters: there should be {relation} {num_characters}.",
            "The text should contain {relation} {num_characters} characters, counting spaces.",
        ),
        draw=_draw_characters,
        slots=("length",),
        min_words=15,
        witness=_characters,
    ),
    hard(
        "length:exact_sentences",
        "Exactly so many sentences.",
        RULES["length:exact_sentences"],
        (
            "Answer in exactly {count}.",
            "Your response must consist of exactly {count}.",
            "Write exactly {count}, no more and no fewer.",
            "Use precisely {count}.",
            "The number of sentences must be exactly {num_sentences}.",
            "Give your answer in exactly {count}.",
        ),
        draw=lambda draw: {"num_sentences": draw.upto(1, min(5, draw.max_words // 12))},
        fields=_counted("num_sentences", "sentence"),
        slots=("sentences",),
        min_words=12,
        witness=_exact_sentences,
    ),
    hard(
        "length:sentence_words",
        "No sentence is longer than a given number of words.",
        RULES["length:sentence_words"],
        (
            "No sentence may have more than {max_words} words.",
            "Keep every sentence to at most {max_words} words.",
            "Write only sentences of {max_words} words or fewer.",
            "Each sentence should be no longer than {max_words} words.",
            "Sentences with more than {max_words} words are not allowed.",
            "Limit each of your sentences to {max_words} words.",
        ),
        draw=lambda draw: {"max_words": draw.upto(8, 16)},
        slots=("sentence_words",),
        witness=_sentence_words,
    ),
    hard(
        "length:first_sentence",
        "The first sentence has exactly so many words.",
        RULES["length:first_sentence"],
        (
            "Your first sentence must have exactly {count}.",
            "Open with a sentence of exactly {count}.",
            "The first sentence has to be exactly {count} long.",
            "Begin with a sentence that consists of {count}, no more and no fewer.",
            "Use exactly {count} in your first sentence.",
            "Let the opening sentence have precisely {count}.",
        ),
        draw=lambda draw: {"num_words": draw.upto(3, 9)},
        fields=_counted("num_words", "word"),
        slots=("sentence_words",),
        min_words=15,
        witness=_first_sentence,
    ),
    hard(
        "length:lines",
        "Exactly so many lines, blank ones not counted.",
        RULES["length:lines"],
        (
            "Write exactly {count}.",
            "Your answer must consist of exactly {count} of text.",
            "Break your response into exactly {count}.",
            "The answer should be {count} long, not counting blank ones.",
            "Spread the text over exactly {count}.",
            "There must be precisely {count} in your answer.",
        ),
        draw=lambda draw: {"num_lines": draw.upto(2, min(6, draw.max_words // 8))},
        fields=_counted("num_lines", "line"),
        slots=LINE_SLOTS,
        min_words=16,
        witness=_lines,
    ),
    hard(
        "length:line_characters",
        "No line is longer than a given number of characters.",
        RULES["length:line_characters"],
        (
            "No line may be longer than {max_characters} characters.",
            "Break the text so that every line has at most {max_characters} characters.",
            "Keep each line within {max_characters} characters.",
            "Lines of more than {max_characters} characters are not allowed.",
            "Start a new line before you reach {max_characters} characters.",
            "The answer will be shown on a narrow screen: at most {max_characters} characters a line.",
        ),
        draw=lambda draw: {"max_characters": draw.upto(4, 10) * 10},
        slots=("line_width",),
        excludes=_repeats_the_prompt,
        witness=_line_characters,
    ),
    hard(
        "length:paragraphs",
        "Exactly so many paragraphs with blank lines between them.",
        RULES["length:paragraphs"],
        (
            "Write exactly {count}, with a blank line between paragraphs.",
            "Your answer must have {count} separated by blank lines.",
            "Divide the text into exactly {count}; leave an empty line between them.",
            "Use {count}, no more and no fewer, with empty lines in between.",
            "Organize your response as {count} separated by an empty line.",
            "There should be exactly {count}, each set off by a blank line.",
        ),
        draw=lambda draw: {"num_paragraphs": draw.upto(2, min(5, draw.max_words // 15))},
        fields=_counted("num_paragraphs", "paragraph"),
        slots=("paragraphs",),
        min_words=20,
        witness=_paragraphs,
    ),
    hard(
        "length:paragraph_sentences",
        "Exactly so many paragraphs, each of exactly so many sentences.",
        RULES["length:paragraph_sentences"],
        (
            "Write {paragraphs} of {sentences} each, with a blank line between them.",
            "Your answer must have {paragraphs}, each with exactly {sentences}; separate them by blank lines.",
            "Give {paragraphs} (blank line between) and put exactly {sentences} into each.",
            "Use {paragraphs} separated by an empty line. Each must contain exactly {sentences}.",
            "Structure: {paragraphs}, each made of exactly {sentences}, with empty lines in between.",
            "Divide your text by blank lines into {paragraphs}, every one of them with {sentences}.",
        ),
        draw=_draw_paragraph_sentences,
        fields=_shape_fields,
        slots=("paragraphs", "sentences", "list", "sections", "title", "table", "code", "fields", "quote",
               "last_line"),
        min_words=30,
        witness=_paragraph_sentences,
    ),
)  # fmt: skip
