"""The models of the tests: the embedded one; its first layers alone, where what it writes does not matter; and a random
one a hundred times smaller, where nothing matters but that it trains."""

import json
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source

EMBEDDED = "embedded:smollm2-135m"
SMALL_LAYERS = 2
RANDOM_SIZE = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def whole_model(store: ArtifactStore) -> ArtifactRef:
    """SmolLM2-135M-Instruct as a committed artifact of `store`, converted by whoever asks first."""
    return import_model(model_source(EMBEDDED), {}, store)


def cut_model(whole: ArtifactRef, store: ArtifactStore, layers: int = SMALL_LAYERS) -> ArtifactRef:
    """An artifact like `whole` with its first layers alone: same embeddings, tokenizer and chat template.

    Which layers stay is the whole difference, so it loads without warnings and writes nonsense in a fraction of the time.
    """
    return _derived(whole, store, {"layers": layers}, lambda source, target: _write_cut(source, target, layers))


def random_model(whole: ArtifactRef, store: ArtifactStore) -> ArtifactRef:
    """An artifact like `whole` (tokenizer, chat template, names of weights) with random weights of RANDOM_SIZE."""
    return _derived(whole, store, RANDOM_SIZE, _write_random)


def _derived(
    whole: ArtifactRef, store: ArtifactStore, config: dict[str, int], write: Callable[[Path, Path], dict[str, object]]
) -> ArtifactRef:
    """The model that `write` makes of the folder of `whole`, made once; `config` is what it depends on."""
    identity = fingerprint("model", 1, config, {"whole": whole.fingerprint})
    writer = store.writer("model", 1, identity, config, {"whole": f"{whole.stage}/{whole.fingerprint}"})
    with writer.alone():
        if ref := store.find("model", identity):
            return ref
        scratch = store.scratch("model", identity) / "model"
        figures = write(model_folder(whole, store), scratch)
        writer.write_folder(scratch, prefix="model")
        writer.write_json("source.json", {"uri": f"{EMBEDDED} with {config}", "digest": identity})
        ref = writer.commit(figures)
        store.clear_work("model", identity)
        return ref


def _write_random(source: Path, target: Path) -> dict[str, object]:
    """Write a random model with the tokenizer of `source` to `target`; returns the figures of a model artifact."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source, **RANDOM_SIZE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(target)
    for path in source.iterdir():
        if not (target / path.name).exists():
            (target / path.name).write_bytes(path.read_bytes())
    return {"architecture": config.architectures, "hidden_size": config.hidden_size}


def _write_cut(source: Path, target: Path, layers: int) -> dict[str, object]:
    """Write `source` without the layers from number `layers` on to `target`; returns the figures of a model artifact."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.suffix != ".safetensors":
            (target / path.name).write_bytes(path.read_bytes())
    config = json.loads((source / "config.json").read_text())
    assert "layer_types" not in config, "a list with an entry a layer has to be cut as well"
    (target / "config.json").write_text(json.dumps({**config, "num_hidden_layers": layers}, indent=2))
    with safe_open(source / "model.safetensors", framework="pt") as weights:
        kept = [name for name in weights.keys() if _layer(name) < layers]  # noqa: SIM118  (it is no mapping)
        tensors = {name: weights.get_tensor(name) for name in kept}
        save_file(tensors, target / "model.safetensors", metadata=weights.metadata())
    return {"architecture": config["architectures"], "hidden_size": config["hidden_size"]}


def _layer(name: str) -> int:
    """The number of the layer that a tensor belongs to, -1 for those outside of the layers."""
    parts = name.split(".")
    return int(parts[2]) if parts[1] == "layers" else -1
