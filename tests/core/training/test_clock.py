"""Seconds of a step by part."""

import pytest

from ifrl_core.training.clock import AFTER, StepClock


def test_a_part_within_another_counts_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ifrl_core.training.clock.time.perf_counter", lambda: now[0])
    clock = StepClock()
    for _ in range(2):  # a step's seconds are its own
        clock.start()
        with clock.of("backward"):
            now[0] += 1
            with clock.of("prepare"):
                now[0] += 2
                with clock.of("generate"):
                    now[0] += 4
            with clock.of("forward"):
                now[0] += 8
            now[0] += 16
        now[0] += 32
        clock.begin("optimizer")
        now[0] += 64
        clock.end()
        clock.stop()
    split = {name.removeprefix("seconds/"): seconds for name, seconds in clock.split().items()}
    assert split == {
        **{"step": 127, "generate": 4, "score": 0, "forward": 8, "backward": 17, "optimizer": 64},
        "train": 123,
    }
    with clock.of(AFTER):
        now[0] += 128
    assert clock.split() == {**{f"seconds/{name}": seconds for name, seconds in split.items()}, "seconds/measure": 128}
