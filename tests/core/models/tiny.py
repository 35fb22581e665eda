"""Models of many kinds in milliseconds: two layers of width 16 over bytes, with a tokenizer and a chat template."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEMPLATE = (
    "{% for m in messages %}{{ '<|turn|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)
ENDS = ["<|turn|>", "<|end|>", "<|eos|>"]
_SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def tiny_tokenizer(template: str | None = TEMPLATE, **special: str | None) -> PreTrainedTokenizerFast:
    """A token a byte, and the added tokens ENDS (256 to 258)."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    bare.add_special_tokens(ENDS)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, **{"eos_token": "<|eos|>", **special})
    tokenizer.chat_template = template
    return tokenizer


def configs(vocabulary: int) -> dict[str, Any]:
    """Kinds of decoders that people point to."""
    sizes = {**_SIZES, "vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": 258, "pad_token_id": None}
    return {
        "llama": LlamaConfig(**sizes),
        "tied": LlamaConfig(**sizes, tie_word_embeddings=True),
        "yarn": LlamaConfig(**sizes, rope_scaling={"rope_type": "yarn", "factor": 2.0}),
        "qwen2": Qwen2Config(**sizes),
        "qwen2-window": Qwen2Config(**sizes, use_sliding_window=True, sliding_window=32, max_window_layers=1),
        "qwen3": Qwen3Config(**sizes, head_dim=8),
        "gemma3": Gemma3TextConfig(**sizes, head_dim=8, sliding_window=32),
        "mixtral": MixtralConfig(**sizes, num_local_experts=2),
        "falcon": FalconConfig(
            vocab_size=vocabulary,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            multi_query=False,
            max_position_embeddings=512,
            eos_token_id=258,
            bos_token_id=None,
        ),
        "gpt2": GPT2Config(
            vocab_size=vocabulary, n_embd=16, n_layer=2, n_head=4, n_positions=512, eos_token_id=258, bos_token_id=None
        ),
    }


def write_model(folder: Path, kind: str = "llama", *, tokenizer: Any | None = None, vocabulary: int = 259) -> Path:
    """A random model of one of `configs`, with its tokenizer (None: `tiny_tokenizer`), in `folder`."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configs(vocabulary)[kind], dtype=torch.float32)
    model.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
