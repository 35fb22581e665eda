"""This machine's copies of models that lie elsewhere: fetched once, whole or not there, under the digest of what they hold.

<cache>/models/<digest>/            a copy; its name is what its files are checked against whenever it is used
<cache>/models/.tmp-<key>/          one that is being fetched; after a kill, the next fetch goes on from it
<cache>/models/.sources/<key>.json  what a source held when it was last looked at: [state, digest]
"""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ifrl_core.artifacts import files, locks
from ifrl_core.artifacts.digest import digest_of_bytes, digest_of_file, digest_of_files, remember_digest
from ifrl_core.errors import ArtifactError, ModelError
from ifrl_core.models.content import digest_of_model, model_files
from ifrl_core.settings import cache_folder

log = logging.getLogger(__name__)


def copy_of(digest: str) -> Path | None:
    """The folder of this machine's copy, None when it has none or something has changed it."""
    folder = _root() / digest
    return folder if folder.is_dir() and digest_of_model(folder) == digest else None


@dataclass(frozen=True)
class Elsewhere:
    """A model that lies elsewhere, under the name `source`.

    `state()` changes with what the source holds and is quickly told; `fetch` puts the model's files into a folder, in which
    those that an earlier, killed call has put there are whole.
    """

    source: str
    state: Callable[[], str]
    fetch: Callable[[Path], None]

    @property
    def _note(self) -> Path:
        return _root() / ".sources" / f"{_key(self.source)}.json"

    def at_hand(self) -> Path | None:
        """This machine's copy of what the source holds now, if there is one."""
        return _noted(self._note, self.state())

    def fetched(self) -> Path:
        """The same, fetched where there is none. Of several processes one fetches it.

        Raises:
            ModelError: when the source changes while it is read.
        """
        state = self.state()
        if folder := _noted(self._note, state):
            return folder
        staging = _root() / f"{files.TEMPORARY}{_key(self.source + state)}"
        disk, lock = files.filesystem(f"{staging}{locks.SUFFIX}")
        with locks.locked(disk, lock, self.source):
            folder = _noted(self._note, state) or self._fetched(staging, state)
            files.remove(disk, lock)  # whoever waits for it sees that it is gone, and takes another
        return folder

    def _fetched(self, staging: Path, state: str) -> Path:
        log.info("fetching %s, once on this machine", self.source)
        staging.mkdir(parents=True, exist_ok=True)
        self.fetch(staging)
        if self.state() != state:
            shutil.rmtree(staging)
            raise ModelError(f"model {self.source!r} changed while it was read: run again when its writer has ended")
        folder = _placed(staging)
        note = json.dumps([state, folder.name]).encode()
        files.write_bytes(files.filesystem(str(self._note))[0], str(self._note), note)
        return folder


def check_room(sizes: Mapping[str, int], folder: Path, source: str) -> None:
    """Whether the disk has room for what of these files (bytes by name) is not in `folder` yet.

    Raises:
        ArtifactError: when it has not, naming both sizes.
    """
    need = sum(size for name, size in sizes.items() if not (folder / name).exists())
    free = shutil.disk_usage(folder).free
    if free < need:
        raise ArtifactError(
            f"model {source!r} takes {need / 2**30:.2f} GiB on this machine, and the disk of {_root()} has "
            f"{free / 2**30:.2f}: free some space, or name another folder with IFRL_CACHE"
        )


def _placed(staging: Path) -> Path:
    """Move a fetched model to its place, whose name is its digest; one that is there already stays unless it is damaged."""
    digests = {name: digest_of_file(path) for name, path in model_files(staging).items()}
    folder = _root() / digest_of_files(digests)
    with FileLock(_root() / f".placing{locks.SUFFIX}"):  # two sources may hold the same
        if copy_of(folder.name) is None:
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
            for name, digest in digests.items():
                remember_digest(folder / name, digest)
    shutil.rmtree(staging, ignore_errors=True)
    return folder


def _noted(note: Path, state: str) -> Path | None:
    """The copy of a source, if its note was written in this state and the copy is whole."""
    try:
        noted, digest = json.loads(note.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return copy_of(digest) if noted == state else None


def _key(text: str) -> str:
    return digest_of_bytes(text.encode())[:32]


def _root() -> Path:
    return cache_folder() / "models"
