"""Language tags as people write them (en-US, zh_CN, deu) in the codes that the language detector answers with."""

from dataclasses import dataclass
from typing import Any

# langdetect's languages; a test compares the list with its profiles.
DETECTED = (
    "af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he",
    "hi", "hr", "hu", "id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ne", "nl", "no", "pa", "pl",
    "pt", "ro", "ru", "sk", "sl", "so", "sq", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh-cn",
    "zh-tw",
)  # fmt: skip
_OTHER_NAMES = {  # of the primary subtag: old codes, close kin that the detector does not tell apart, ISO 639-2
    "iw": "he", "in": "id", "nb": "no", "nn": "no", "fil": "tl", "cmn": "zh",
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt", "rus": "ru",
    "jpn": "ja", "kor": "ko", "zho": "zh", "chi": "zh", "ara": "ar", "hin": "hi", "tha": "th", "vie": "vi", "nld": "nl",
}  # fmt: skip
_TRADITIONAL = frozenset(("tw", "hk", "mo", "hant"))


def canonical(tag: str) -> str | None:
    """The detector's code of a BCP 47 tag, `zh` where Chinese of either script will do; None when it has none.

    >>> canonical("en-US"), canonical("zh_Hant_HK"), canonical("tlh")
    ('en', 'zh-tw', None)
    """
    primary, *rest = tag.strip().lower().replace("_", "-").split("-")
    code = _OTHER_NAMES.get(primary, primary)
    if code == "zh":
        return "zh" if not rest else "zh-tw" if _TRADITIONAL & set(rest) else "zh-cn"
    return code if code in DETECTED else None


def speaks(detected: str, language: str) -> bool:
    """Whether a detected language is the one (in canonical form) that is asked for."""
    return detected == language or (language == "zh" and detected in ("zh-cn", "zh-tw"))


@dataclass(frozen=True)
class Language:
    """An argument: a language that can be detected, by its code or tag."""

    @property
    def allowed(self) -> str:
        return f"a language code or tag such as en or pt-BR; detected are {', '.join(DETECTED)}"

    def check(self, value: Any) -> str:
        code = canonical(value) if isinstance(value, str) else None
        if code is None:
            raise ValueError
        return code
