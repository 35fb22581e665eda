"""The rules of IFBench's 58 types, by id.

Source: Pyatkin et al., Generalizing Verifiable Instruction Following (arXiv 2507.02833); verdicts are held to those of the
official checkers (allenai/IFBench db69a6f0) in the tests. The two that are plainly broken follow the words of their prompts
instead (`repeat:repeat_span` cuts characters, `format:line_indent` changes the list it walks); OFFICIAL has them as they
are. `words:start_verb` needs a tagger, so it has no rule and stays unscored. None of the types enters the training catalog.
"""

from collections.abc import Mapping

from ifrl_core.constraints.verdict import Rules, rule_of
from ifrl_core.constraints.verifiers.arguments import Argument, Integer, Text
from ifrl_core.constraints.verifiers.rule import Rule
from ifrl_core.errors import ConstraintError
from ifrl_core.evaluation.benchmarks.rules.ifbench import (
    count_rules,
    custom_rules,
    format_rules,
    ratio_rules,
    repeat_rules,
    sentence_rules,
    word_rules,
)

_COUNT = Integer(0, 100_000, "words, marks or sentences")
_PERCENTAGE = Integer(0, 100, "percent")
_KEYWORD = Text("the keyword")
_REQUEST = Text("the request to repeat", max_chars=100_000, strip=False)
_SPAN: Mapping[str, Argument] = {"prompt_to_repeat": _REQUEST, "n_start": _COUNT, "n_end": _COUNT}

UNSCORED = frozenset({"words:start_verb"})  # needs a part-of-speech tagger

RULES = {
    "count:word_count_range": Rule(count_rules.word_count_range, {"min_words": _COUNT, "max_words": _COUNT}),
    "count:unique_word_count": Rule(count_rules.unique_word_count, {"N": _COUNT}),
    "count:numbers": Rule(count_rules.numbers, {"N": _COUNT}),
    "count:conjunctions": Rule(count_rules.conjunctions, {"small_n": _COUNT}),
    "count:person_names": Rule(count_rules.person_names, {"N": _COUNT}),
    "count:pronouns": Rule(count_rules.pronouns, {"N": _COUNT}),
    "count:punctuation": Rule(count_rules.punctuation),
    "count:keywords_multiple": Rule(count_rules.keywords_multiple, {f"keyword{i}": _KEYWORD for i in range(1, 6)}),
    "count:words_japanese": Rule(count_rules.words_japanese, {"N": Integer(1, 100_000, "words")}),
    "ratio:stop_words": Rule(ratio_rules.stop_words, {"percentage": _PERCENTAGE}),
    "ratio:overlap": Rule(
        ratio_rules.overlap,
        {"reference_text": Text("the reference", max_chars=1_000_000, strip=False), "percentage": _PERCENTAGE},
    ),
    "ratio:sentence_type": Rule(ratio_rules.sentence_type),
    "ratio:sentence_balance": Rule(ratio_rules.sentence_balance),
    "ratio:sentence_words": Rule(ratio_rules.sentence_words),
    "words:alphabet": Rule(word_rules.alphabet),
    "words:vowel": Rule(word_rules.vowel),
    "words:consonants": Rule(word_rules.consonants),
    "words:palindrome": Rule(word_rules.palindrome),
    "words:prime_lengths": Rule(word_rules.prime_lengths),
    "words:repeats": Rule(word_rules.repeats, {"small_n": _COUNT}),
    "words:odd_even_syllables": Rule(word_rules.odd_even_syllables),
    "words:last_first": Rule(word_rules.last_first),
    "words:paragraph_last_first": Rule(word_rules.paragraph_last_first),
    "words:no_consecutive": Rule(word_rules.no_consecutive),
    "words:words_position": Rule(word_rules.words_position, {"keyword": _KEYWORD}),
    "words:keywords_specific_position": Rule(
        word_rules.keywords_specific_position,
        {"keyword": _KEYWORD, "n": Integer(1, 100_000, "sentences"), "m": Integer(1, 100_000, "words")},
    ),
    "sentence:keyword": Rule(sentence_rules.keyword, {"word": _KEYWORD, "N": Integer(1, 100_000, "sentences")}),
    "sentence:increment": Rule(sentence_rules.increment, {"small_n": _COUNT}),
    "sentence:alliteration_increment": Rule(sentence_rules.alliteration_increment),
    "format:parentheses": Rule(format_rules.parentheses),
    "format:quotes": Rule(format_rules.quotes),
    "format:options": Rule(format_rules.options, {"options": Text("the options", strip=False)}),
    "format:newline": Rule(format_rules.newline),
    "format:emoji": Rule(format_rules.emoji),
    "format:line_indent": Rule(format_rules.line_indent),
    "format:quote_unquote": Rule(format_rules.quote_unquote),
    "format:list": Rule(format_rules.list_, {"sep": Text("the separator", strip=False)}),
    "format:thesis": Rule(format_rules.thesis),
    "format:sub-bullets": Rule(format_rules.sub_bullets),
    "format:no_bullets_bullets": Rule(format_rules.no_bullets_bullets),
    "format:title_case": Rule(format_rules.title_case),
    "format:no_whitespace": Rule(format_rules.no_whitespace),
    "format:output_template": Rule(format_rules.output_template),
    "repeat:repeat_change": Rule(repeat_rules.repeat_change, {"prompt_to_repeat": _REQUEST}),
    "repeat:repeat_simple": Rule(repeat_rules.repeat_simple),
    "repeat:repeat_span": Rule(repeat_rules.repeat_span, _SPAN),
    "custom:multiples": Rule(custom_rules.multiples),
    "custom:reverse_newline": Rule(custom_rules.reverse_newline),
    "custom:european_capitals_sort": Rule(custom_rules.european_capitals_sort),
    "custom:character_reverse": Rule(custom_rules.character_reverse),
    "custom:word_reverse": Rule(custom_rules.word_reverse),
    "custom:sentence_alphabet": Rule(custom_rules.sentence_alphabet),
    "custom:date_format_list": Rule(custom_rules.date_format_list),
    "custom:csv_city": Rule(custom_rules.csv_city),
    "custom:csv_quotes": Rule(custom_rules.csv_quotes),
    "custom:csv_special_character": Rule(custom_rules.csv_special_character),
    "custom:mcq_count_length": Rule(custom_rules.mcq_count_length),
}
OFFICIAL = RULES | {
    "format:line_indent": Rule(format_rules.line_indent_official),
    "repeat:repeat_span": Rule(repeat_rules.repeat_span_official, _SPAN),
}


def rules(*, official: bool = False) -> Rules:
    """The rule of an id of IFBench, or of the catalog (IFEval's ids among it).

    Raises (the returned function):
        ConstraintError: for an id that neither has, or that needs what is not here.
    """
    own = OFFICIAL if official else RULES

    def rule(type_id: str) -> Rule:
        if type_id in UNSCORED:
            raise ConstraintError(f"{type_id!r} needs a part-of-speech tagger, which ifrl has not: leave its rows out")
        return own[type_id] if type_id in own else rule_of(type_id)

    return rule
