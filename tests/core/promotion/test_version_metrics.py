"""What a registered version says of itself: soft constraints by instruments and what answers pay for it, not rules alone."""

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.promotion.version_metrics import policy_metrics, reward_model_metrics
from ifrl_core.stages.stage import Figures
from tests.core.report.small_run import small_run


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figures]:
    store = ArtifactStore(str(tmp_path_factory.mktemp("store")))
    return {name: store.manifest(ref).figures for name, ref in small_run(store).items()}


def test_a_policy_carries_each_gain_with_its_interval_and_what_answers_pay(figures: dict[str, Figures]) -> None:
    found = policy_metrics(figures["comparison"], figures["soft_audit"])
    by_instruments = figures["soft_audit"]["gain"]["instruments"]["overall"]
    assert by_instruments["n"]
    for shown, key in {"before": "before", "after": "after", "change": "mean", "change_low": "low"}.items():
        assert found[f"satisfaction/soft_by_instruments/{shown}"] == by_instruments[key]
        assert found[f"satisfaction/hard/{shown}"] == figures["comparison"]["hard"]["overall"][key]
        assert found[f"satisfaction/soft/{shown}"] == figures["comparison"]["soft"]["overall"][key]
        assert found[f"answers/task_dropped/{shown}"] == figures["comparison"]["answer"]["task_dropped"][key]
        assert found[f"answers/hacked/{shown}"] == figures["comparison"]["answer"]["hacked"][key]


def test_a_reward_model_carries_what_is_known_of_it_on_soft_constraints(figures: dict[str, Figures]) -> None:
    found = reward_model_metrics(figures["reward_model"], figures["soft_audit"])
    assert found["auc"] == figures["reward_model"]["hard"]["auc"]
    by_instruments = figures["soft_audit"]["reward_model"]["within_types"]
    assert found["soft/auc_by_instruments"] == by_instruments["mean"]
    assert found["soft/auc_by_instruments/low"] == by_instruments["low"] < found["soft/auc_by_instruments/high"]


def test_what_was_not_measured_is_left_out(figures: dict[str, Figures]) -> None:
    nothing = dict.fromkeys(("before", "after", "mean", "low", "high"))
    audit = {**figures["soft_audit"], "gain": {"instruments": {"overall": nothing}}}
    assert not [name for name in policy_metrics(figures["comparison"], audit) if "instruments" in name]
    estimate = dict.fromkeys(("auc", "low", "high"))
    audit = {**audit, "corrected": {"soft": {"within_rungs": estimate}}}
    assert not [name for name in reward_model_metrics(figures["reward_model"], audit) if "truth" in name]
