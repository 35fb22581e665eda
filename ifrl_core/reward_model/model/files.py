"""Probabilities for a file of (response, constraint) rows: Parquet or JSONL, of any size, in bounded memory.

Rows are scored a window at a time; within one, rows that share a response are scored in one pass.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ifrl_core.errors import ModelError
from ifrl_core.models.folder import local_folder
from ifrl_core.models.looks.folder import look_at_reward_model
from ifrl_core.models.looks.kind import names, read_config
from ifrl_core.records import Row
from ifrl_core.reward_model.model.scorer import Scorer
from ifrl_core.reward_model.model.settings import SETTINGS
from ifrl_core.row_files import RowWriter, check_paths, count_rows, read_chunks, written, wrong

WINDOW_ROWS = 1024
_FIELDS = ("response", "constraint")
COLUMN = "probability"
MODEL_SAYS_NO = "the constraint alone fills the model's input, or the output is not a number"


@dataclass(frozen=True)
class ScoreSummary:
    """Rows of a file, how many of them have a probability, and why the others have none (reason -> rows)."""

    rows: int
    scored: int
    unscored: dict[str, int]


def reward_model_folder(uri: str) -> Path:
    """The local folder of a reward model: a model URI (ifrl_core.models), or the folder of its artifact in the store.

    Raises:
        ModelError: when there is no reward model.
    """
    folder = local_folder(uri)
    for candidate in (folder, folder / "model"):
        if (candidate / SETTINGS).is_file():
            look_at_reward_model(candidate, uri)
            return candidate
    raise ModelError(
        f"{uri!r} is not a reward model: {folder} has no {SETTINGS}{_is_another(folder, uri)}; name what the reward-model "
        "stage made, a folder of IFRL_ROOT/reward-model/ or models:/ifrl-reward-model@alias"
    )


def _is_another(folder: Path, uri: str) -> str:
    """What sort of model it is instead, as far as its config.json says."""
    try:
        return f" and is a {names(read_config(folder, uri))}"
    except ModelError:
        return ""


def score_file(
    path_in: str | Path,
    path_out: str | Path,
    scorer: Scorer,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ScoreSummary:
    """Write the rows of `path_in` with a column `probability` to `path_out`, in the same order; formats go by the suffixes.

    `probability` is null, and the reason is counted, where a row cannot be scored: a null response or constraint, text
    that is not valid Unicode, a constraint that is too long for the model. One that the input already has is replaced. The
    output appears under its name only when it is complete. `progress` is told rows done and rows in all.

    Raises:
        InputError: for a missing file, an unknown suffix, or a row that is not JSON, lacks a field or has something else
            than text in it (naming row and field); no output is left then.
    """
    source, target = Path(path_in), Path(path_out)
    check_paths(source, target)
    done, total, unscored = 0, count_rows(source), Counter[str]()
    progress(done, total)
    with written(RowWriter(target, (COLUMN,), types={COLUMN: pa.float64()})) as writer:
        for rows, batch in read_chunks(source, WINDOW_ROWS):
            reasons = [unusable(source, done + index, row) for index, row in enumerate(rows, start=1)]
            usable = [index for index, reason in enumerate(reasons) if reason is None]
            pairs = [(rows[index]["response"], rows[index]["constraint"]) for index in usable]
            added: list[Row] = [{COLUMN: None} for _ in rows]
            for index, probability in zip(usable, scorer.probabilities(pairs), strict=True):
                added[index] = {COLUMN: probability}
                reasons[index] = MODEL_SAYS_NO if probability is None else None
            writer.write(rows, added, batch)
            unscored.update(reason for reason in reasons if reason is not None)
            done += len(rows)
            progress(done, total)
    return ScoreSummary(done, done - unscored.total(), dict(unscored.most_common()))


def unscored_lines(unscored: Mapping[str, int]) -> list[str]:
    """Why rows have no probability, for people."""
    return [f"{rows} rows unscored: {reason}" for reason, rows in unscored.items()]


def unusable(path: Path, number: int, row: Row) -> str | None:
    """Why a row, by its number from 1, cannot be scored, or None.

    Raises:
        InputError: when it lacks a field or has something else than text in it.
    """
    for name in _FIELDS:
        if name not in row:
            raise wrong(path, number, name, f"missing; a row needs {' and '.join(_FIELDS)}")
        value = row[name]
        if value is None:
            return f"{name} is null"
        if not isinstance(value, str):
            raise wrong(path, number, name, f"expected text, found {type(value).__name__}")
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
            return f"{name} is not valid Unicode"
    return None
