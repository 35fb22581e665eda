"""Models of MLflow's registry: `models:/name@alias`, once resolved, is a version, and a version lies at one place.

The registry's address is that of the run (`settings.tracking_uri`): MLflow's own default would be another database.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ifrl_core.artifacts import files
from ifrl_core.errors import ModelError, TrackingError
from ifrl_core.models.content import check_names, is_model_file
from ifrl_core.models.copies import check_room
from ifrl_core.settings import configure_tracking, tracking_uri

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

_SQLITE = "sqlite:///"
_FORM = re.compile(r"models:/[^/@]+(/[^/]+|@[^/@]+)?")
_SHOWN = 10
_SAYS_NO = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_ELSEWHERE = "set IFRL_HOME to the work folder of the run that registered it, or MLFLOW_TRACKING_URI to its server"


@dataclass(frozen=True)
class Registered:
    """`pinned`: the URI of the version that was meant; `location`: where MLflow keeps its files, a folder or a URL."""

    pinned: str
    location: str

    @property
    def folder(self) -> Path | None:
        """The location, where it is a folder."""
        from mlflow.utils.file_utils import local_file_uri_to_path
        from mlflow.utils.uri import is_local_uri

        if not is_local_uri(self.location):  # type: ignore[no-untyped-call]
            return None
        return Path(local_file_uri_to_path(self.location))  # type: ignore[no-untyped-call]


def find_registered(uri: str) -> Registered:
    """What a `models:/` URI names at this moment.

    Raises:
        ModelError: when it names nothing.
        TrackingError: when MLflow does not answer.
    """
    configure_tracking()
    if not _FORM.fullmatch(uri):
        raise ModelError(f"model {uri!r} is not models:/name@alias or models:/name/version")
    with _answering(uri):
        from mlflow.store.artifact.utils.models import get_model_name_and_version
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri())
        found = [str(part) for part in get_model_name_and_version(client, uri)]  # type: ignore[no-untyped-call]
        if len(found) == 1:
            return Registered(f"models:/{found[0]}", client.get_logged_model(found[0]).artifact_location)
        name, version = found
        return Registered(f"models:/{name}/{version}", client.get_model_version_download_uri(name, version))


def download_registered(registered: Registered, target: Path) -> None:
    """Put the model's files into `target`, through MLflow; those that are there are whole, and stay.

    Raises:
        ModelError: when there is no model at its location.
        ArtifactError, TrackingError: when MLflow does not answer.
    """
    with _answering(registered.pinned):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        repository = get_artifact_repository(registered.location, tracking_uri=tracking_uri())
        sizes = _sizes(repository)
    check_names(set(sizes), registered.pinned, registered.location)
    check_room(sizes, target, registered.pinned)
    partial = target / files.TEMPORARY
    for name in sizes:
        if (target / name).exists():
            continue
        partial.mkdir(exist_ok=True)
        with files.naming(f"{registered.pinned}/{name}", "read"):
            repository.download_artifacts(name, str(partial))  # type: ignore[no-untyped-call]
        (target / name).parent.mkdir(exist_ok=True)
        (partial / name).replace(target / name)
    shutil.rmtree(partial, ignore_errors=True)


def _sizes(repository: "ArtifactRepository") -> dict[str, int]:
    """Bytes of the files that make the model, one folder deep, by name."""
    top = repository.list_artifacts("")
    inner = [item for folder in top if folder.is_dir for item in repository.list_artifacts(folder.path)]
    return {item.path: item.file_size or 0 for item in (*top, *inner) if not item.is_dir and is_model_file(item.path)}


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    """Inside, MLflow is asked about a model, and what it refuses is said of that model."""
    address = tracking_uri()
    if address.startswith(_SQLITE) and not Path(address.removeprefix(_SQLITE)).exists():
        raise ModelError(
            f"model {uri!r}: there is no {address.removeprefix(_SQLITE)}, so nothing is registered; {_ELSEWHERE}"
        )
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        if isinstance(error, MlflowException) and error.error_code in _SAYS_NO:
            found = ", ".join(_aliases()) or "none that has an alias"
            raise ModelError(
                f"model {uri!r} is not in MLflow's registry, which holds {found}: name one of them, or {_ELSEWHERE}"
            ) from error
        raise TrackingError(f"model {uri!r}: MLflow does not say where it is: {error}") from error


def _aliases() -> Iterator[str]:
    """The models:/ URIs of some registered models, by alias."""
    from mlflow.tracking import MlflowClient

    for model in MlflowClient(tracking_uri()).search_registered_models(max_results=_SHOWN):
        yield from (f"models:/{model.name}@{alias}" for alias in model.aliases)
