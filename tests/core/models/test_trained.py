"""Layers and modules that a recipe trains and its model has not: refused before anything starts."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ifrl_core.config.recipes import load_recipe
from ifrl_core.errors import ConfigError
from ifrl_core.models.check import _trained_faults, check_policy


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("policy.trained_layers=31", "policy.trained_layers 31: the model has 30 layers; use at most 30"),
        (
            "policy.lora={target_modules: [q_proj, c_attn]}",
            "target_modules c_attn: .* its own are down_proj, gate_proj",
        ),
        ("policy.lora={target_modules: qproj}", "target_modules qproj: the model has no such module"),
    ],
)
def test_of_the_embedded_model(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_policy(load_recipe("demo-cpu", ["policy.lora=null", override]))


@pytest.mark.parametrize(
    ("override", "faults"),
    [
        ("policy.trained_layers=2", 0),
        ("policy.trained_layers=3", 1),
        ("policy.lora={target_modules: [c_attn]}", 0),
        ("policy.lora={target_modules: ['attn.c_attn']}", 0),
        ("policy.lora={target_modules: '.*attn'}", 0),
        ("policy.lora={target_modules: [attn]}", 1),
        ("policy.lora={target_modules: [q_proj]}", 1),
    ],
)
def test_of_a_folder(tmp_path: Path, override: str, faults: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 2}))
    save_file({"h.0.attn.c_attn.weight": np.zeros((2, 2), dtype=np.float32)}, tmp_path / "model.safetensors")
    assert (
        len(list(_trained_faults(load_recipe("demo-cpu", [f"model={tmp_path}", "policy.lora=null", override]))))
        == faults
    )
