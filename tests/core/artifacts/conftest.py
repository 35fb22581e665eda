"""One real S3 server for all tests of the store, straight and behind a proxy that fails as it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.artifacts.fault_proxy import Proxy, proxying
from tests.flows.servers import s3_server


@pytest.fixture(scope="package")
def s3_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("s3")
    with s3_server(folder) as env:
        yield folder, {**env, "IFRL_CACHE": str(folder / "cache")}


@pytest.fixture
def s3(s3_folder: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the running server's data; the environment points to it."""
    folder, env = s3_folder
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def proxy(s3: Path, s3_folder: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The same server behind a proxy without faults; the environment points to the proxy."""
    with proxying(s3_folder[1]["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture
def conditional(s3: Path, s3_folder: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The same server behind a proxy that adds S3's conditional writes."""
    with proxying(s3_folder[1]["AWS_ENDPOINT_URL"], conditional=True) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
