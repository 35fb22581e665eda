"""Charts: every value is drawn inside its frame, where it belongs; text and labels are escaped."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.report.charts import HEIGHT, LEFT, WIDTH, Series, dumbbell, line_chart, reliability, roc, ticks, whisker

FINITE = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))


@given(FINITE, FINITE)
def test_ticks_are_few_round_and_cover_the_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    assert 2 <= len(found) <= 9
    hair = 1e-6 * (high - low) + 1e-9
    assert found[0] <= low + hair
    assert found[-1] >= high - hair
    assert found == sorted(set(found))


@given(st.lists(st.one_of(st.none(), FINITE), min_size=1, max_size=60))
def test_lines_stay_in_their_frame_and_gaps_stay_gaps(values: list[float | None]) -> None:
    drawn = line_chart("t", [Series("s", range(len(values)), values)], x_label="step")
    measured = [value for value in values if value is not None]
    assert bool(drawn) == bool(measured)
    for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn):
        assert LEFT <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT
    stretches = "".join("x" if value is not None else " " for value in values).split()
    paths = re.findall(r' d="([^"]*)"', drawn)
    assert sum(path.count("M") for path in paths) == len(stretches)


def test_a_rise_goes_up() -> None:
    points = re.findall(r"[ML]([-\d.]+) ([-\d.]+)", line_chart("t", [Series("s", [1, 2], [0.1, 0.9])], x_label="step"))
    assert float(points[1][0]) > float(points[0][0])
    assert float(points[1][1]) < float(points[0][1])


def test_a_band_lies_about_its_line() -> None:
    drawn = line_chart("t", [Series("s", [1, 2], [0.4, 0.5], band=[(0.2, 0.6), (0.3, 0.9)])], x_label="step")
    (corners,) = re.findall(r'<polygon class="band a" points="([^"]*)"', drawn)
    low_1, low_2, high_2, high_1 = (tuple(map(float, corner.split(","))) for corner in corners.split())
    first, second = (tuple(map(float, at)) for at in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn))
    assert low_1[0] == high_1[0] == first[0]
    assert low_1[1] > first[1] > high_1[1]
    assert low_2[1] > second[1] > high_2[1] >= 0


def test_a_perfect_roc_goes_up_before_it_goes_right() -> None:
    drawn = roc("t", [("perfect", [(0, 0), (0, 1), (1, 1)]), ("of one class", [])])
    assert len(re.findall(r'class="line', drawn)) == 1
    (x0, y0), (x1, y1), (x2, y2) = re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn)
    assert x0 == x1
    assert y1 == y2
    assert float(y1) < float(y0)
    assert float(x2) > float(x1)
    assert 'class="diagonal"' in drawn
    assert roc("t", [("of one class", [])]) == ""


def test_names_are_escaped() -> None:
    assert "<b>" not in line_chart("<b>", [Series("<b>", [1, 2], [1.0, 2.0])], x_label="<b>")


@pytest.mark.parametrize(("before", "after", "tone"), [(20.0, 60.0, "up"), (60.0, 20.0, "down")])
def test_a_dumbbell_shows_the_way_of_the_change(before: float, after: float, tone: str) -> None:
    drawn = dumbbell(before, after)
    assert f'class="bar {tone}"' in drawn
    at = {name: float(place) for name, place in re.findall(r'class="(before|after)" cx="([\d.]+)%"', drawn)}
    assert (at["after"] > at["before"]) == (tone == "up")


def test_what_was_not_measured_is_not_drawn() -> None:
    assert dumbbell(None, 3.0) == ""
    assert whisker(None, None, None, span=(0, 1), mark=0.5, tone="a") == ""
    assert reliability("t", []) == ""
