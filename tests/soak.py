"""The soak: long campaigns, in cases that can each be run alone, of which CI runs a share at every commit.

    pytest -m soak                       every case; IFRL_SOAK_TABLE=FILE writes the table of what came of them
    pytest -m soak --soak-share COMMIT   the cases of one commit

A case is a test with the mark `soak`. Its seed comes from IFRL_SOAK_SEED (default 0) and its name, so a case that failed is
run again by its name and the IFRL_SOAK_SEED that the table names.
"""

import hashlib
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

TABLE = Path(__file__).parent.parent / "benchmarks" / "soak.md"
SHARE_S = 200  # of CI's time for cases; what they share (a stack that starts) comes on top
_UNMEASURED_S = 60
_ROW = re.compile(r"^\| `(?P<case>[^`]+)` \| \d+ \| (?P<seconds>\d+) \| \w+ \|$", re.MULTILINE)


def campaign_seed() -> int:
    return int(os.environ.get("IFRL_SOAK_SEED", "0"))


def case_seed(case: str, campaign: int) -> int:
    """A case's own seed: the same on every machine and in every order."""
    return int.from_bytes(hashlib.sha256(f"{campaign} {case}".encode()).digest()[:4], "big")


def measured_seconds(table: str) -> dict[str, int]:
    """Seconds by case, of the last campaign's table."""
    return {match["case"]: int(match["seconds"]) for match in _ROW.finditer(table)}


def share_of(commit: str, cases: Sequence[str], seconds: Mapping[str, int], limit_s: int) -> list[str]:
    """The cases of a commit: from the one that its hash points to onwards, as many as fit into `limit_s` seconds.

    Every case that fits is the first one of some commit; longer ones are left to `make soak`.
    """
    cost = {case: seconds.get(case, _UNMEASURED_S) for case in cases}
    fitting = [case for case in cases if cost[case] <= limit_s]
    start = int(commit, 16) % max(len(fitting), 1)
    share, left = [], float(limit_s)
    for case in [*fitting[start:], *fitting[:start]]:
        if cost[case] <= left:
            share.append(case)
            left -= cost[case]
    return share


def table_of(rows: Mapping[str, tuple[float, str]], campaign: int) -> str:
    """The table of a campaign, from seconds and outcome by case."""
    minutes = sum(seconds for seconds, _ in rows.values()) / 60
    failed = sum(outcome != "passed" for _, outcome in rows.values())
    lines = [
        "# The last soak",
        "",
        f"`make soak`, IFRL_SOAK_SEED={campaign}: {len(rows)} cases, {minutes:.0f} minutes of test time, {failed} failed.",
        "Written by the run; CI's share of the soak is chosen by these seconds.",
        "",
        "| case | seed | seconds | outcome |",
        "|---|---|---|---|",
    ]
    for case, (seconds, outcome) in sorted(rows.items()):
        lines.append(f"| `{case}` | {case_seed(case, campaign)} | {seconds:.0f} | {outcome} |")
    return "\n".join(lines) + "\n"


@pytest.fixture
def soak_random(request: pytest.FixtureRequest) -> random.Random:
    """What a case draws its moments from; the seed is printed where the case fails."""
    seed = case_seed(request.node.nodeid, campaign_seed())
    print(f"IFRL_SOAK_SEED={campaign_seed()}, seed of this case {seed}")
    return random.Random(seed)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-share", metavar="COMMIT", help="of the soak, run only the cases of this commit")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    commit = config.getoption("--soak-share")
    if not commit:
        return
    cases = sorted(item.nodeid for item in items if item.get_closest_marker("soak"))
    share = (
        set(share_of(commit, cases, measured_seconds(TABLE.read_text() if TABLE.exists() else ""), SHARE_S))
        if cases
        else set()
    )
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in share])
    items[:] = [item for item in items if item.nodeid in share]


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("IFRL_SOAK_TABLE")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(_TableWriter(Path(path)))


class _TableWriter:
    """Collects what comes of each case and writes the table at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, tuple[float, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        case = report.nodeid
        seconds, outcome = self.rows.get(case, (0.0, "passed"))
        self.rows[case] = (seconds + report.duration, outcome if report.passed else report.outcome)

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(table_of(self.rows, campaign_seed()))
