"""How long tests wait for what must come: a bound that only guards against hanging is minutes long, since a test that passes
waits for none of it, and machines may be busy."""

import time
from collections.abc import Callable

PATIENCE_S = 600.0


def wait_until(true: Callable[[], object], about: Callable[[], str] = lambda: "", *, pause_s: float = 0.2) -> None:
    """Poll until `true()`; where it never comes, `about` says what there is instead."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE_S:.0f} s: {about()}"
        time.sleep(pause_s)
