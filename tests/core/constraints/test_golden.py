"""Agreement with the reference IFEval checkers on recorded verdicts."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ifrl_core.constraints.verdict import strict_and_loose
from ifrl_core.records import Constraint

GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "ifeval_verdicts.parquet"

pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden verdicts are not beside this checkout")


def _drawn_at_random(row: dict[str, str]) -> bool:
    """The reference counts a random letter where a row names a character that is none: no verdict to agree with."""
    letter = json.loads(row["kwargs"]).get("letter", "a")
    return not letter.isalpha()


def test_strict_and_loose_verdicts_equal_the_reference_on_every_row() -> None:
    rows = [row for row in pq.read_table(GOLDEN).to_pylist() if not _drawn_at_random(row)]
    assert len(rows) > 8_500
    wrong = []
    for number, row in enumerate(rows):
        constraint = Constraint(row["instruction_id"], "hard", "", json.loads(row["kwargs"]))
        (strict,), (loose,) = strict_and_loose([constraint], row["response"])
        if (strict, loose) != (row["strict"], row["loose"]):
            wrong.append((number, row["instruction_id"]))
    assert wrong == []
