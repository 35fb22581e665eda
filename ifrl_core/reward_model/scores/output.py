"""The rows of a file with the probabilities of their artifact."""

from itertools import islice
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.errors import InputError
from ifrl_core.reward_model.model.files import COLUMN, WINDOW_ROWS
from ifrl_core.row_files import RowWriter, check_paths, read_chunks, written


def write_scored(source: Path, target: Path, pairs: ArtifactRef, scores: ArtifactRef, store: ArtifactStore) -> None:
    """Write the rows of `source`, as `pairs` names them, with their `probability` to `target`, as
    `model.files.score_file` does.

    Raises:
        InputError: when `source` has changed since.
    """
    check_paths(source, target)
    if digest_of_source(str(source)) != store.manifest(pairs).config["digest"]:
        raise InputError(f"{source} has changed while it was scored: score it again when its writer has ended")
    probabilities = (value for table in store.tables(scores) for value in table["probability"].to_pylist())
    with written(RowWriter(target, (COLUMN,), types={COLUMN: pa.float64()})) as writer:
        for rows, batch in read_chunks(source, WINDOW_ROWS):
            writer.write(rows, [{COLUMN: value} for value in islice(probabilities, len(rows))], batch)
