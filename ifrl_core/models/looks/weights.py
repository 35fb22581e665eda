"""Whether the safetensors of a folder are all there, whole and numbers, by their headers and a sample of each tensor."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ifrl_core.models.looks.documents import fault, first_line, read_document, refuse_lfs_pointer

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_AGAIN = "fetch it again"
_EXPONENTS = {
    "BF16": ("<u2", 0x7F80),
    "F16": ("<u2", 0x7C00),
    "F32": ("<u4", 0x7F800000),
}  # all bits 1: NaN or infinite
_PACKED = ("F8_", "F4", "I8", "U8", "I4", "I32", "U32")  # number formats of quantised matrices, by their beginnings
_SAMPLE = 2**25  # numbers that are looked at, shared out over the tensors: all of a small model's
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header: its bytes are [start, end) of `file`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    end: int


def check_weights(folder: Path, config: Mapping[str, Any], uri: str, *, trained: bool = True) -> dict[str, Tensor]:
    """The tensors of a folder by name.

    Raises:
        ModelError: when files are missing, cut short or pointers, or what they hold is not what the config says; and, when
            `trained`, for matrices that are packed into fewer than 16 bits.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder, uri):
        tensors |= read_header(path, uri)
    _check_index(folder, tensors, uri)
    _check_sizes(tensors, config, uri)
    for tensor in tensors.values():
        _check_numbers(tensor, _SAMPLE // len(tensors), uri)
        if trained and len(tensor.shape) == 2 and tensor.dtype.startswith(_PACKED) and tensor.name.endswith("weight"):
            raise fault(
                uri,
                f"its weights are quantised ({tensor.name} is {tensor.dtype}); here 16 or 32 bits are needed: name the "
                "model it was made from",
            )
    return tensors


def weight_files(folder: Path, uri: str) -> list[Path]:
    """The files that transformers reads: one, or those of the index.

    Raises:
        ModelError: when there are none, or some of the index are missing.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        shards = sorted(set(_weight_map(folder, uri).values()))
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing:
            raise fault(
                uri,
                f"{len(missing)} of the {len(shards)} files of {INDEX} are missing, such as {missing[0]}; fetch them",
            )
        return [folder / name for name in shards]
    others = sorted(path.name for path in folder.glob("*.safetensors"))
    if others:
        raise fault(
            uri, f"{folder} has {others[0]} but neither {SINGLE} nor {INDEX}, which says what lies where; fetch it"
        )
    if any(folder.glob("*.gguf")):
        raise fault(uri, f"{folder} holds GGUF weights, which llama.cpp reads; name the model's safetensors folder")
    raise fault(
        uri,
        f"{folder} has no *.safetensors (pickled weights are never read); where there are some (*.bin, *.pt) that you trust, "
        "load them with transformers and save_pretrained the model into a folder",
    )


def read_header(path: Path, uri: str) -> dict[str, Tensor]:
    """What a safetensors file says it holds (https://huggingface.co/docs/safetensors): 8 bytes of length, JSON, data.

    Raises:
        ModelError: when it is a git LFS pointer, no safetensors file, or shorter or longer than its header says.
    """
    refuse_lfs_pointer(path, uri)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise fault(uri, f"{path} is no safetensors file, or ends within its header ({size:,} bytes); {_AGAIN}")
        header = file.read(length)
    try:
        tensors = dict(_entries(path, json.loads(header), 8 + length))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise fault(uri, f"{path} is not a safetensors file (its header is broken); {_AGAIN}") from error
    if not tensors:
        raise fault(uri, f"{path} holds no tensor; {_AGAIN}")
    expected = max(tensor.end for tensor in tensors.values())
    if size != expected:
        raise fault(uri, f"{path} has {size:,} bytes and its header says {expected:,}: it is not whole; {_AGAIN}")
    try:
        with safe_open(path, framework="np"):
            return tensors
    except SafetensorError as error:  # tensors that overlap, or are of another size than their shape
        raise fault(uri, f"{path} is not a safetensors file ({first_line(error)}); {_AGAIN}") from error


def _entries(path: Path, header: Mapping[str, Any], begin: int) -> Iterator[tuple[str, Tensor]]:
    """Each tensor by name; the data begin at byte `begin`."""
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (begin + int(offset) for offset in entry["data_offsets"])
            yield name, Tensor(name, str(entry["dtype"]), tuple(entry["shape"]), path, start, end)


def vocabulary_rows(tensors: Mapping[str, Tensor]) -> int | None:
    """Rows of the token embedding; None where it has no usual name."""
    found = [tensor.shape[0] for tensor in tensors.values() if tensor.name.endswith(_EMBEDDINGS)]
    return found[0] if len(found) == 1 else None


def _weight_map(folder: Path, uri: str) -> dict[str, str]:
    weight_map = read_document(folder / INDEX, uri).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise fault(uri, f"{folder / INDEX} has no weight_map; {_AGAIN}")
    return {str(name): str(file) for name, file in weight_map.items()}


def _check_index(folder: Path, tensors: Mapping[str, Tensor], uri: str) -> None:
    if (folder / SINGLE).is_file() or not (folder / INDEX).is_file():
        return
    weight_map = _weight_map(folder, uri)
    for name, file in weight_map.items():
        if name not in tensors or tensors[name].file.name != file:
            raise fault(uri, f"{INDEX} says that {file} holds {name}, and it does not; fetch both again")


def _check_sizes(tensors: Mapping[str, Tensor], config: Mapping[str, Any], uri: str) -> None:
    """Layers and rows of the embedding, as far as they have their usual names."""
    layers = next(
        (config[name] for name in ("num_hidden_layers", "n_layer", "num_layers", "n_layers") if config.get(name)), 0
    )
    found = {int(match[1]) for name in tensors if (match := _LAYER.search(name))}
    if found and isinstance(layers, int) and not set(range(layers)) <= found:
        raise fault(
            uri,
            f"config.json says {layers} layers and the weights hold {len(found)}: others would be random; fetch both again",
        )
    rows, said = vocabulary_rows(tensors), config.get("vocab_size")
    if rows is not None and isinstance(said, int) and rows != said:
        raise fault(
            uri,
            f"config.json says vocab_size {said} and the embedding has {rows} rows: set vocab_size to what the weights have",
        )


def _check_numbers(tensor: Tensor, most: int, uri: str) -> None:
    """The first `most` numbers of a tensor."""
    if tensor.dtype not in _EXPONENTS or "mask" in tensor.name or not prod(tensor.shape):
        return
    dtype, exponent = _EXPONENTS[tensor.dtype]
    count = min(most, prod(tensor.shape))
    sample = np.fromfile(tensor.file, dtype=dtype, count=count, offset=tensor.start)
    if ((sample & exponent) == exponent).any():
        raise fault(
            uri,
            f"its weights are not numbers (NaN or infinite in {tensor.name}), as after a diverged training: name another",
        )
