"""What differs between two artifacts, what matters most first, and between what they are made of, up to the first cause."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest, canonical_json
from ifrl_core.errors import ConfigError
from ifrl_core.stages import registry
from ifrl_core.stages.stage import BESIDE


@dataclass(frozen=True)
class Difference:
    """`part`: stage, version, config, inputs, content, how (config that is no identity), provenance, figures or files; values
    are None where one side has none."""

    part: str
    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Compared:
    """Two artifacts, `stage/fingerprint` each, and how they differ. `depth`: 0 for those asked about, else inputs of those
    before."""

    depth: int
    first: str
    second: str
    differences: list[Difference]


def differences(first: Manifest, second: Manifest) -> list[Difference]:
    """How two artifacts differ; nothing of what they cost."""
    return [
        *_differing("stage", {"": first.stage}, {"": second.stage}),
        *_differing("version", {"": first.version}, {"": second.version}),
        *_differing("config", _config(first), _config(second)),
        *_differing("inputs", first.inputs, second.inputs),
        *_differing("content", first.content, second.content),
        *_differing("how", _how(first), _how(second)),
        *_differing("provenance", _flat(first.provenance), _flat(second.provenance)),
        *_differing("figures", _flat(first.figures), _flat(second.figures)),
        *_differing("files", _files(first), _files(second)),
    ]


def compared(store: ArtifactStore, first: ArtifactRef, second: ArtifactRef) -> list[Compared]:
    """Two artifacts of a store, then the pairs of their inputs that differ, each pair once and as far as they are there."""
    pairs = _pairs(store, store.manifest(first), store.manifest(second), 0, set())
    return [Compared(depth, _name(a), _name(b), differences(a, b)) for depth, a, b in pairs]


def _pairs(
    store: ArtifactStore, first: Manifest, second: Manifest, depth: int, seen: set[tuple[str, str]]
) -> Iterator[tuple[int, Manifest, Manifest]]:
    seen.add((_name(first), _name(second)))
    yield depth, first, second
    for name in first.inputs.keys() & second.inputs.keys():
        pair = (first.inputs[name], second.inputs[name])
        if pair[0] == pair[1] or pair in seen:
            continue
        found = [store.find(*artifact.split("/")) for artifact in pair]
        if found[0] is not None and found[1] is not None:
            yield from _pairs(store, store.manifest(found[0]), store.manifest(found[1]), depth + 1, seen)


def _config(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in _flat(manifest.config).items() if name not in _how(manifest)}


def _how(manifest: Manifest) -> dict[str, Any]:
    """What of the config enters no fingerprint; nothing where the stage's config cannot be read any more."""
    document = {name: value for name, value in manifest.config.items() if name not in BESIDE}
    try:
        config = registry.find(manifest.stage).config_type.model_validate(document)
    except (ConfigError, ValueError):
        return {}
    entering = _flat(json.loads(canonical_json(config)))
    flat = _flat(document)
    return {name: value for name, value in flat.items() if not any(f"{e}.".startswith(f"{name}.") for e in entering)}


def _files(manifest: Manifest) -> dict[str, str]:
    return {shard.name: shard.sha256[:16] for shard in manifest.shards}


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted names; lists are values, unless they are of mappings, which have a number each."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(number): item for number, item in enumerate(value, 1)}
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _differing(part: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            yield Difference(part, name, first.get(name), second.get(name))


def _name(manifest: Manifest) -> str:
    return f"{manifest.stage}/{manifest.fingerprint}"
