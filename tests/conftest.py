"""What tests share: the folder of benchmark data, a store, and the embedded model converted once per machine."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import pytest
from hypothesis import settings

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.sources import import_model, model_source

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("untimed")
SHARED = Path(__file__).parent.parent.parent / "shared"
EMBEDDED = "embedded:smollm2-135m"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    """A store that keeps the converted embedded model from test to test (not from session to session)."""
    return ArtifactStore(os.environ.get("IFRL_TEST_STORE") or str(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="session")
def model(model_store: ArtifactStore) -> ArtifactRef:
    """SmolLM2-135M-Instruct as a committed artifact of `model_store`."""
    return import_model(model_source(EMBEDDED), {}, model_store)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of benchmark prompts (IFEval's input_data.jsonl)."""
    return SHARED / "data"
