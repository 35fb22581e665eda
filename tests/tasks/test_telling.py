"""What Prefect is told beside the work: an outage costs the work nothing, a refusal is not repeated, the newest is told."""

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tasks import telling
from tasks.telling import Teller, best_effort


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_PAUSE_S", 0.02)
    monkeypatch.setattr(telling, "_LAST_PAUSE_S", 0.01)
    monkeypatch.setattr(telling, "LAST_WORDS_S", 2.0)


class Server:
    """Takes what it is told, unless it is `away`."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.told: list[object] = []
        self.tries = 0

    def hears(self, what: object) -> Callable[[], None]:
        def telling() -> None:
            self.tries += 1
            if self.away is not None:
                raise self.away
            self.told.append(what)

        return telling

    def wait_for_a_try(self) -> None:
        end = time.monotonic() + 10
        while not self.tries and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.02)


def refusal(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect/api")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), refusal(503), refusal(429)]
)
def test_an_outage_holds_nobody_up_and_the_newest_is_told_after_it(error: Exception) -> None:
    server, teller = Server(), Teller("policy")
    server.away = error
    begun = time.monotonic()
    for step in range(1000):
        teller.tell("progress", server.hears(step))
    assert time.monotonic() - begun < 2  # a pause each would be 20
    server.wait_for_a_try()
    server.away = None
    teller.tell("samples", server.hears("rows"))
    teller.close()
    assert set(server.told) == {999, "rows"}


def test_a_server_that_stays_away_costs_the_end_one_try() -> None:
    server, teller = Server(), Teller("policy")
    server.away = httpx.ConnectError("refused")
    teller.tell("progress", server.hears(1))
    server.wait_for_a_try()
    begun, tries = time.monotonic(), server.tries
    teller.close()
    assert time.monotonic() - begun < 1
    assert server.tries <= tries + 2
    assert server.told == []


def test_a_refusal_is_not_repeated_and_keeps_nothing_back() -> None:
    server, teller, taken = Server(), Teller("policy"), threading.Event()
    server.away = refusal(422)
    teller.tell("samples", server.hears("bad"))
    server.wait_for_a_try()
    server.away = None
    teller.tell("progress", taken.set)
    assert taken.wait(10)
    teller.close()
    assert server.tries == 1


def test_what_is_told_once_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with best_effort("the report"):
        raise httpx.ConnectError("refused")
    assert "did not take the report" in caplog.text


def test_what_takes_long_is_done_aside_in_its_order() -> None:
    aside, done, go_on = telling.Aside(), list[int](), threading.Event()
    begun = time.monotonic()
    aside.do(lambda: go_on.wait(10) and done.append(0))
    for number in range(1, 4):
        aside.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert time.monotonic() - begun < 1
    assert done == []
    go_on.set()
    aside.close()
    assert done == [0, 1, 2, 3]


def test_what_fails_aside_is_logged_and_the_next_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    aside = telling.Aside()
    aside.do(lambda: done.append(1 // 0))
    aside.do(lambda: done.append(2))
    aside.close()
    assert done == [2]
    assert "division" in caplog.text
