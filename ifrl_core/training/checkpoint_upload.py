"""Checkpoints in an object store, so that another machine can go on from them (spot instances).

They lie beside the artifact that is being made, `<stage>/<fingerprint>/checkpoints/checkpoint-N/...`, each followed by
`checkpoint-N.json`, which names its files and their sha256: without it there is no checkpoint. trl's tables of answers, one
a step, go to `<stage>/<fingerprint>/checkpoints/completions/`, each once. All of it goes when the artifact is committed. A
store on this machine's disk needs none of this.
"""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.artifacts.digest import digest_of_file
from ifrl_core.artifacts.download import download
from ifrl_core.errors import ArtifactError
from ifrl_core.training.checkpoints import COMPLETIONS, last_checkpoint, step_of, whole_tables
from ifrl_core.training.job import METRICS

log = logging.getLogger(__name__)
KEPT = 2  # of the uploaded ones; an older one goes when a newer one is whole


class Uploads:
    """Uploads new checkpoints of a local folder, one at a time, beside the training that makes them."""

    def __init__(self, store: ArtifactStore, remote: str, local: Path) -> None:
        self._store, self._remote, self._local = store, remote, local
        self._done: set[int] = set(uploaded(store, remote))
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Start to upload the newest whole checkpoint, unless it is there or another one is on its way."""
        newest = last_checkpoint(self._local)
        if newest is None or step_of(newest) in self._done or (self._thread and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._upload, args=(newest,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the upload on its way."""
        if self._thread:
            self._thread.join()

    def finish(self) -> None:
        """Wait for the upload on its way, and upload what is newer."""
        self.wait()
        self.look()
        self.wait()

    def _upload(self, checkpoint: Path) -> None:
        try:
            upload(self._store, self._remote, checkpoint)
        except FileNotFoundError:  # the trainer has made newer ones and removed this one
            return
        except ArtifactError as error:  # training goes on: the next one may get through
            log.warning("%s was not uploaded: %s", checkpoint.name, error)
            return
        self._done.add(step_of(checkpoint))
        for step in sorted(self._done)[:-KEPT]:
            remove(self._store, self._remote, step)
            self._done.discard(step)


@contextmanager
def kept_in_store(store: ArtifactStore, remote: str, local: Path) -> Iterator[Uploads | None]:
    """Inside, `look()` uploads; before, the newest uploaded checkpoint is fetched when it is newer than those here."""
    if files.is_local(store.fs):
        yield None
        return
    fetch_newest(store, remote, local)
    uploads = Uploads(store, remote, local)
    try:
        yield uploads
    except BaseException:
        uploads.finish()
        raise
    uploads.wait()  # after the last step the model follows, which is worth more than a newer checkpoint


def upload(store: ArtifactStore, remote: str, checkpoint: Path) -> None:
    """All files of a checkpoint, metrics and tables of answers of the steps so far, then the list that makes it whole."""
    paths = {path.relative_to(checkpoint).as_posix(): path for path in checkpoint.rglob("*") if path.is_file()}
    if (metrics := checkpoint.parent.parent / METRICS).exists():
        paths[METRICS] = metrics
    digests = {}
    for name, path in sorted(paths.items()):
        digests[name] = digest_of_file(path)
        files.put_file(store.fs, path, f"{remote}/{checkpoint.name}/{name}")
    there = {file.path for file in files.listing(store.fs, f"{remote}/{COMPLETIONS}")}
    for path in whole_tables(checkpoint.parent / COMPLETIONS, step_of(checkpoint)):
        if path.name not in there:
            files.put_file(store.fs, path, f"{remote}/{COMPLETIONS}/{path.name}")
    files.write_bytes(store.fs, f"{remote}/{checkpoint.name}.json", json.dumps(digests).encode())


def uploaded(store: ArtifactStore, remote: str) -> list[int]:
    """The steps of the whole checkpoints in the store, in order."""
    found = [Path(file.path) for file in files.listing(store.fs, remote)]
    return sorted(step_of(path) for path in found if len(path.parts) == 1 and path.suffix == ".json")


def fetch_newest(store: ArtifactStore, remote: str, local: Path) -> None:
    """Download the newest uploaded checkpoint when no local one is as new."""
    here = last_checkpoint(local)
    steps = uploaded(store, remote)
    if not steps or (here is not None and step_of(here) >= steps[-1]):
        return
    name = f"checkpoint-{steps[-1]}"
    digests: dict[str, str] = json.loads(files.read_bytes(store.fs, f"{remote}/{name}.json"))
    partial = local / f".fetched-{name}"  # a fetch that is cut off is gone on from
    for file, digest in digests.items():
        path = f"{remote}/{name}/{file}"
        download(store.fs, path, partial / file, size=files.size(store.fs, path), digest=digest)
    if (partial / METRICS).exists() and not (local.parent / METRICS).exists():
        (partial / METRICS).rename(local.parent / METRICS)
    for table in files.listing(store.fs, f"{remote}/{COMPLETIONS}"):
        download(store.fs, f"{remote}/{COMPLETIONS}/{table.path}", local / COMPLETIONS / table.path, size=table.size)
    partial.replace(local / name)
    log.info("going on from %s, which another run left in the store", name)


def remove(store: ArtifactStore, remote: str, step: int) -> None:
    """The list first, so that nobody takes half a checkpoint for a whole one."""
    name = f"checkpoint-{step}"
    files.remove(store.fs, f"{remote}/{name}.json")
    with suppress(FileNotFoundError):
        for file in files.listing(store.fs, f"{remote}/{name}"):
            files.remove(store.fs, f"{remote}/{name}/{file.path}")
