"""The stage `pairs`: the (response, constraint) rows of a file in the store, cut into the shards that are scored apart."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.config import StageConfig
from ifrl_core.identity.fields import How
from ifrl_core.records import Row
from ifrl_core.reward_model.model.files import unusable
from ifrl_core.row_files import check_paths, count_rows, read_chunks
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

# A response and a constraint, or why the row cannot be scored and neither.
PAIRS = pa.schema([("response", pa.string()), ("constraint", pa.string()), ("unscored", pa.string())])
ROWS_PER_SHARD = 10_000
_READ_ROWS = 1024


class PairsSource(StageConfig):
    """A file of rows by content."""

    digest: str
    path: How[str] = Field(exclude=True)
    rows_per_shard: How[int] = Field(ROWS_PER_SHARD, ge=1)


def pairs_source(path: Path, rows_per_shard: int = ROWS_PER_SHARD) -> PairsSource:
    """Name a file by content.

    Raises:
        InputError: when it is of no known kind, or cannot be read.
    """
    check_paths(path, path)
    return PairsSource(digest=digest_of_source(str(path)), path=str(path), rows_per_shard=rows_per_shard)


@stage("pairs", version=1, inputs=(), optional=True, seeded=False)
def import_pairs(config: PairsSource, inputs: Inputs, work: Work) -> Figures:
    """Copy responses and constraints of all rows, in order; a shard in memory at a time; columns: PAIRS.

    Raises:
        InputError: for a row that is not JSON, lacks a field or has something else than text in it, naming row and field.
    """
    path = Path(config.path)
    done, total, unscored = 0, count_rows(path), Counter[str]()
    pairs = _pairs_of(path)
    while rows := list(islice(pairs, config.rows_per_shard)):
        end = done + len(rows)
        work.writer.write_table(f"part-{done:09d}-{end:09d}.parquet", pa.Table.from_pylist(rows, schema=PAIRS))
        unscored.update(row["unscored"] for row in rows if row["unscored"] is not None)
        done = end
        work.progress(done, total, "rows read")
    return {"rows": done, "unscored": dict(unscored)}


def _pairs_of(path: Path) -> Iterator[Row]:
    number = 0
    for rows, _ in read_chunks(path, _READ_ROWS):
        for row in rows:
            number += 1
            reason = unusable(path, number, row)
            response, constraint = (None, None) if reason else (row["response"], row["constraint"])
            yield {"response": response, "constraint": constraint, "unscored": reason}
