"""The table of sample rows of a run in MLflow, which its pages show. Rows that are there already are not added again."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

TABLE = "samples.json"
_DIGITS = 6  # MLflow's table keeps ten


def append_rows(client: MlflowClient, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to the table of a run; a column that a row lacks is empty there."""
    there = _keys(client, run_id)
    fresh = [row for row in rows if _key(row) not in there]
    if fresh:
        names = dict.fromkeys(name for row in fresh for name in row)
        client.log_table(run_id, {name: [row.get(name) for row in fresh] for name in names}, TABLE)


def _keys(client: MlflowClient, run_id: str) -> set[str]:
    if TABLE not in {file.path for file in client.list_artifacts(run_id)}:
        return set()
    with tempfile.TemporaryDirectory() as folder:
        table = json.loads(Path(client.download_artifacts(run_id, TABLE, folder)).read_text(encoding="utf-8"))
    return {_key(dict(zip(table["columns"], values, strict=True))) for values in table["data"]}


def _key(row: Mapping[str, Any]) -> str:
    told = {name: value for name, value in row.items() if value is not None and value == value}
    rounded = {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in told.items()}
    return json.dumps(rounded, sort_keys=True, default=str)
