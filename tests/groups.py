"""Which tests run in one process of several: those of a file, and those of files that share a server or a run.

The longest groups begin. (xdist's own `--dist loadgroup` does nothing with pytest 9.2, whose ids it cannot rename.)
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The first file of "prefect" wants a server that nothing has been deployed to.
SHARING = {
    "prefect": (
        *(
            "flows/test_deploy",
            "flows/test_deployment",
            "flows/test_eval_models",
            "flows/test_outages",
            "flows/test_placed",
            "flows/test_prefect_away",
            "flows/test_retrain",
        ),
        *("tasks/test_retries", "tasks/test_secrets", "tasks/test_toy_stage"),
    ),
    "whole-run": ("flows/test_execution", "flows/test_kill", "flows/test_pipeline", "flows/test_reproduce"),
}
_GROUPS = {f"tests/{file}.py": group for group, files in SHARING.items() for file in files}
_LONGEST = ("e2e", "model", "server")


def group_of(nodeid: str) -> str:
    """The group of a test, by its id."""
    file = nodeid.partition("::")[0]
    return _GROUPS.get(file, file)


class Groups(LoadScopeScheduling):
    """A group is a unit of work."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item.nodeid), []).append(item)
    items[:] = [item for group in sorted(groups.values(), key=_rank) for item in group]


def _rank(group: list[pytest.Item]) -> int:
    marks = {mark.name for item in group for mark in item.iter_markers()}
    return next((rank for rank, name in enumerate(_LONGEST) if name in marks), len(_LONGEST))
