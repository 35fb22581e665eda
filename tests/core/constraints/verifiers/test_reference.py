"""Our faster routes give what nltk and langdetect give."""

import subprocess
import sys

import langdetect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import NLTKWordTokenizer

from ifrl_core.constraints.verifiers.capitals import count_capital_words
from ifrl_core.constraints.verifiers.language import detect_language
from ifrl_core.constraints.verifiers.sentences import _punkt, split_sentences

PIECES = [
    "a", "Mr.", "B", ". ", ".", "!", "?", '"', "'", ")", "(", "\n", "\xa0", " ", "...", "e.g. ", "U.S. ", "The", "he ",
    "GONNA ", "DON'T ", "I ", "cannot ", "“", "”", ", ", ":", "-", "--", "1", "3.5 ", "*", "A ", "É", "#", "[", "]",
]  # fmt: skip
MIXED_TEXT = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)

LANGUAGE_TEXTS = [
    "This is an English sentence.", "Dies ist ein deutscher Satz über Äpfel.", "Ceci est une phrase française.",
    "Esto es español, señor.", "日本語の文章です。", "이것은 한국어입니다", "это русский текст", "هذا نص عربي", "GO NOW", "x",
    "Mixed English und Deutsch http://example.com/a mail@example.com", "ỗ Tiếng Việt là ngôn ngữ", "MOST OF ALL CAPS",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(MIXED_TEXT)
def test_sentences_are_those_of_nltk_punkt(text: str) -> None:
    assert split_sentences(text) == list(_punkt().tokenizer.tokenize(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([p for p in PIECES if "'" not in p and p != '"']), max_size=30).map("".join))
def test_capital_words_are_those_of_nltk_word_tokenize(text: str) -> None:
    tokens = [t for sentence in _punkt().tokenizer.tokenize(text) for t in NLTKWordTokenizer().tokenize(sentence)]
    assert count_capital_words(text) == sum(token.isupper() for token in tokens)


@pytest.mark.parametrize("text", ["**DON'T.** Go!", "I DON'T KNOW. YOU CANNOT.", '"STOP," SHE SAID. "IT\'S US."'])
def test_capital_contractions_count_as_two_tokens(text: str) -> None:
    tokens = [t for sentence in _punkt().tokenizer.tokenize(text) for t in NLTKWordTokenizer().tokenize(sentence)]
    assert count_capital_words(text) == sum(token.isupper() for token in tokens)


@pytest.mark.parametrize("text", LANGUAGE_TEXTS)
def test_languages_are_those_of_langdetect_with_seed_0(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 0)
    assert detect_language(text) == langdetect.detect(text)


@pytest.mark.parametrize("text", ["", "123", "!?", "\n"])
def test_a_text_without_letters_has_no_language(text: str) -> None:
    assert detect_language(text) is None


def test_importing_the_verifiers_does_not_import_nltk() -> None:
    """nltk takes a second to import; commands that judge nothing do not pay for it."""
    code = (
        "import sys, ifrl_core.constraints.verifiers, ifrl_core.constraints.sampling; sys.exit('nltk' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
