"""One whole small run, with hostile text in its answers and prompts, shared by the tests that only read it."""

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.core.report.small_run import HOSTILE, small_run

Whole = tuple[ArtifactStore, dict[str, ArtifactRef]]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    store = ArtifactStore(str(tmp_path_factory.mktemp("report")))
    return store, small_run(store, hostile=HOSTILE)
