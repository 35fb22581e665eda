"""What a task tries again, and what it does not."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from ifrl_core.config import NoConfig
from ifrl_core.errors import ArtifactError, StoreOutageError
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from tasks.stages import stage_task

pytestmark = [pytest.mark.server]


@pytest.mark.parametrize(("error", "attempts"), [(StoreOutageError, 2), (ArtifactError, 1)])
def test_an_outage_of_the_store_is_tried_again_and_a_broken_artifact_is_not(
    error: type[ArtifactError], attempts: int, prefect: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFRL_ROOT", str(tmp_path))
    tried: list[int] = []

    @stage("flaky", version=1)
    def body(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
        tried.append(1)
        if len(tried) < 2:
            raise error("away")
        return {"tried": len(tried)}

    @flow
    def once() -> None:
        stage_task(body)(NoConfig(), {}, seed=0, fingerprint=uuid4().hex, run=None)

    api = prefect["PREFECT_API_URL"]
    with temporary_settings({PREFECT_API_URL: api, PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        state = once(return_state=True)
    assert len(tried) == attempts
    assert state.is_completed() == (attempts == 2)
