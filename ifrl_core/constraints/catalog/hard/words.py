"""Hard types on words: first and last word, length, letters, endings, order, words to do without."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.words_rules import FILLERS, FIRST_PERSON, RULES
from ifrl_core.constraints.types import Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.vocabulary import some_words
from ifrl_core.constraints.witness.bank import HYPHENATED_WORDS, LONG_WORDS, WORDS_ENDING_IN, WORDS_STARTING_WITH
from ifrl_core.constraints.witness.draft import Draft

_FIRST_WORDS = ("Today", "Imagine", "Perhaps", "First", "Once", "Yes", "Sometimes", "Now", "Everyone", "Here", "Look",
                "Sure", "Well", "Picture", "Every", "Indeed")  # fmt: skip
_LAST_WORDS = ("end", "home", "today", "forever", "again", "day", "life", "time", "now", "light", "world", "hope",
               "heart", "together", "always", "done")  # fmt: skip
_COMMON_INITIALS = "abcdefghlmnoprstw"
_RARER_INITIALS = "bcdfghjklmnopruvwy"


def _count_of(noun: str) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "words": counted(args["count"], noun)}

    return fields


def _some(draw: Draw, most: int = 4) -> int:
    return draw.upto(1, min(most, draw.max_words // 15))


def _draw_order(draw: Draw) -> Args:
    first, second = some_words(draw.rng, draw.seed_text, 2)
    return {"first": first, "second": second}


def _opener(draft: Draft, args: Args) -> None:
    draft.opener = args["word"]


def _last(draft: Draft, args: Args) -> None:
    draft.end = f"{args['word'].capitalize()}{'.' if '.' not in draft.banned_characters else '!'}"


def _longest(draft: Draft, args: Args) -> None:
    draft.longest_word = args["max_letters"]


def _long(draft: Draft, args: Args) -> None:
    fitting = [word for word in LONG_WORDS if len(word) >= args["min_letters"]]
    draft.phrases += draft.pick(fitting, args["count"]) if fitting else []


def _starting(draft: Draft, args: Args) -> None:
    draft.phrases += [WORDS_STARTING_WITH[args["letter"]]] * args["count"]


def _not_starting(draft: Draft, args: Args) -> None:
    draft.banned_initials.add(args["letter"])


def _ending(draft: Draft, args: Args) -> None:
    words = WORDS_ENDING_IN.get(args["suffix"], (f"be{args['suffix']}",))
    draft.phrases += draft.pick(words, args["count"])


def _in_order(draft: Draft, args: Args) -> None:
    draft.phrases += [args["first"], args["second"]]


def _hyphenated(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(HYPHENATED_WORDS, args["count"])


def _no_first_person(draft: Draft, args: Args) -> None:
    draft.banned_words.update(FIRST_PERSON)


def _no_contractions(draft: Draft, args: Args) -> None:
    """Plain sentences have none."""


def _no_fillers(draft: Draft, args: Args) -> None:
    draft.banned_words.update(FILLERS)


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "words:first_word",
        "The first word of the response is a given one.",
        RULES["words:first_word"],
        (
            'The first word of your answer must be "{word}".',
            'Begin with the word "{word}".',
            'Start your response with "{word}".',
            'Let "{word}" be the very first word.',
            'Your answer has to open with the word "{word}".',
            'Nothing may stand before the word "{word}", with which your text begins.',
        ),
        draw=lambda draw: {"word": draw.rng.choice(_FIRST_WORDS)},
        slots=("start",),
        witness=_opener,
    ),
    hard(
        "words:last_word",
        "The last word of the response is a given one.",
        RULES["words:last_word"],
        (
            'The last word of your answer must be "{word}".',
            'End with the word "{word}".',
            'Let the final word of your response be "{word}".',
            'Your last sentence has to end with "{word}".',
            'Finish so that "{word}" is the very last word.',
            'After the word "{word}" nothing more may follow; it closes your text.',
        ),
        draw=lambda draw: {"word": draw.rng.choice(_LAST_WORDS)},
        slots=("end",),
        witness=_last,
    ),
    hard(
        "words:max_length",
        "No word is longer than a given number of letters.",
        RULES["words:max_length"],
        (
            "Use no word with more than {max_letters} letters.",
            "Every word may have at most {max_letters} letters.",
            "Keep all words to {max_letters} letters or fewer.",
            "Words longer than {max_letters} letters are not allowed.",
            "Write only with words of up to {max_letters} letters.",
            "Choose short words: none may exceed {max_letters} letters.",
        ),
        draw=lambda draw: {"max_letters": draw.upto(6, 10)},
        slots=("word_shape",),
        witness=_longest,
    ),
    hard(
        "words:long_words",
        "At least so many words have a given number of letters or more.",
        RULES["words:long_words"],
        (
            "Use at least {words} of {min_letters} or more letters.",
            "Include at least {words} with {min_letters} letters or more.",
            "At least {words} in your answer must be {min_letters} letters long or longer.",
            "Your text needs at least {words} of no fewer than {min_letters} letters.",
            "Work in at least {words} that have {min_letters} or more letters.",
            "Show off your vocabulary: at least {words} of {min_letters} letters or more.",
        ),
        draw=lambda draw: {"count": _some(draw, 3), "min_letters": draw.upto(9, 12)},
        fields=_count_of("word"),
        slots=("word_shape",),
        witness=_long,
    ),
    hard(
        "words:starting_letter",
        "At least so many words begin with a given letter.",
        RULES["words:starting_letter"],
        (
            'Use at least {words} starting with the letter "{letter}".',
            'At least {words} must begin with "{letter}".',
            'Include at least {words} whose first letter is "{letter}".',
            'Your answer should have at least {words} that start with "{letter}".',
            'Make sure that at least {words} begin with the letter "{letter}".',
            'Choose at least {words} with "{letter}" as the initial letter.',
        ),
        draw=lambda draw: {"letter": draw.rng.choice(_COMMON_INITIALS), "count": draw.upto(2, draw.max_words // 12)},
        fields=_count_of("word"),
        slots=("initials",),
        min_words=12,
        witness=_starting,
    ),
    hard(
        "words:avoid_starting_letter",
        "No word begins with a given letter.",
        RULES["words:avoid_starting_letter"],
        (
            'Use no word that starts with the letter "{letter}".',
            'No word of your answer may begin with "{letter}".',
            'Avoid all words whose first letter is "{letter}".',
            'Write without words that begin with "{letter}".',
            'Words starting with "{letter}" are forbidden.',
            'Do not use any word with "{letter}" as its initial letter.',
        ),
        draw=lambda draw: {"letter": draw.rng.choice(_RARER_INITIALS)},
        slots=("initials",),
        witness=_not_starting,
    ),
    hard(
        "words:ending",
        "At least so many words have a given ending.",
        RULES["words:ending"],
        (
            'Use at least {words} ending in "{suffix}".',
            'At least {words} must end with "-{suffix}".',
            'Include at least {words} with the ending "{suffix}".',
            'Your answer should contain at least {words} that end in "{suffix}".',
            'Make sure at least {words} finish with the letters "{suffix}".',
            'Write at least {words} that have the ending "-{suffix}".',
        ),
        draw=lambda draw: {"suffix": draw.rng.choice(sorted(WORDS_ENDING_IN)), "count": _some(draw)},
        fields=_count_of("word"),
        witness=_ending,
    ),
    hard(
        "words:order",
        "Two words occur, one before the other.",
        RULES["words:order"],
        (
            'Use the words "{first}" and "{second}", with "{first}" coming first.',
            'Mention "{first}" before you mention "{second}"; both must appear.',
            'Both "{first}" and "{second}" have to occur, in this order.',
            'Your answer should speak of "{first}" and only afterwards of "{second}".',
            'Include "{first}", and later in the text "{second}".',
            'The word "{second}" must appear after the word "{first}".',
        ),
        draw=_draw_order,
        slots=("keywords",),
        min_words=15,
        witness=_in_order,
    ),
    hard(
        "words:hyphenated",
        "At least so many hyphenated words.",
        RULES["words:hyphenated"],
        (
            'Use at least {words}, such as "well-known".',
            "Include at least {words} in your answer.",
            "Your text should contain at least {words}.",
            'At least {words} (like "long-term") must appear.',
            "Make sure to write at least {words}.",
            "Work in at least {words}.",
        ),
        draw=lambda draw: {"count": _some(draw, 3)},
        fields=_count_of("hyphenated word"),
        witness=_hyphenated,
    ),
    hard(
        "words:no_first_person",
        "No pronoun of the first person (I, me, my, we, us, our).",
        RULES["words:no_first_person"],
        (
            "Do not use the first person (no I, me, my, we, us or our).",
            "Write without first-person pronouns.",
            'Avoid "I", "we" and all other first-person pronouns.',
            "First-person pronouns are not allowed anywhere.",
            "Keep yourself out of it: no first-person pronouns.",
            "Your answer must not contain any pronoun of the first person.",
        ),
        slots=("person",),
        witness=_no_first_person,
    ),
    hard(
        "words:no_contractions",
        "No contraction such as don't or it's.",
        RULES["words:no_contractions"],
        (
            "Do not use contractions.",
            'Write every word out in full: no contractions such as "don\'t" or "it\'s".',
            "Avoid contractions altogether.",
            "Contractions are not allowed in your answer.",
            'Spell out all forms ("do not" instead of "don\'t").',
            "Your text must be free of contractions.",
        ),
        witness=_no_contractions,
    ),
    hard(
        "words:no_filler_words",
        "None of the filler words very, really, just, quite, actually, basically, literally, simply.",
        RULES["words:no_filler_words"],
        (
            f"Do without filler words ({', '.join(FILLERS)}).",
            f"Do not use any of these words: {', '.join(FILLERS)}.",
            f"Avoid the following fillers: {', '.join(FILLERS)}.",
            f"None of these may appear: {', '.join(FILLERS)}.",
            f"Leave out words that add nothing: {', '.join(FILLERS)}.",
            f"The words {', '.join(FILLERS)} are forbidden.",
        ),
        witness=_no_fillers,
    ),
)  # fmt: skip
