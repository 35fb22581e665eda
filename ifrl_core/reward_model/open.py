"""From a reward model's folder to the scorer of whoever asks: the policy's rewards and `ifrl score` alike."""

from pathlib import Path
from typing import Literal

from ifrl_core.config import Dtype
from ifrl_core.reward_model.model.scorer import Scorer

ScoringEngine = Literal["transformers", "vllm", "server"]


def open_scorer(folder: Path, engine: ScoringEngine = "transformers", *, dtype: Dtype | None = None) -> Scorer:
    """The model loaded here by ours (transformers) or by vLLM, in `dtype` (none: what the processor computes well in), or the
    services that serve it (server).

    Raises:
        ConfigError: when no service is named, or one serves another model; or when vLLM is not installed.
        InferenceError: when a service does not answer.
        ModelError: when the folder is not a whole reward model.
    """
    match engine:
        case "transformers":
            from ifrl_core.reward_model.model.score import RewardModel

            return RewardModel(folder, dtype=dtype)
        case "vllm":
            from ifrl_core.reward_model.model.vllm_score import VllmRewardModel

            return VllmRewardModel(folder, dtype=dtype)
        case "server":
            from ifrl_core.reward_model.serve.client import open_client

            return open_client(folder)
