"""Numbers of units, against the formula by hand and against what they promise."""

import numpy as np
import pytest

from ifrl_core.statistics.intervals import cluster_mean
from ifrl_core.statistics.power import detectable, units_needed, units_unseen


def test_by_hand() -> None:
    # ((1.95996 + 0.84162) x 35 / 3)^2 = 1068.3, and two more
    assert units_needed(35, 3) == 1071
    found = detectable(35, 1071)
    assert found is not None
    assert found == pytest.approx(3, abs=0.002)
    assert detectable(35, 2) is None


def test_a_share_that_would_have_been_missed_too_often() -> None:
    assert units_unseen(0.03) == 122  # 0.97^122 = 0.0243, 0.97^121 = 0.0251
    assert units_unseen(1.0) == 1


def test_that_many_units_are_enough_about_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    units = units_needed(30, 10)
    shown = [cluster_mean(random.normal(10, 30, units)).interval().low > 0 for _ in range(400)]
    assert 0.73 <= np.mean(shown) <= 0.87  # 0.8, three and a half standard deviations
