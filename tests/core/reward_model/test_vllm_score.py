"""vLLM's pooling runner says what our own scoring says."""

from pathlib import Path

import pytest

from ifrl_core.reward_model.model.score import RewardModel
from ifrl_core.reward_model.open import open_scorer
from tests.core.inference.test_vllm_engine import needs_vllm
from tests.core.reward_model.test_memory import PAIRS


@pytest.mark.vllm
@needs_vllm
@pytest.mark.timeout(1_200)
def test_probabilities_are_ours(reward_model: Path) -> None:
    pairs = [*PAIRS[:40], ("", "Be kind."), ("Blue.", "No commas. " * 200), ("word " * 500, "Be kind.")]
    ours = RewardModel(reward_model, dtype="float32").probabilities(pairs)
    found = open_scorer(reward_model, "vllm", dtype="float32").probabilities(pairs)
    assert found == pytest.approx(ours, abs=1e-3)
    assert found.count(None) == 1, "a constraint that fills the input"
    assert len({round(value, 4) for value in found if value is not None}) > 5
