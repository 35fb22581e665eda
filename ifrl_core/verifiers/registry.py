"""Every rule by the id of its hard constraint type. A type added by a user's package joins this dict."""

from ifrl_core.verifiers import ifeval_format, ifeval_words, length, markup, numbers, patterns, punctuation, words
from ifrl_core.verifiers.rule import Rule

RULES: dict[str, Rule] = {
    **ifeval_words.RULES,
    **ifeval_format.RULES,
    **words.RULES,
    **length.RULES,
    **punctuation.RULES,
    **numbers.RULES,
    **markup.RULES,
    **patterns.RULES,
}
