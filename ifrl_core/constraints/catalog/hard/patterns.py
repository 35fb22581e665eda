"""Hard types on patterns across a text: acrostics, palindromes, sentence beginnings, repetition, order, scripts, case."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.patterns_rules import RULES
from ifrl_core.constraints.types import LINE_SLOTS, Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.vocabulary import some_words
from ifrl_core.constraints.witness.bank import PALINDROMES, SCRIPT_WORDS, WORDS_STARTING_WITH
from ifrl_core.constraints.witness.draft import Draft
from ifrl_core.records import Constraint

_ACROSTICS = ("sun", "sea", "joy", "home", "hope", "calm", "star", "bold", "kind", "moon", "tree", "fire", "bread",
              "light", "river", "dream", "peace", "smile")  # fmt: skip
_BEGINNINGS = ("To be honest,", "Here is what I think:", "In a few words,", "Good question!", "Let me explain:",
               "At first sight,", "Long ago,", "There is a simple answer:", "As far as I know,", "If you ask me,",
               "Dear reader,", "On the one hand,")  # fmt: skip
_PHRASES = ("step by step", "day after day", "of course", "little by little", "for example", "in the end",
            "once in a while", "at the same time", "no matter what", "with open eyes")  # fmt: skip
_SENTENCES = ("Every day counts.", "There is more than one way.", "Time will tell.", "Less is often more.",
              "Nothing is as simple as it seems.", "Small steps lead far.", "Look twice before you judge.",
              "The rest is practice.")  # fmt: skip
_LINE_STARTS = ("I remember", "Because", "There is", "Every day", "Remember", "We can", "Maybe", "Look at")
_AVOIDED_STARTS = ("The", "I", "It", "This", "In", "You", "A", "There")
_SENTENCE_LETTERS = "abcefhilmopstwy"


def _counted(name: str, noun: str) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "number": counted(args[name], noun)}

    return fields


def _phrase_fields(args: Mapping[str, Any]) -> dict[str, str]:
    times = {1: "exactly once", 2: "exactly twice"}.get(args["count"], f"exactly {args['count']} times")
    return {**shown(args), "times": times}


def _word_upper(args: Mapping[str, Any]) -> dict[str, str]:
    return {"word": args["word"].upper()}


def _draw_acrostic(draw: Draw) -> Args:
    return {"word": draw.rng.choice([word for word in _ACROSTICS if len(word) * 5 <= draw.max_words] or ["sun"])}


def _draw_span(draw: Draw) -> Args:
    words = draw.seed_text.split()
    if len(words) < 3:
        return {"span": draw.seed_text.strip(" .,;:!?") or "the request"}
    size = draw.upto(3, min(6, len(words)))
    start = draw.upto(0, len(words) - size)
    return {"span": " ".join(words[start : start + size]).strip(".,;:!?")}


def _changes_case(args: Args, other: Constraint) -> bool:
    return other.type in ("change_case:english_capital", "change_case:english_lowercase")


def _acrostic(draft: Draft, args: Args) -> None:
    draft.line_openers = [WORDS_STARTING_WITH.get(letter, letter).capitalize() for letter in args["word"].lower()]


def _palindrome(draft: Draft, args: Args) -> None:
    draft.start = next((p for p in PALINDROMES if sum(map(str.isalpha, p)) >= args["min_letters"]), PALINDROMES[0])


def _start_letter(draft: Draft, args: Args) -> None:
    draft.sentence_letter = args["letter"]


def _distinct_starts(draft: Draft, args: Args) -> None:
    draft.distinct_starts = True
    draft.min_sentences = max(draft.min_sentences, args["num_sentences"])


def _avoid_start(draft: Draft, args: Args) -> None:
    draft.banned_starts.add(args["word"].lower())


def _begin_phrase(draft: Draft, args: Args) -> None:
    draft.opener = args["phrase"]


def _phrase(draft: Draft, args: Args) -> None:
    draft.phrases += [args["phrase"]] * args["count"]


def _bookend(draft: Draft, args: Args) -> None:
    draft.bookend = True
    draft.min_sentences = max(draft.min_sentences, 2)


def _verbatim(draft: Draft, args: Args) -> None:
    draft.raw.append(args["sentence"])


def _anaphora(draft: Draft, args: Args) -> None:
    draft.line_openers = [args["phrase"]] * args["num_lines"]


def _request_span(draft: Draft, args: Args) -> None:
    draft.phrases.append(f'"{args["span"]}"')


def _alphabetical(draft: Draft, args: Args) -> None:
    # Every second letter when there is room, so that a ban on one letter is easily stepped around.
    starts = [word for word in WORDS_STARTING_WITH.values() if draft.allows(word)] or list(WORDS_STARTING_WITH.values())
    draft.line_openers = [word.capitalize() for word in starts[: args["num_lines"]]]


def _script(draft: Draft, args: Args) -> None:
    draft.phrases += [SCRIPT_WORDS[args["script"]]] * args["count"]


def _capital_word(draft: Draft, args: Args) -> None:
    draft.phrases.append(args["word"].upper())


def _loud_first_line(draft: Draft, args: Args) -> None:
    draft.loud_first_line = True


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "letters:acrostic",
        "The first letters of the lines spell a word.",
        RULES["letters:acrostic"],
        (
            'The first letters of your lines must spell "{word}", one line for each letter.',
            'Write an acrostic of the word "{word}": each line begins with its next letter.',
            'Make the lines of your answer an acrostic for "{word}".',
            'Reading the first letter of every line from top to bottom should give "{word}".',
            'Your answer has one line per letter of "{word}", and each line starts with that letter.',
            'Let the initial letters of the lines spell out "{word}", with no further lines.',
        ),
        draw=_draw_acrostic,
        slots=(*LINE_SLOTS, "start"),
        min_words=15,
        witness=_acrostic,
    ),
    hard(
        "letters:palindrome",
        "A line or sentence that reads the same backwards.",
        RULES["letters:palindrome"],
        (
            "Include a line that is a palindrome of at least {min_letters} letters (ignore spaces and punctuation).",
            "One sentence must read the same backwards and have at least {min_letters} letters.",
            "Put a palindrome with {min_letters} or more letters on a line of its own.",
            "Your answer should contain a palindromic sentence of at least {min_letters} letters.",
            "Write one line that reads the same in both directions, with at least {min_letters} letters.",
            "Work in a palindrome of no fewer than {min_letters} letters as a line by itself.",
        ),
        draw=lambda draw: {"min_letters": draw.upto(7, 12)},
        slots=("verbatim", "start", *LINE_SLOTS),
        min_words=15,
        witness=_palindrome,
    ),
    hard(
        "sentences:start_letter",
        "Every sentence begins with a given letter.",
        RULES["sentences:start_letter"],
        (
            'Every sentence must begin with the letter "{letter}".',
            'Start each sentence with "{letter}".',
            'Let all of your sentences begin with the letter "{letter}".',
            'Each sentence has to start with a word whose first letter is "{letter}".',
            'Begin every sentence with a word that starts with "{letter}".',
            'No sentence may start with any other letter than "{letter}".',
        ),
        draw=lambda draw: {"letter": draw.rng.choice(_SENTENCE_LETTERS)},
        slots=("sentence_start", "start", "end", "initials", *LINE_SLOTS),
        witness=_start_letter,
    ),
    hard(
        "sentences:distinct_starts",
        "At least so many sentences, all beginning with different words.",
        RULES["sentences:distinct_starts"],
        (
            "Write at least {number}, each beginning with a different word.",
            "Use at least {number}; no two of them may start with the same word.",
            "Your answer should have at least {number}, all starting with different words.",
            "Vary the beginnings: at least {number}, and no first word may be used twice.",
            "Begin each of your sentences with another word, and write at least {number}.",
            "At least {number} are needed, and their first words must all differ.",
        ),
        draw=lambda draw: {"num_sentences": draw.upto(2, min(5, draw.max_words // 12))},
        fields=_counted("num_sentences", "sentence"),
        slots=("sentence_start",),
        min_words=24,
        witness=_distinct_starts,
    ),
    hard(
        "sentences:avoid_start",
        "No sentence begins with a given word.",
        RULES["sentences:avoid_start"],
        (
            'No sentence may begin with "{word}".',
            'Do not start any sentence with the word "{word}".',
            'Avoid beginning a sentence with "{word}".',
            'Your sentences must not start with "{word}".',
            '"{word}" must never be the first word of a sentence.',
            'Begin your sentences with any word but "{word}".',
        ),
        draw=lambda draw: {"word": draw.rng.choice(_AVOIDED_STARTS)},
        slots=("sentence_start",),
        witness=_avoid_start,
    ),
    hard(
        "startend:begin_phrase",
        "The response begins with a given phrase.",
        RULES["startend:begin_phrase"],
        (
            'Begin your response with this exact phrase: "{phrase}"',
            'Start with the words "{phrase}"',
            'Your answer must open with "{phrase}"',
            'The first words of your response should be "{phrase}"',
            'Let your answer start exactly like this: "{phrase}"',
            'Open with the phrase "{phrase}" and go on from there.',
        ),
        draw=lambda draw: {"phrase": draw.rng.choice(_BEGINNINGS)},
        slots=("start",),
        witness=_begin_phrase,
    ),
    hard(
        "repeat:phrase",
        "A given phrase occurs exactly so many times.",
        RULES["repeat:phrase"],
        (
            'Use the phrase "{phrase}" {times}.',
            'The phrase "{phrase}" must occur {times}.',
            'Write "{phrase}" {times}, no more and no fewer.',
            'Make sure that "{phrase}" appears {times} in your answer.',
            'Your text should contain the words "{phrase}" {times}.',
            'Repeat the phrase "{phrase}" so that it occurs {times}.',
        ),
        draw=lambda draw: {"phrase": draw.rng.choice(_PHRASES), "count": draw.upto(1, min(3, draw.max_words // 15))},
        fields=_phrase_fields,
        slots=("phrase",),
        witness=_phrase,
    ),
    hard(
        "repeat:bookend",
        "The last sentence repeats the first, with others between.",
        RULES["repeat:bookend"],
        (
            "Begin and end with the same sentence, with at least one other between.",
            "Repeat your first sentence word for word as your last.",
            "The last sentence must be identical to the first; write others in between.",
            "Frame your answer: open and close it with exactly the same sentence.",
            "Let your answer come full circle by ending with its first sentence, unchanged.",
            "Use one and the same sentence as the opening and the ending of your text.",
        ),
        slots=("start", "end", "sentence_start"),
        min_words=25,
        witness=_bookend,
    ),
    hard(
        "repeat:verbatim",
        "A given sentence stands in the text word for word.",
        RULES["repeat:verbatim"],
        (
            'Include this sentence word for word: "{sentence}"',
            'Somewhere in your answer, copy exactly this sentence: "{sentence}"',
            'Your text must contain the sentence "{sentence}" without any change.',
            'Work the sentence "{sentence}" into your answer, exactly as it stands here.',
            'The following sentence has to appear verbatim: "{sentence}"',
            'Quote this sentence exactly at some point: "{sentence}"',
        ),
        draw=lambda draw: {"sentence": draw.rng.choice(_SENTENCES)},
        slots=("verbatim",),
        excludes=_changes_case,
        witness=_verbatim,
    ),
    hard(
        "repeat:anaphora",
        "At least so many lines, every one beginning with a given phrase.",
        RULES["repeat:anaphora"],
        (
            'Write at least {number} and begin every one with "{phrase}".',
            'Every line must start with "{phrase}", and there must be at least {number}.',
            'Start each line of your answer with "{phrase}"; write at least {number}.',
            'Use anaphora: at least {number}, all beginning with "{phrase}".',
            'Let every line open with the words "{phrase}" (at least {number}).',
            'Each of your lines begins with "{phrase}". Give at least {number}.',
        ),
        draw=lambda draw: {
            "phrase": draw.rng.choice(_LINE_STARTS), "num_lines": draw.upto(2, min(5, draw.max_words // 10)),
        },
        fields=_counted("num_lines", "line"),
        slots=(*LINE_SLOTS, "start", "sentence_start"),
        min_words=20,
        witness=_anaphora,
    ),
    hard(
        "repeat:request_span",
        "Given words of the request are quoted in double quotation marks.",
        RULES["repeat:request_span"],
        (
            'Quote the words "{span}" from the request, in double quotation marks.',
            'Somewhere in your answer, put "{span}" in double quotes, as in the request.',
            'Your answer must cite these words in double quotation marks: "{span}"',
            'Refer back to the request by quoting "{span}" (with the quotation marks).',
            'Copy "{span}", including double quotation marks around it, into your answer.',
            'Include a quotation of exactly these words: "{span}"',
        ),
        draw=_draw_span,
        slots=("quotation",),
        fits=lambda seed: len(seed.split()) >= 3 and '"' not in seed and "“" not in seed,
        min_words=20,
        witness=_request_span,
    ),
    hard(
        "order:alphabetical_lines",
        "Exactly so many lines in alphabetical order of their first words.",
        RULES["order:alphabetical_lines"],
        (
            "Write exactly {number} whose first words are in alphabetical order.",
            "Give exactly {number}, sorted alphabetically by their first word.",
            "Your answer consists of {number}; their first words must be in alphabetical order.",
            "Order your {number} from A to Z by first word, with no two first words alike.",
            "Use exactly {number} and arrange them alphabetically.",
            "Put one thought on each of {number}, and sort the lines alphabetically.",
        ),
        draw=lambda draw: {"num_lines": draw.upto(3, min(6, draw.max_words // 8))},
        fields=_counted("num_lines", "line"),
        slots=(*LINE_SLOTS, "start"),
        min_words=24,
        witness=_alphabetical,
    ),
    hard(
        "language:script_words",
        "At least so many words in another script.",
        RULES["language:script_words"],
        (
            "Include at least {number} written in {script} script.",
            "Your answer must contain at least {number} in {script} letters.",
            "Use at least {number} in the {script} script.",
            "Work in at least {number} written with {script} characters.",
            "At least {number} should be in {script} script, the rest in English.",
            "Mix languages: write at least {number} in {script} script.",
        ),
        draw=lambda draw: {"script": draw.rng.choice(sorted(SCRIPT_WORDS)), "count": draw.upto(1, 2)},
        fields=_counted("count", "word"),
        slots=("language",),
        witness=_script,
    ),
    hard(
        "case:capital_word",
        "A given word occurs in capital letters.",
        RULES["case:capital_word"],
        (
            "Write the word {word} in capital letters, as it stands here.",
            "Your answer must contain {word} in all caps.",
            "Include the word {word}, fully capitalized.",
            "Shout one word: {word}.",
            "Use {word} in capitals at least once.",
            "The word {word} has to appear in uppercase.",
        ),
        draw=lambda draw: {"word": some_words(draw.rng, draw.seed_text, 1)[0]},
        fields=_word_upper,
        slots=("case",),
        witness=_capital_word,
    ),
    hard(
        "case:first_line_capitals",
        "The first line is in capital letters, the rest is not.",
        RULES["case:first_line_capitals"],
        (
            "Write the first line in all capital letters and the rest normally.",
            "Use capital letters for the whole first line, then go on in normal case on the next line.",
            "Your first line must be in uppercase; the other lines must not.",
            "Begin with one line in full capitals, followed by ordinary text on new lines.",
            "Put the first line in ALL CAPS and leave the others as usual.",
            "Only the first line should be in capitals; more lines have to follow.",
        ),
        slots=("case", "start", *LINE_SLOTS),
        min_words=12,
        witness=_loud_first_line,
    ),
)  # fmt: skip
