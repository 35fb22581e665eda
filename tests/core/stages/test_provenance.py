"""What a manifest says of what made an artifact, and that manifests of earlier versions can be read."""

import json
from pathlib import Path

import pyarrow as pa
import torch

from ifrl_core.artifacts import ArtifactStore, Manifest, fingerprint
from ifrl_core.config import NoConfig
from ifrl_core.stages import provenance
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


@stage("toy", version=1, inputs=(), content=lambda config: {"rules": "r1"})
def make_toy(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    work.writer.write_json("toy.json", [])
    work.provenance["dtype"] = "float32"
    return {}


def test_a_manifest_says_what_made_its_artifact(store: ArtifactStore) -> None:
    manifest = store.manifest(make_toy(NoConfig(), {}, store, seed=3))
    told = manifest.provenance
    assert (manifest.content, told["seed"], told["dtype"]) == ({"rules": "r1"}, 3, "float32")
    assert told["libraries"]["torch"] == torch.__version__
    assert set(told) >= {"ifrl", "python", "machine"}
    assert told["machine"]["device"] == ("cpu" if not torch.cuda.is_available() else told["machine"]["device"])
    assert (Path(provenance.__file__).parents[2] / ".git").exists() <= ("commit" in told)
    assert str(Path.home()) not in json.dumps(told)


def test_what_made_it_is_no_part_of_what_it_is(store: ArtifactStore) -> None:
    first = make_toy(NoConfig(), {}, store)
    other = store.writer("toy", 1, "0" * 64, {}, {})
    other.write_json("toy.json", [])
    assert other.commit({}, provenance={"libraries": {"torch": "1"}}).digest == first.digest
    assert make_toy.fingerprint(NoConfig(), {}, seed=0) == fingerprint(
        "toy", 1, {"config": NoConfig(), "seed": 0, "content": {"rules": "r1"}}, {}
    )


def test_shards_of_several_machines_say_so(store: ArtifactStore) -> None:
    writer = store.writer("toy", 1, "1" * 64, {}, {})
    table = pa.table({"a": [1]})
    for name, dtype in (("part-0.parquet", "bfloat16"), ("part-1.parquet", "float32"), ("part-2.parquet", "float32")):
        writer.write_table(name, table, made_with={"dtype": dtype})
    manifest = store.manifest(writer.commit({}))
    assert manifest.provenance["shards"] == [{"dtype": "bfloat16"}, {"dtype": "float32"}]


def test_a_manifest_of_an_earlier_version_is_read(store: ArtifactStore) -> None:
    ref = make_toy(NoConfig(), {}, store)
    document = json.loads(store.manifest(ref).model_dump_json())
    del document["content"], document["provenance"]
    for shard in document["shards"]:
        del shard["made_with"]
    earlier = Manifest.model_validate(document)
    assert (earlier.content, earlier.provenance, earlier.digest) == ({}, {}, ref.digest)
