"""What tests of the library share: the random model, and trainings without the start of a process."""

from collections.abc import Iterator

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from tests.core.forked import forked_trainings
from tests.models import random_model


@pytest.fixture(scope="session")
def tiny_model(model: ArtifactRef, model_store: ArtifactStore) -> ArtifactRef:
    """A random model with the tokenizer of the embedded one, in `model_store`: it trains in no time."""
    return random_model(model, model_store)


@pytest.fixture(scope="module")
def forked() -> Iterator[None]:
    """Trainings of this module's tests are forked."""
    with forked_trainings():
        yield
