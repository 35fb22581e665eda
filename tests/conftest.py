"""What tests share: the folder of benchmark data, a store, and the models, made once for all processes of a test run."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `ifrl` sets it, before torch is loaded

import pytest
import yaml
from filelock import FileLock
from hypothesis import HealthCheck, settings

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.models.folder import model_folder
from tests.flows.servers import prefect_server
from tests.models import cut_model, whole_model

# The same examples in every run, so that a change is refused for what it does and not for what was drawn; others are tried by
# `pytest --hypothesis-profile drawn`. How long an example takes depends on what else runs.
settings.register_profile("drawn", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("repeated", settings.get_profile("drawn"), derandomize=True, database=None)
settings.load_profile("repeated")
TINY = Path(__file__).parent / "flows" / "tiny.yaml"
SHARED = Path(__file__).parent.parent.parent / "shared"

pytest_plugins = ["tests.groups", "tests.soak"]


@pytest.fixture
def nothing_to_collect() -> Iterator[None]:
    """For a test that bounds CPU time: what was there before it is left out of collections of garbage, of which a full one
    takes a quarter of a second once all libraries are loaded, and more after many tests."""
    gc.freeze()
    yield
    gc.unfreeze()


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
def mlflow_tables(run_folder: Path) -> Path:
    """A sqlite file with the tables of MLflow and nothing in them, for `fresh_mlflow`: making them takes a second or two."""
    made = run_folder / "mlflow-tables.db"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            from mlflow.tracking import MlflowClient

            MlflowClient(f"sqlite:///{made}.new").search_experiments(max_results=1)
            os.rename(f"{made}.new", made)
    return made


@pytest.fixture(scope="session")
def fresh_mlflow(mlflow_tables: Path) -> Callable[[Path], str]:
    """Makes an empty MLflow store at a path; returns its URI. Who tests how the tables come about takes another path."""

    def make(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mlflow_tables, path)
        return f"sqlite:///{path}"

    return make


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
def tiny(small_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the tiny recipe on the small model."""
    recipe = yaml.safe_load(TINY.read_text())
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump({**recipe, "model": str(small_model_folder)}))
    return str(path)


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of one Prefect server for all tests of this process; a temporary one a run costs 6 s each."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as env:
        yield env


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of benchmark prompts (IFEval's input_data.jsonl)."""
    return SHARED / "data"
