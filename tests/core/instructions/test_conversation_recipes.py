"""The recipes on conversations: their seeds ship with ifrl, and every ladder that they draw can be climbed."""

import pytest

from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.satisfy import unmet
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.types import check_types
from ifrl_core.instructions.writers.catalog import write
from ifrl_core.instructions.writers.record import SeedRequest, Written
from ifrl_core.seeds.read import read_seeds


@pytest.mark.parametrize("recipe", ["chat-cpu", "agent-cpu"])
def test_ladders_on_conversations_can_be_climbed(recipe: str) -> None:
    config = load_recipe(recipe)
    check_types(config)
    asked = answerable(config)
    assert not config.seeds.builtin
    seeds, rejected = read_seeds(config.seeds.files, builtin=False)
    assert not rejected
    requests = [SeedRequest(seed.seed_id, seed.text, seed.conversation) for seed in seeds[::8]]
    drawn = []
    for request, item in zip(requests, write(requests, asked, seed=config.seed), strict=True):
        assert isinstance(item, Written)
        assert asked.min_constraints <= len(item.constraints) <= asked.max_constraints
        assert unmet(item.constraints, asked.max_words, request.conversation) is None
        drawn += [CATALOG[constraint.type] for constraint in item.constraints]
    assert sum(isinstance(type_, TurnType) for type_ in drawn) >= len(drawn) / 3
