"""One whole small run, with hostile text in its answers and prompts, shared by the tests that only read it."""

import pytest

from ifrl_core.artifacts import ArtifactStore
from tests.core.report.small_run import HOSTILE, Whole, small_run


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    store = ArtifactStore(str(tmp_path_factory.mktemp("report")))
    return store, small_run(store, hostile=HOSTILE)
