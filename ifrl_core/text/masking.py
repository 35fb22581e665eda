"""Passwords and keys that stand in URLs, kept out of what is printed, logged, raised and stored.

A URL is used as the user wrote it and shown as `masked` makes it. What is stored is masked, and who needs the password again
has the URL of its own environment (`settings.with_secrets`).
"""

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

MASK = "***"
# user:password@ of any URL, up to the last @ before its path: people write passwords with @ unescaped.
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/?#:@\"'<>]*)(?P<password>:[^\s/?#\"'<>]*)?@", re.I)
_QUERY = re.compile(
    r"(?<=[?&;])(?P<name>[\w.-]{0,40}(?:key|token|secret|passw|pwd|signature|credential|auth|sig)[\w.-]{0,40}=)[^\s&;#\"'<>]+",
    re.I,
)
_WEB = ("http://", "https://")


def masked(text: str) -> str:
    """A text whose URLs hold no password and no key: `***` stands for each.

    >>> masked("postgresql://ann:pw@db/x, https://token@host/?api_key=1&page=2")
    'postgresql://ann:***@db/x, https://***@host/?api_key=***&page=2'
    """
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\g<name>{MASK}", _USER.sub(_without_password, text))


def masked_document(value: Any) -> Any:
    """The same for every text of a nested document."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {name: masked_document(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked_document(item) for item in value)
    return value


def public(url: str) -> str:
    """A URL for people's browsers: without user and password."""
    return _USER.sub(r"\g<scheme>", url)


def mask_logs() -> None:
    """Have every log line and traceback of this process masked, those of libraries included."""
    logging.setLogRecordFactory(MaskedRecord)


class MaskedRecord(logging.LogRecord):
    """A record whose message and traceback are masked, whatever formats it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = masked("".join(traceback.format_exception(*self.exc_info)).rstrip("\n"))

    def getMessage(self) -> str:  # noqa: N802 (logging's name)
        return masked(super().getMessage())


def _without_password(found: re.Match[str]) -> str:
    scheme, user, password = found["scheme"], found["user"], found["password"]
    if password is None:
        return f"{scheme}{MASK}@" if scheme.lower() in _WEB and user else found[0]
    return f"{scheme}{user}:{MASK}@"
