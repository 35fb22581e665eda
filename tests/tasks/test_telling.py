"""What Prefect is told beside the work: an outage costs the work nothing, a refusal is not repeated, the newest is told."""

import threading
from collections.abc import Callable

import httpx
import pytest

from tasks import telling
from tasks.telling import Teller, best_effort
from tests.patience import PATIENCE_S, wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for a pause between two tries would not come back."""
    monkeypatch.setattr(telling, "_PAUSE_S", PATIENCE_S)
    monkeypatch.setattr(telling, "_LAST_PAUSE_S", 0.01)
    monkeypatch.setattr(telling, "LAST_WORDS_S", PATIENCE_S)


class Server:
    """Takes what it is told, unless it is `away`."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.told: list[object] = []
        self.tries = 0

    def hears(self, what: object) -> Callable[[], None]:
        def telling() -> None:
            away = self.away
            self.tries += 1
            if away is not None:
                raise away
            self.told.append(what)

        return telling

    def wait_for_a_try(self) -> None:
        wait_until(lambda: self.tries, pause_s=0.005)


def refusal(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://prefect/api")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), refusal(503), refusal(429)]
)
def test_an_outage_holds_nobody_up_and_the_newest_is_told_after_it(error: Exception) -> None:
    server, teller = Server(), Teller("policy")
    server.away = error
    for step in range(1000):
        teller.tell("progress", server.hears(step))
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
    wait_until(lambda: teller._away, pause_s=0.005)
    teller.close()
    assert server.tries == 2
    assert server.told == []


def test_a_refusal_is_not_repeated_and_keeps_nothing_back() -> None:
    server, teller, taken = Server(), Teller("policy"), threading.Event()
    server.away = refusal(422)
    teller.tell("samples", server.hears("bad"))
    server.wait_for_a_try()
    server.away = None
    teller.tell("progress", taken.set)
    assert taken.wait(PATIENCE_S)
    teller.close()
    assert server.tries == 1


def test_what_is_told_once_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with best_effort("the report"):
        raise httpx.ConnectError("refused")
    assert "did not take the report" in caplog.text


def test_what_takes_long_is_done_aside_in_its_order() -> None:
    aside, done, go_on = telling.Aside(), list[int](), threading.Event()
    aside.do(lambda: go_on.wait(PATIENCE_S) and done.append(0))
    for number in range(1, 4):
        aside.do(lambda number=number: done.append(number))  # type: ignore[misc]
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
