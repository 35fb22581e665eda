"""IFEval's word-level types: keywords, letters, length, language, case (ids and arguments as in the benchmark)."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.ifeval_witnesses import WITNESSES
from ifrl_core.constraints.catalog.hard.ifeval_words_rules import RULES
from ifrl_core.constraints.types import Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.verifiers.arguments import Choice
from ifrl_core.constraints.verifiers.rule import RELATION
from ifrl_core.constraints.vocabulary import foreign_words, some_words
from ifrl_core.records import Constraint

LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "de": "German", "en": "English", "es": "Spanish",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "it": "Italian",
    "ja": "Japanese", "kn": "Kannada", "ko": "Korean", "ml": "Malayalam", "mr": "Marathi", "ne": "Nepali",
    "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
}  # fmt: skip
_SAMPLED_LANGUAGES = ("de", "es", "fr", "it", "pt")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Letters per 100 words of English prose (about 450 letters), to ask for counts that are neither free nor impossible.
_COUNTS = (37, 7, 13, 19, 57, 10, 9, 27, 31, 1, 4, 18, 11, 31, 34, 9, 1, 27, 28, 41, 12, 4, 11, 1, 9, 1)
_PER_100_WORDS = dict(zip(_LETTERS, _COUNTS, strict=True))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _relation_fields(name: str, relation: str, noun: str) -> Any:
    """Fields {count} ("at least 3 words") and {bare} ("3 words") for a type with a number and a relation."""

    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        number = args[name]
        words = {"at least": "at least", "less than": "fewer than"}[args[relation]]
        return {**shown(args), "bare": counted(number, noun), "count": f"{words} {counted(number, noun)}"}

    return fields


def _draw_existence(draw: Draw) -> Args:
    return {"keywords": some_words(draw.rng, draw.seed_text, draw.upto(1, min(3, draw.max_words // 15)))}


def _draw_frequency(draw: Draw) -> Args:
    (word,) = some_words(draw.rng, draw.seed_text, 1, own_share=0.8)
    if draw.rng.random() < 0.75:
        return {"keyword": word, "frequency": draw.upto(2, min(4, draw.max_words // 15)), "relation": "at least"}
    return {"keyword": word, "frequency": draw.upto(2, 3), "relation": "less than"}


def _frequency_fields(args: Mapping[str, Any]) -> dict[str, str]:
    bound = "at least" if args["relation"] == "at least" else "less than" if args["frequency"] > 2 else "fewer than"
    return {**shown(args), "times": f"{bound} {_times(args['frequency'])}"}


def _draw_forbidden(draw: Draw) -> Args:
    return {"forbidden_words": foreign_words(draw.rng, draw.seed_text, draw.upto(1, 4))}


def _draw_letter(draw: Draw) -> Args:
    letter = draw.rng.choice([letter for letter in _LETTERS if _PER_100_WORDS[letter] >= 4])
    expected = _PER_100_WORDS[letter] * draw.max_words / 100
    if draw.rng.random() < 0.6 or expected < 4:
        return {"letter": letter, "let_frequency": draw.upto(2, int(expected * 0.7)), "let_relation": "at least"}
    return {
        "letter": letter,
        "let_frequency": draw.upto(max(3, int(expected * 0.4)), int(expected)),
        "let_relation": "less than",
    }


def _letter_fields(args: Mapping[str, Any]) -> dict[str, str]:
    bound = "at least" if args["let_relation"] == "at least" else "fewer than"
    return {**shown(args), "times": f"{bound} {args['let_frequency']} times"}


def _draw_words(draw: Draw) -> Args:
    if draw.rng.random() < 0.5:
        return {"num_words": draw.upto(max(5, draw.max_words // 5), int(draw.max_words * 0.8)), "relation": "at least"}
    return {"num_words": draw.upto(min(15, draw.max_words), draw.max_words), "relation": "less than"}


def _draw_sentences(draw: Draw) -> Args:
    most = max(2, min(8, draw.max_words // 12))
    if draw.rng.random() < 0.5:
        return {"num_sentences": draw.upto(2, most), "relation": "at least"}
    return {"num_sentences": draw.upto(2, most), "relation": "less than"}


def _draw_capitals(draw: Draw) -> Args:
    if draw.rng.random() < 0.7:
        return {"capital_frequency": draw.upto(1, min(5, draw.max_words // 12)), "capital_relation": "at least"}
    return {"capital_frequency": draw.upto(2, 4), "capital_relation": "less than"}


def _language_name(args: Mapping[str, Any]) -> dict[str, str]:
    return {"language": LANGUAGES[args["language"]]}


_ENGLISH_ONLY_ANYWAY = ("keywords:", "startend:", "repeat:", "words:", "sentences:", "letters:", "numbers:quantity",
                        "case:capital_word", "format:bold_word", "format:fields", "order:",
                        "detectable_format:constrained_response")  # fmt: skip


def _not_in_another_language(args: Args, other: Constraint) -> bool:
    """English words or phrases are not asked for inside an answer in another language."""
    return bool(args["language"] != "en") and other.type.startswith(_ENGLISH_ONLY_ANYWAY)


def _overlapping_keyword(args: Args, other: Constraint) -> bool:
    """The same keyword asked for twice, once with a bound."""
    return args["keyword"].lower() in [str(word).lower() for word in other.args.get("keywords", [])]


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "keywords:existence",
        "Every one of the given keywords occurs in the response.",
        RULES["keywords:existence"],
        (
            "Include the following in your answer: {keywords}.",
            "Make sure to use {keywords} somewhere in your response.",
            "Your response must mention {keywords}.",
            "Work {keywords} into the text.",
            "The answer has to contain {keywords}.",
            "Be sure that {keywords} can be found in what you write.",
            "Do not leave out {keywords}.",
        ),
        draw=_draw_existence,
        slots=("keywords",),
        min_words=15,
        witness=WITNESSES["keywords:existence"],
    ),
    hard(
        "keywords:frequency",
        "A keyword occurs at least, or less than, a given number of times.",
        RULES["keywords:frequency"],
        (
            'Use the word "{keyword}" {times}.',
            'The word "{keyword}" should appear {times} in your response.',
            'In your answer, mention "{keyword}" {times}.',
            'Make sure that "{keyword}" occurs {times}.',
            'Your text should contain the word "{keyword}" {times}.',
            'Write "{keyword}" {times} in the course of your answer.',
        ),
        draw=_draw_frequency,
        fields=_frequency_fields,
        excludes=_overlapping_keyword,
        min_words=30,
        witness=WITNESSES["keywords:frequency"],
    ),
    hard(
        "keywords:forbidden_words",
        "None of the given words occurs as a whole word.",
        RULES["keywords:forbidden_words"],
        (
            "Do not use {forbidden_words} in your answer.",
            "Avoid using {forbidden_words} anywhere in the response.",
            "Your response must not contain {forbidden_words}.",
            "Write it without {forbidden_words}.",
            "Keep {forbidden_words} out of the text.",
            "The following must not appear in your answer: {forbidden_words}.",
        ),
        draw=_draw_forbidden,
        witness=WITNESSES["keywords:forbidden_words"],
    ),
    hard(
        "keywords:letter_frequency",
        "A letter occurs at least, or less than, a given number of times, in either case.",
        RULES["keywords:letter_frequency"],
        (
            'The letter "{letter}" should appear {times} in your response.',
            'Use the letter "{letter}" {times}.',
            'Make sure the letter "{letter}" occurs {times} in your answer.',
            'In your answer, the letter "{letter}" must be found {times}.',
            'Write a response in which the letter "{letter}" shows up {times}.',
            'Your text should contain the letter "{letter}" {times}.',
        ),
        arguments={**RULES["keywords:letter_frequency"].arguments, "letter": Choice(tuple(_LETTERS))},
        draw=_draw_letter,
        fields=_letter_fields,
        min_words=20,
        witness=WITNESSES["keywords:letter_frequency"],
    ),
    hard(
        "language:response_language",
        "The whole response is in the given language.",
        RULES["language:response_language"],
        (
            "Write your entire response in {language}.",
            "Answer in {language} only; no other language is allowed.",
            "Your whole answer should be in the {language} language.",
            "Respond only in {language}.",
            "Use {language}, and nothing else, for your answer.",
            "The reply has to be written in {language} from beginning to end.",
        ),
        arguments={"language": Choice(tuple(LANGUAGES))},
        draw=lambda draw: {"language": draw.rng.choice(_SAMPLED_LANGUAGES)},
        fields=_language_name,
        slots=("language",),
        excludes=_not_in_another_language,
        witness=WITNESSES["language:response_language"],
    ),
    hard(
        "length_constraints:number_words",
        "The response has at least, or less than, a given number of words.",
        RULES["length_constraints:number_words"],
        (
            "Answer with {count}.",
            "Your response should contain {count}.",
            "Write {count}.",
            "The answer must have {count}.",
            "Keep to this length: {count}.",
            "Use {count} in total.",
        ),
        draw=_draw_words,
        fields=_relation_fields("num_words", "relation", "word"),
        slots=("length",),
        min_words=15,
        witness=WITNESSES["length_constraints:number_words"],
    ),
    hard(
        "length_constraints:number_sentences",
        "The response has at least, or less than, a given number of sentences.",
        RULES["length_constraints:number_sentences"],
        (
            "Your response should contain {count}.",
            "Answer in {count}.",
            "Write {count}.",
            "Use {count} for your answer.",
            "The answer must consist of {count}.",
            "Make it {count} long.",
        ),
        draw=_draw_sentences,
        fields=_relation_fields("num_sentences", "relation", "sentence"),
        slots=("sentences",),
        min_words=20,
        witness=WITNESSES["length_constraints:number_sentences"],
    ),
    hard(
        "change_case:english_capital",
        "The whole response is English in capital letters.",
        RULES["change_case:english_capital"],
        (
            "Write your entire response in English and in all capital letters.",
            "Use only capital letters, in English.",
            "Your whole answer should be in uppercase English.",
            "ANSWER IN ENGLISH WITH CAPITAL LETTERS ONLY.",
            "No lowercase letters are allowed; write in English, all caps.",
            "Reply in English with every letter capitalized.",
        ),
        slots=("case", "language"),
        witness=WITNESSES["change_case:english_capital"],
    ),
    hard(
        "change_case:english_lowercase",
        "The whole response is English in lowercase letters.",
        RULES["change_case:english_lowercase"],
        (
            "Write your entire response in English and in all lowercase letters.",
            "Use only lowercase letters, in English; no capitals at all.",
            "Your whole answer should be in lowercase English.",
            "please answer in english, without a single capital letter.",
            "No capital letters are allowed anywhere; write in English.",
            "Reply in English with every letter in lowercase.",
        ),
        slots=("case", "language"),
        witness=WITNESSES["change_case:english_lowercase"],
    ),
    hard(
        "change_case:capital_word_frequency",
        "At least, or less than, a given number of words are in all capital letters.",
        RULES["change_case:capital_word_frequency"],
        (
            "Write {count} in all capital letters.",
            "In your response, {count} should be in full capitals.",
            "Your answer must contain {count} in ALL CAPS.",
            "Use {count} with every letter capitalized.",
            "Put {count} of your answer in capitals.",
            "Make sure {count} in your response appear entirely in uppercase.",
        ),
        draw=_draw_capitals,
        fields=_relation_fields("capital_frequency", "capital_relation", "word"),
        slots=("case",),
        min_words=12,
        witness=WITNESSES["change_case:capital_word_frequency"],
    ),
    hard(
        "punctuation:no_comma",
        "The response has no comma.",
        RULES["punctuation:no_comma"],
        (
            "Do not use any commas in your response.",
            "Refrain from the use of commas.",
            "Write your answer without a single comma.",
            "Your entire response should contain no commas.",
            "Commas are not allowed.",
            "Avoid commas completely.",
        ),
        slots=("comma",),
        witness=WITNESSES["punctuation:no_comma"],
    ),
)  # fmt: skip

assert RELATION.values == ("less than", "at least")  # the wordings above know these two
