"""The tiny pipeline with its artifacts on a real S3 server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.flows.servers import s3_server
from tests.flows.workplace import CHEAP, TINY, Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server]


def test_the_pipeline_runs_on_s3_and_a_second_run_is_from_cache(
    workplace: Callable[..., Workplace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(tmp_path) as env:
        place = workplace("s3", **env, IFRL_ROOT="s3://ifrl/team/a")
        for name, value in {**env, "IFRL_CACHE": place.env["IFRL_CACHE"]}.items():
            monkeypatch.setenv(name, value)
        first = place.run("run", TINY, *CHEAP)
        assert first.returncode == 0, first.stdout + first.stderr
        summary = place.summary()
        again = place.run("run", TINY, *CHEAP)
        assert again.returncode == 0, again.stderr
        warm = place.summary()
        assert not any(stage["cached"] for stage in summary["stages"].values())
        assert all(stage["cached"] for stage in warm["stages"].values())

        store = ArtifactStore("s3://ifrl/team/a")
        objects = list((tmp_path / "data" / "ifrl").rglob("manifest.json"))
        assert len(objects) == len(warm["stages"])
        for path in objects:
            ref = store.find(path.parent.parent.name, path.parent.name)
            assert isinstance(ref, ArtifactRef)
            store.verify(ref)
