"""The cut model loads as it lies there, and is made once however many processes want it."""

from pathlib import Path

import pytest
import torch

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from tests.models import SMALL_LAYERS, cut_model

pytestmark = pytest.mark.model


def test_the_small_model_is_whole_and_starts_as_the_large_one(
    small_model_folder: Path, small_model: ArtifactRef, model: ArtifactRef, model_store: ArtifactStore
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    small, report = AutoModelForCausalLM.from_pretrained(small_model_folder, output_loading_info=True)
    assert not any(report.values())
    assert small.config.num_hidden_layers == SMALL_LAYERS
    folder = model_folder(model, model_store)
    tokenizer = AutoTokenizer.from_pretrained(small_model_folder)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert text == AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False
    )
    tokens = tokenizer(text, return_tensors="pt")
    large = AutoModelForCausalLM.from_pretrained(folder)
    layers = [own(**tokens, output_hidden_states=True).hidden_states for own in (small, large)]
    assert torch.equal(layers[0][1], layers[1][1])
    assert cut_model(model, model_store) == small_model
    assert sum(path.stat().st_size for path in small_model_folder.iterdir()) < 80e6
