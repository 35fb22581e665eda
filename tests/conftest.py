"""What tests share: the folder of benchmark data, a store, and the models, made once for all processes of a test run."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import pytest
from hypothesis import settings

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from tests.models import cut_model, whole_model

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else runs
settings.load_profile("untimed")
SHARED = Path(__file__).parent.parent.parent / "shared"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def model_store(run_folder: Path) -> ArtifactStore:
    """A store with the models; IFRL_TEST_STORE names one that outlives the test run.

    Of several processes that want a model, one makes it and the others wait, as with every artifact.
    """
    return ArtifactStore(os.environ.get("IFRL_TEST_STORE") or str(run_folder / "models"))


@pytest.fixture(scope="session")
def model(model_store: ArtifactStore) -> ArtifactRef:
    """SmolLM2-135M-Instruct as a committed artifact of `model_store`, for tests of what comes of it."""
    return whole_model(model_store)


@pytest.fixture(scope="session")
def small_model(model: ArtifactRef, model_store: ArtifactStore) -> ArtifactRef:
    """Two of its layers with the same tokenizer and chat template, in `model_store`, for all other tests."""
    return cut_model(model, model_store)


@pytest.fixture(scope="session")
def small_model_folder(small_model: ArtifactRef, model_store: ArtifactStore) -> Path:
    """The same as a Hugging Face folder: a recipe's `model`."""
    return model_folder(small_model, model_store)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of benchmark prompts (IFEval's input_data.jsonl)."""
    return SHARED / "data"
