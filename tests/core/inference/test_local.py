"""The engine that a process holds: one at a time, shared by its threads, and its memory given back."""

import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import RolloutsConfig
from ifrl_core.inference import Completion, Request, Sampling, local
from ifrl_core.inference.local import LocalEngine, close_local_engine
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.inference.transformers_engine import TransformersEngine
from ifrl_core.stages.progress import Progress, no_progress

ASKED = [Request([{"role": "user", "content": f"Name {n} rivers."}], n) for n in range(12)]


class Echo:
    """An engine that notices two calls at once, and calls after its end."""

    def __init__(self, name: str, loaded: list[str]) -> None:
        loaded.append(name)
        self.name, self.loaded, self.busy, self.closed = name, loaded, False, False

    def generate(
        self, requests: list[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        assert not self.busy
        assert not self.closed
        self.busy = True
        texts = [Completion(f"{self.name} {request.seed}", "stop", 1, 1) for request in requests]
        self.busy = False
        return texts

    def close(self) -> None:
        assert not self.busy
        self.closed = True
        self.loaded.remove(self.name)


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    local._held.close()
    yield
    local._held.close()


def test_threads_that_want_different_models_take_turns_with_one_loaded_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "give_memory_back", lambda: None)  # a collection of everything, at each turn
    loaded: list[str] = []
    engines = {name: LocalEngine(name, lambda name=name: Echo(name, loaded)) for name in ("a", "b")}  # type: ignore[misc]
    assert loaded == ["b"]  # the other one was closed first

    def ask(number: int) -> str:
        name = "ab"[number % 2]
        [completion] = engines[name].generate([Request([], number)], Sampling(1))
        assert len(loaded) == 1
        return completion.text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [f"{'ab'[n % 2]} {n}" for n in range(40)]
    close_local_engine()
    assert loaded == []
    assert [c.text for c in engines["a"].generate([Request([], 1)], Sampling(1))] == ["a 1"]  # loaded again


def test_a_model_that_does_not_load_leaves_nothing_held() -> None:
    def fails() -> Any:
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        LocalEngine("broken", fails)
    assert local._held.engine is None


@pytest.mark.model
def test_threads_share_one_engine_and_get_what_one_caller_gets(
    small_model: ArtifactRef, model_store: ArtifactStore
) -> None:
    config, sampling = RolloutsConfig(dtype="float32", batch_size=4), Sampling(6, temperature=1.0)
    alone = open_engine(config, small_model, model_store)
    expected = [alone.generate(ASKED[n : n + 3], sampling) for n in range(0, len(ASKED), 3)]

    def ask(start: int) -> list[Completion]:
        return open_engine(config, small_model, model_store).generate(ASKED[start : start + 3], sampling)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(0, len(ASKED), 3))) == expected


@pytest.mark.model
def test_a_closed_engine_lets_go_of_its_model_whoever_still_holds_it(
    small_model: ArtifactRef, small_model_folder: Path, model_store: ArtifactStore
) -> None:
    handle = open_engine(RolloutsConfig(), small_model, model_store)
    held: Any = local._held.engine
    assert isinstance(held, TransformersEngine)
    model = weakref.ref(held.decoder.model)
    weights = weakref.ref(next(held.decoder.model.parameters()))
    forget_engine()
    assert (model(), weights()) == (None, None)
    assert len(handle.generate(ASKED[:1], Sampling(2))) == 1
    gc.collect()
