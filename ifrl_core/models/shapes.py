"""The sizes of a decoder model, as far as memory and time depend on them, without loading it.

They come from the config.json of a folder (or of the hub's local cache), or from a small table of the models that the
shipped recipes name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifrl_core.errors import ModelError
from ifrl_core.models.content import CONFIG
from ifrl_core.models.looks.chat import positions_of
from ifrl_core.models.looks.kind import read_config
from ifrl_core.models.resolve import at_hand
from ifrl_core.models.uri import form, split_revision

_TIED = ("gemma", "gpt2", "falcon")  # kinds that leave out of their config.json that they are
_NOT_GATED = ("falcon", "gpt2", "gpt_neo", "gptj", "gpt_neox", "gpt_bigcode", "opt", "phi", "starcoder2")
_WIDTHS = ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_NO_LIMIT = 2**31  # positions of a model whose config.json sets no limit


@dataclass(frozen=True)
class ModelShape:
    """A Llama-like decoder (Llama, Mistral, Qwen2): grouped-query attention and a gated MLP; its kin about as large."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    positions: int
    tied: bool  # one matrix for embedding and head
    qkv_bias: bool = False
    head: int | None = None  # width of a head; none: hidden / heads
    gated: bool = True  # an MLP of three matrices; else of two

    @property
    def head_width(self) -> int:
        return self.head or self.hidden // self.heads

    @property
    def linears(self) -> Mapping[str, tuple[int, int]]:
        """(inputs, outputs) of a layer's linear modules by name."""
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        gate = {"gate_proj": (self.hidden, self.intermediate)} if self.gated else {}
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            **gate,
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def layer_parameters(self) -> int:
        """Linear modules, the biases of the first three, and two norms."""
        biases = (self.heads + 2 * self.kv_heads) * self.head_width if self.qkv_bias else 0
        return sum(rows * columns for rows, columns in self.linears.values()) + biases + 2 * self.hidden

    @property
    def embedding_parameters(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Embedding and head, layers, last norm. 7,615,616,512 for Qwen2.5-7B, as its model card says (7.61B)."""
        return self.embedding_parameters * (2 - self.tied) + self.layers * self.layer_parameters + self.hidden

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token in bf16, all layers."""
        return 2 * self.layers * self.kv_heads * self.head_width * 2


def _qwen(layers: int, hidden: int, heads: int, kv_heads: int, intermediate: int, *, tied: bool = False) -> ModelShape:
    vocabulary = 151_936 if tied else 152_064
    return ModelShape(layers, hidden, heads, kv_heads, intermediate, vocabulary, 32_768, tied, qkv_bias=True)


_SMOLLM2 = ModelShape(30, 576, 9, 3, 1536, 49_152, 8192, tied=True)
_QWEN_7B = _qwen(28, 3584, 28, 4, 18_944)

# From each model's config.json on the hub.
KNOWN: Mapping[str, ModelShape] = {
    "embedded:smollm2-135m": _SMOLLM2,
    "HuggingFaceTB/SmolLM2-135M-Instruct": _SMOLLM2,
    "Qwen/Qwen2.5-0.5B-Instruct": _qwen(24, 896, 14, 2, 4864, tied=True),
    "Qwen/Qwen2.5-1.5B-Instruct": _qwen(28, 1536, 12, 2, 8960, tied=True),
    "Qwen/Qwen2.5-3B-Instruct": _qwen(36, 2048, 16, 2, 11_008, tied=True),
    "Qwen/Qwen2.5-7B-Instruct": _QWEN_7B,
    "Qwen/Qwen2.5-14B-Instruct": _qwen(48, 5120, 40, 8, 13_824),
    "Qwen/Qwen2.5-32B-Instruct": _qwen(64, 5120, 40, 8, 27_648),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": _QWEN_7B,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": _qwen(64, 5120, 40, 8, 27_648),
}


def model_shape(uri: str) -> ModelShape:
    """The shape of a model URI; nothing is downloaded.

    Raises:
        ModelError: when it names nothing, or its sizes are known neither here nor from a config.json at hand.
        ArtifactError, TrackingError: when the store or the registry that it names does not answer.
    """
    if uri in KNOWN:
        return KNOWN[uri]
    path = _config_file(uri)
    if path is None:
        raise ModelError(
            f"the sizes of model {uri!r} are not at hand: give its local folder (--set model=FOLDER), or one of "
            + ", ".join(KNOWN)
        )
    return _read(read_config(path.parent, uri), path)


def _config_file(uri: str) -> Path | None:
    if (folder := at_hand(uri)) and (folder / CONFIG).is_file():
        return folder / CONFIG
    if form(uri) != "hub":
        return None
    from huggingface_hub import try_to_load_from_cache

    name, revision = split_revision(uri)
    cached = try_to_load_from_cache(name, CONFIG, revision=revision)  # also of a snapshot that is not whole
    return Path(cached) if isinstance(cached, str) else None


def _read(config: Mapping[str, Any], path: Path) -> ModelShape:
    try:
        hidden, heads = _first(config, "hidden_size", "n_embd"), _first(config, "num_attention_heads", "n_head")
        kind = str(config.get("model_type"))
        return ModelShape(
            layers=_first(config, "num_hidden_layers", "n_layer"),
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            intermediate=_mlp_width(config, hidden),
            vocabulary=config["vocab_size"],
            positions=positions_of(config) or _NO_LIMIT,
            tied=config.get("tie_word_embeddings", kind.startswith(_TIED)),
            qkv_bias=kind == "qwen2" or config.get("attention_bias", False),
            head=config.get("head_dim"),
            gated=kind not in _NOT_GATED,
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path} is not the config of a decoder like Llama or Qwen2: it has no {error}") from error


def _mlp_width(config: Mapping[str, Any], hidden: int) -> int:
    """Inner width of a layer's MLP; of a mixture, that of all its experts."""
    experts = next((config[name] for name in _EXPERTS if config.get(name)), 1)
    if experts > 1:
        return int(experts * (config.get("moe_intermediate_size") or config["intermediate_size"]))
    return int(next((config[name] for name in _WIDTHS if config.get(name)), 4 * hidden))


def _first(config: Mapping[str, Any], *names: str) -> int:
    """The field under the first of its names that is there."""
    return int(next((config[name] for name in names if name in config), None) or config[names[0]])
