"""Fresh workplaces for tests that run `ifrl` as a user does."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.flows.workplace import Workplace


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory, model: ArtifactRef, model_store: ArtifactStore
) -> Callable[..., Workplace]:
    """A maker of fresh workplaces whose store already holds the converted model (half a minute saved each)."""

    def make(name: str, **env: str) -> Workplace:
        home = tmp_path_factory.mktemp(name) / "home"
        source = Path(model_store.folder(model.stage, model.fingerprint))
        shutil.copytree(source, home / "store" / model.stage / model.fingerprint)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "IFRL_"))}
        return Workplace(home, {**kept, "IFRL_HOME": str(home), "IFRL_CACHE": str(home / "cache"), **env})

    return make
