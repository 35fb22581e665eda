"""Words that sampled constraints name: the seed's own content words first, else plain ones that fit most topics."""

import random

import regex

_STOP_TEXT = """
a about above after again all also am an and any are as ask at be because been before being below between both but
by can could describe did do does each explain few for from further give had has have he help her here him his how
i if in into is it its just kind let like list make many may me might more most much must my name need new no nor
not of off on one only or other our out over own please provide same say see she should short so some such suggest
tell than that the their them then there these they thing things this those three through to too two under until up
us use using want was way we well were what when where which while who why will with would write you your
"""
_STOP_WORDS = frozenset(_STOP_TEXT.split())

_COMMON_TEXT = """
balance bridge bright calm careful change choice clear common community comfort course daily detail direct early
effort energy example family final focus fresh friend future garden gentle goal green growth habit health honest
hope idea island journey kind knowledge lasting learn level light local memory method mind modern moment morning
mountain music natural nature new open order patient pattern people place plan practice present problem progress
promise purpose quality quick quiet reason result river rule safe season secret shared shelter simple skill small
solid source space steady step story street strong summer support surprise teacher time tool tradition travel trust
useful value village vision voice warm water weather window winter wonder work world young
"""
COMMON_WORDS: tuple[str, ...] = tuple(_COMMON_TEXT.split())

NUMBER_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def content_words(text: str) -> list[str]:
    """The plain words of a seed that carry its topic, in lower case, each once, in order."""
    words = regex.findall(r"(?<!\w)[a-zA-Z]{3,12}(?!\w)", text)  # to `re` a combining mark ends a word
    return list(dict.fromkeys(word.lower() for word in words if word.lower() not in _STOP_WORDS))


def some_words(rng: random.Random, seed_text: str, count: int, *, own_share: float = 0.5) -> list[str]:
    """`count` different words, each from the seed with probability `own_share`, else from the common ones."""
    own = content_words(seed_text)
    chosen: list[str] = []
    while len(chosen) < count:
        pool = own if own and rng.random() < own_share else COMMON_WORDS
        word = rng.choice(pool)
        if word not in chosen:
            chosen.append(word)
        elif pool is own:
            own = [w for w in own if w not in chosen]
    return chosen


def foreign_words(rng: random.Random, seed_text: str, count: int) -> list[str]:
    """`count` common words that the seed does not use itself, so that forbidding them leaves the task possible."""
    used = set(content_words(seed_text))
    return rng.sample([word for word in COMMON_WORDS if word not in used], count)
