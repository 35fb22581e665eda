"""From a reward model's folder to the scorer of whoever asks: the policy's rewards and `ifrl score` alike."""

from pathlib import Path

from ifrl_core.config import Dtype
from ifrl_core.reward_model.model.scorer import Scorer


def open_scorer(folder: Path, *, service: bool = False, dtype: Dtype | None = None) -> Scorer:
    """The model loaded here, in `dtype` (none: what the processor computes well in), or the services that serve it.

    Raises:
        ConfigError: when no service is named, or one serves another model.
        InferenceError: when a service does not answer.
        ModelError: when the folder is not a whole reward model.
    """
    if service:
        from ifrl_core.reward_model.serve.client import open_client

        return open_client(folder)
    from ifrl_core.reward_model.model.score import RewardModel

    return RewardModel(folder, dtype=dtype)
