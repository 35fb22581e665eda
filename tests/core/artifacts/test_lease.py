"""The states of a lease, by what the store holds; what follows from them is in test_locks, on real servers."""

import json
import subprocess
import sys
from typing import Any

import pytest

from ifrl_core.artifacts.holder import this_process
from ifrl_core.artifacts.lease import TAKEABLE, State, state_of

ELSEWHERE = {"owner": "another", "machine": "another", "pid": 1, "started": 0.0, "beat": 1}


@pytest.fixture(scope="module")
def ended_process() -> dict[str, Any]:
    code = "import json; from ifrl_core.artifacts.holder import this_process; print(json.dumps(this_process()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    process: dict[str, Any] = json.loads(done.stdout)
    return process


@pytest.mark.parametrize(
    ("body", "states"),
    [
        (None, ("free", "free")),
        (json.dumps({**this_process(), "owner": "me"}), ("mine", "mine")),
        (json.dumps({**this_process(), "owner": "another"}), ("held", "silent")),
        (json.dumps(ELSEWHERE), ("held", "silent")),
        ("torn {", ("held", "silent")),
        ("[]", ("held", "silent")),
    ],
    ids=["nobody", "me", "another here", "another elsewhere", "torn", "no lease"],
)
def test_what_a_lease_is_to_a_run(body: str | None, states: tuple[State, State]) -> None:
    encoded = None if body is None else body.encode()
    assert state_of(encoded, "me", silent=False) == states[0]
    assert state_of(encoded, "me", silent=True) == states[1]


def test_a_process_that_ended_or_whose_number_another_one_has_holds_nothing(ended_process: dict[str, Any]) -> None:
    for process in (ended_process, {**this_process(), "started": 1.0}):
        body = json.dumps({**process, "owner": "another"}).encode()
        assert state_of(body, "me", silent=False) == "gone"


def test_only_what_nobody_holds_is_taken() -> None:
    assert {"free", "silent", "gone"} == TAKEABLE
