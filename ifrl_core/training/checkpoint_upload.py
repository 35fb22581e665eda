"""Checkpoints in an object store, so that another machine can go on from them (spot instances).

They lie beside the artifact that is being made, `<stage>/<fingerprint>/checkpoints/checkpoint-N/...`, each followed by
`checkpoint-N.json`, which names its files and their sha256: without it there is no checkpoint. Where the best step is kept,
the best checkpoint so far is part of the newest. trl's tables of answers, one a step, go to
`<stage>/<fingerprint>/checkpoints/completions/`, each once. All of it goes when the artifact is committed. A store on this
machine's disk needs none of this.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ifrl_core.artifacts import ArtifactStore, files
from ifrl_core.artifacts.digest import digest_of_file
from ifrl_core.artifacts.download import download
from ifrl_core.errors import ArtifactError, StoreOutageError
from ifrl_core.training.checkpoints import (
    COMPLETIONS,
    UPLOADING,
    best_step,
    last_checkpoint,
    point_to_best,
    step_of,
    whole_tables,
)
from ifrl_core.training.job import METRICS

log = logging.getLogger(__name__)
KEPT = 2  # of the uploaded ones; an older one goes when a newer one is whole


class Uploads:
    """Uploads new checkpoints of a local folder, one at a time, beside the training that makes them."""

    def __init__(self, store: ArtifactStore, remote: str, local: Path) -> None:
        self._store, self._remote, self._local = store, remote, local
        self._done: set[int] = set(uploaded(store, remote))
        self._thread: threading.Thread | None = None

    def look(self, step: int | None = None) -> None:
        """Start to upload the newest whole checkpoint, unless it is there or another one is on its way.

        `step`: that the training is at; None: it is over. A checkpoint is looked at once a later step was made: until then
        other processes of the training may still write their parts of it.
        """
        newest = last_checkpoint(self._local)
        if newest is None or step_of(newest) in self._done or (self._thread and self._thread.is_alive()):
            return
        if step is not None and step_of(newest) >= step:
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

    def _upload(self, newest: Path) -> None:
        try:
            steps = sorted({best_step(newest) or step_of(newest), step_of(newest)})
            with TemporaryDirectory(dir=self._local, prefix=UPLOADING) as folder:
                copies = [_linked(self._local, step, Path(folder)) for step in steps if step not in self._done]
                if last_checkpoint(self._local) != newest:  # the trainer has a newer one, and removes others
                    return
                for copy in copies:
                    upload(self._store, self._remote, copy, self._local)
        except FileNotFoundError:  # removed while it was looked at
            return
        except ArtifactError as error:  # training goes on: the next one may get through
            log.warning("%s was not uploaded: %s", newest.name, error)
            return
        self._done.update(steps)
        for step in sorted(self._done - set(steps))[: len(self._done) - KEPT]:
            remove(self._store, self._remote, step)
            self._done.discard(step)


def _linked(local: Path, step: int, folder: Path) -> Path:
    """A checkpoint under a second name, which the trainer does not remove, with the metrics so far."""
    checkpoint = local / f"checkpoint-{step}"
    copy = folder / checkpoint.name
    for path in checkpoint.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(checkpoint)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    if (metrics := local.parent / METRICS).exists():
        shutil.copyfile(metrics, copy / METRICS)
    return copy


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


def upload(store: ArtifactStore, remote: str, checkpoint: Path, local: Path) -> None:
    """All files of a checkpoint, and the tables of answers in `local` of its steps; then the list that makes it whole.

    Raises:
        ChangedError: when one of them is still written to; there is no list then.
    """
    digests = {}
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        name = path.relative_to(checkpoint).as_posix()
        with files.unchanged(path):
            digests[name] = digest_of_file(path)
            files.put_file(store.fs, path, f"{remote}/{checkpoint.name}/{name}")
    there = {file.path for file in files.listing(store.fs, f"{remote}/{COMPLETIONS}")}
    for path in whole_tables(local / COMPLETIONS, step_of(checkpoint)):
        if path.name not in there:
            files.put_file(store.fs, path, f"{remote}/{COMPLETIONS}/{path.name}")
    files.write_bytes(store.fs, f"{remote}/{checkpoint.name}.json", json.dumps(digests).encode())


def uploaded(store: ArtifactStore, remote: str) -> list[int]:
    """The steps of the whole checkpoints in the store, in order."""
    paths = [Path(file.path) for file in files.listing(store.fs, remote)]
    return sorted(step_of(path) for path in paths if len(path.parts) == 1 and path.suffix == ".json")


def fetch_newest(store: ArtifactStore, remote: str, local: Path) -> None:
    """Download the newest uploaded checkpoint, and its best one, when no local one is as new."""
    here = last_checkpoint(local)
    steps = uploaded(store, remote)
    if not steps or (here is not None and step_of(here) >= steps[-1]):
        return
    newer = [step for step in steps if here is None or step > step_of(here)]
    found = _newest_sound(store, remote, local, newer, here)
    if found is None:
        return
    newest, step = found
    best = best_step(newest)
    if best is not None and best != step and not (local / f"checkpoint-{best}").exists():
        _fetched(store, remote, local, best).replace(local / f"checkpoint-{best}")
    if (newest / METRICS).exists() and not (local.parent / METRICS).exists():
        (newest / METRICS).rename(local.parent / METRICS)
    for table in files.listing(store.fs, f"{remote}/{COMPLETIONS}"):
        download(store.fs, f"{remote}/{COMPLETIONS}/{table.path}", local / COMPLETIONS / table.path, size=table.size)
    newest.replace(local / f"checkpoint-{step}")
    log.info("going on from checkpoint-%d, which another run left in the store", step)


def _newest_sound(
    store: ArtifactStore, remote: str, local: Path, steps: list[int], here: Path | None
) -> tuple[Path, int] | None:
    """The newest checkpoint in the store whose files are those of its list, and its step; None where only `here` is whole.

    Raises:
        ArtifactError: of the oldest one, when none is and there is none here.
    """
    for step in reversed(steps):
        try:
            return _fetched(store, remote, local, step), step
        except StoreOutageError:
            raise
        except (ArtifactError, FileNotFoundError) as error:
            if step == steps[0] and here is None:
                raise
            log.warning("checkpoint-%d in the store is passed over: %s", step, error)
    return None


def _fetched(store: ArtifactStore, remote: str, local: Path, step: int) -> Path:
    """A whole checkpoint under a temporary name; a fetch that is cut off is gone on from."""
    name = f"checkpoint-{step}"
    digests: dict[str, str] = json.loads(files.read_bytes(store.fs, f"{remote}/{name}.json"))
    partial = local / f".fetched-{name}"
    for file, digest in digests.items():
        path = f"{remote}/{name}/{file}"
        download(store.fs, path, partial / file, size=files.size(store.fs, path), digest=digest)
    point_to_best(partial, local)
    return partial


def remove(store: ArtifactStore, remote: str, step: int) -> None:
    """The list first, so that nobody takes half a checkpoint for a whole one."""
    name = f"checkpoint-{step}"
    files.remove(store.fs, f"{remote}/{name}.json")
    with suppress(FileNotFoundError):
        for file in files.listing(store.fs, f"{remote}/{name}"):
            files.remove(store.fs, f"{remote}/{name}/{file.path}")
