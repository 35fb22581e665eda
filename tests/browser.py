"""Headless Chromium for tests, in no hurry: on a busy machine a page takes longer than the half minute of Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.patience import PATIENCE_S, wait_until

_ARGUMENTS = ("--no-sandbox", "--disable-quic", "--disable-background-networking")


@contextmanager
def browser_context(*arguments: str, profile: Path | None = None, **options: Any) -> Iterator[Any]:
    """A browser whose pages wait PATIENCE_S for what they are asked for; `profile` keeps its storage.

    IFRL_CHROMIUM names the program.
    """
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory(prefix="ifrl-browser-", ignore_cleanup_errors=True) as folder, sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            str(profile or folder),
            executable_path=os.environ.get("IFRL_CHROMIUM", "/usr/bin/chromium"),
            args=[*_ARGUMENTS, *arguments],
            timeout=PATIENCE_S * 1000,
            **options,
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        yield context
        context.close()


def text_with(page: Any, expected: str) -> str:
    """The text of a page, once it shows what is `expected`."""

    def seen() -> str:
        return str(page.inner_text("body"))

    wait_until(lambda: expected in seen(), lambda: f"{page.url} never showed {expected!r}: {seen()[:1500]}")
    return seen()
