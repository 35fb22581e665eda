"""Every rule by the id of its hard constraint type. A type added by a user's package joins this dict."""

from ifrl_core.constraints.catalog.hard import ifeval_format_rules as ifeval_format
from ifrl_core.constraints.catalog.hard import ifeval_words_rules as ifeval_words
from ifrl_core.constraints.catalog.hard import length_rules as length
from ifrl_core.constraints.catalog.hard import markup_rules as markup
from ifrl_core.constraints.catalog.hard import numbers_rules as numbers
from ifrl_core.constraints.catalog.hard import patterns_rules as patterns
from ifrl_core.constraints.catalog.hard import punctuation_rules as punctuation
from ifrl_core.constraints.catalog.hard import words_rules as words
from ifrl_core.constraints.verifiers.rule import Rule

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
