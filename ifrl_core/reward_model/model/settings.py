"""What scoring has to do as training did, beside the weights: reward_model.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifrl_core.artifacts.digest import digest_of_folder
from ifrl_core.errors import ModelError
from ifrl_core.reward_model.model.template import TEMPLATE
from ifrl_core.reward_model.quality.calibration import Calibration
from ifrl_core.text.reasoning import THINK, Reasoning

SETTINGS = "reward_model.json"


@dataclass(frozen=True)
class Settings:
    """`max_tokens` of an input; a probability is sigmoid(scale * logit + bias). `reasoning` is the format of the responses
    whose answers it was trained on."""

    max_tokens: int
    scale: float
    bias: float
    reasoning: Reasoning = THINK


def folder_digest(folder: Path) -> str:
    """sha256 over what scores: weights, settings and tokenizer. Copies of a model have the same wherever they lie."""
    return digest_of_folder([*folder.glob("*.safetensors"), *folder.glob("*.json")])


def write_settings(
    folder: Path, *, max_tokens: int, calibration: Calibration | None = None, reasoning: Reasoning = THINK
) -> None:
    scaling = calibration or Calibration()
    document: dict[str, Any] = {
        "max_tokens": max_tokens,
        "template": TEMPLATE,
        "scale": scaling.scale,
        "bias": scaling.bias,
    }
    if reasoning != THINK:
        document["reasoning"] = reasoning.model_dump()
    (folder / SETTINGS).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def read_settings(folder: Path) -> Settings:
    """The settings of a folder that the reward-model stage wrote.

    Raises:
        ModelError: when the folder is not one, or was trained with another template than this version renders.
    """
    try:
        document = json.loads((folder / SETTINGS).read_text())
    except FileNotFoundError as error:
        raise ModelError(f"{folder} has no {SETTINGS}: it is not a model of the reward-model stage") from error
    except ValueError as error:
        raise ModelError(f"{folder / SETTINGS} is not valid JSON ({error}); fetch the model again") from error
    if document.get("template") != TEMPLATE:
        raise ModelError(
            f"{folder} was trained with another template than this version of ifrl renders: train it again"
        )
    return Settings(
        int(document["max_tokens"]),
        float(document.get("scale", 1.0)),
        float(document.get("bias", 0.0)),
        Reasoning.model_validate(document.get("reasoning", {})),
    )
