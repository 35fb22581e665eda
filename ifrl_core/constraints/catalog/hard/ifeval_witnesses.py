"""Witnesses of IFEval's types: what each demands of a draft."""

from collections.abc import Callable

from ifrl_core.constraints.catalog.hard.ifeval_format_rules import CONSTRAINED_RESPONSES
from ifrl_core.constraints.types import Args
from ifrl_core.constraints.witness.draft import Draft, Item

CAPITAL_WORDS = ("LIGHT", "SEA", "HOME", "FUN", "SUN", "JOY", "NOW", "GOOD")


def existence(draft: Draft, args: Args) -> None:
    draft.phrases += args["keywords"]


def frequency(draft: Draft, args: Args) -> None:
    if args["relation"] == "at least":
        draft.phrases += [args["keyword"]] * args["frequency"]
    else:
        draft.letter_most[args["keyword"].lower()] = 0  # no witness needs the word at all


def forbidden_words(draft: Draft, args: Args) -> None:
    draft.banned_words.update(word.lower() for word in args["forbidden_words"])


def letter_frequency(draft: Draft, args: Args) -> None:
    if args["let_relation"] == "at least":
        draft.letter_least[args["letter"]] = max(draft.letter_least[args["letter"]], args["let_frequency"])
    else:
        draft.letter_most[args["letter"]] = max(0, args["let_frequency"] - 1)


def response_language(draft: Draft, args: Args) -> None:
    draft.language = args["language"]
    if args["language"] != "en":
        draft.min_words = max(draft.min_words, 12)  # fewer words do not tell one language from another


def number_words(draft: Draft, args: Args) -> None:
    if args["relation"] == "at least":
        draft.min_words = max(draft.min_words, args["num_words"])
    else:
        draft.no_more_words_than(args["num_words"] - 1)


def number_sentences(draft: Draft, args: Args) -> None:
    if args["relation"] == "at least":
        draft.min_sentences = max(draft.min_sentences, args["num_sentences"])
    else:
        draft.no_more_sentences_than(args["num_sentences"] - 1)


def english_capital(draft: Draft, args: Args) -> None:
    draft.case = "upper"


def english_lowercase(draft: Draft, args: Args) -> None:
    draft.case = "lower"


def capital_word_frequency(draft: Draft, args: Args) -> None:
    if args["capital_relation"] == "at least":
        draft.phrases += draft.pick(CAPITAL_WORDS, args["capital_frequency"])
    else:
        draft.most_capital_words = args["capital_frequency"] - 1
        draft.banned_starts.update(("a", "i"))  # one-letter words in capitals


def no_comma(draft: Draft, args: Args) -> None:
    draft.banned_characters.add(",")


def number_paragraphs(draft: Draft, args: Args) -> None:
    draft.paragraphs, draft.divider = args["num_paragraphs"], "\n***\n"


def nth_paragraph_first_word(draft: Draft, args: Args) -> None:
    draft.paragraphs = args["num_paragraphs"]
    draft.paragraph_openers[args["nth_paragraph"] - 1] = args["first_word"]


def number_placeholders(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(("[name]", "[date]", "[to]"), args["num_placeholders"])


def postscript(draft: Draft, args: Args) -> None:
    draft.end = f"{args['postscript_marker']} so it is"
    draft.end_on_own_line = True


def number_bullet_lists(draft: Draft, args: Args) -> None:
    draft.items += [Item("* ") for _ in range(args["num_bullets"])]


def constrained_response(draft: Draft, args: Args) -> None:
    draft.raw.append(CONSTRAINED_RESPONSES[0])


def number_highlighted_sections(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(("so *light*", "the *sun*", "by *day*"), args["num_highlights"])


def multiple_sections(draft: Draft, args: Args) -> None:
    draft.items += [Item(f"{args['section_spliter']} {n} ") for n in range(1, args["num_sections"] + 1)]


def json_format(draft: Draft, args: Args) -> None:
    draft.json = True


def title(draft: Draft, args: Args) -> None:
    draft.items.insert(0, Item("<<", None, ">>", marked=False))


def two_responses(draft: Draft, args: Args) -> None:
    draft.paragraphs, draft.divider = 2, "\n******\n"


def repeat_prompt(draft: Draft, args: Args) -> None:
    draft.start = args["prompt_to_repeat"]


def end_checker(draft: Draft, args: Args) -> None:
    draft.end = args["end_phrase"]


def quotation(draft: Draft, args: Args) -> None:
    draft.wrap = ('"', '"')


WITNESSES: dict[str, Callable[[Draft, Args], None]] = {
    "keywords:existence": existence,
    "keywords:frequency": frequency,
    "keywords:forbidden_words": forbidden_words,
    "keywords:letter_frequency": letter_frequency,
    "language:response_language": response_language,
    "length_constraints:number_words": number_words,
    "length_constraints:number_sentences": number_sentences,
    "length_constraints:number_paragraphs": number_paragraphs,
    "length_constraints:nth_paragraph_first_word": nth_paragraph_first_word,
    "change_case:english_capital": english_capital,
    "change_case:english_lowercase": english_lowercase,
    "change_case:capital_word_frequency": capital_word_frequency,
    "punctuation:no_comma": no_comma,
    "detectable_content:number_placeholders": number_placeholders,
    "detectable_content:postscript": postscript,
    "detectable_format:number_bullet_lists": number_bullet_lists,
    "detectable_format:constrained_response": constrained_response,
    "detectable_format:number_highlighted_sections": number_highlighted_sections,
    "detectable_format:multiple_sections": multiple_sections,
    "detectable_format:json_format": json_format,
    "detectable_format:title": title,
    "combination:two_responses": two_responses,
    "combination:repeat_prompt": repeat_prompt,
    "startend:end_checker": end_checker,
    "startend:quotation": quotation,
}
