"""Results are JSON in and out: a planted pickle is refused, never run."""

import json
from pathlib import Path

import pytest
from prefect.results import ResultRecord
from prefect.serializers import CompressedPickleSerializer, PickleSerializer

import tasks  # noqa: F401  (importing it is what closes the door)
from ifrl_core.errors import ArtifactError


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.marker,))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["pickle", "compressed/pickle"])
def test_a_planted_pickle_record_is_refused(tmp_path: Path, kind: str) -> None:
    serializer = PickleSerializer() if kind == "pickle" else CompressedPickleSerializer()
    marker = tmp_path / "ran"
    blob = serializer.dumps(Bomb(marker))
    record = {
        "metadata": {
            "storage_key": "k",
            "expiration": None,
            "serializer": {"type": kind},
            "prefect_version": "3.7.7",
            "storage_block_id": None,
        },
        "result": blob.decode(),
    }
    with pytest.raises(ArtifactError, match="would run code"):
        ResultRecord.deserialize(json.dumps(record).encode())
    assert not marker.exists()
