"""The recipes on conversations, whole: their policies meet more of what is asked on conversations that nobody trained on."""

from collections.abc import Callable

import pytest

from tests.flows.workplace import Workplace

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.soak, pytest.mark.timeout(2_400)]


@pytest.mark.parametrize("recipe", ["chat-cpu", "agent-cpu"])
def test_hard_constraints_of_held_out_conversations_are_met_more_often(
    workplace: Callable[..., Workplace], recipe: str
) -> None:
    place = workplace(recipe)
    done = place.run("run", recipe, timeout_s=1_800)
    assert done.returncode == 0, done.stdout + done.stderr
    gain = place.summary()["gain"]
    assert gain["low"] > 0, gain
