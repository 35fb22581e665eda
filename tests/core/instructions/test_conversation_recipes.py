"""The recipes on conversations: their seeds ship with ifrl, and every ladder that they draw can be climbed."""

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import InstructionsConfig, SeedsConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.satisfy import unmet
from ifrl_core.constraints.turn_types import TurnType
from ifrl_core.errors import ConfigError, InputError
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.stage import make_instructions
from ifrl_core.instructions.types import check_types, count_not_askable
from ifrl_core.instructions.writers.catalog import write
from ifrl_core.instructions.writers.record import SeedRequest, Written
from ifrl_core.report.findings import findings
from ifrl_core.seeds.read import read_seeds
from ifrl_core.seeds.stage import make_seeds, seeds_source


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


@pytest.mark.parametrize("files", [("builtin:tools", "builtin:conversations"), ("builtin:conversations",)])
def test_seeds_of_which_nothing_can_be_asked_are_counted_and_said(store: ArtifactStore, files: tuple[str, ...]) -> None:
    config = SeedsConfig(builtin=False, files=files, train=30, held_out=20, held_out_share=0.4)
    seeds = make_seeds(seeds_source(config), {}, store)
    asked = InstructionsConfig(types=("tools:none",), hard_share=1, min_constraints=1, max_constraints=1)
    if files == ("builtin:conversations",):
        with pytest.raises(
            InputError, match=r"50 of 50 seeds were rejected.*Name other instructions.types, or seeds that"
        ):
            make_instructions(asked, {"seeds": seeds}, store)
        return
    instructions = make_instructions(asked, {"seeds": seeds}, store)
    figures = store.manifest(instructions).figures
    rejected = store.read_table(instructions, "rejected.parquet").num_rows
    assert 0 < figures["not_askable"] == rejected == 50 - figures["train"] - figures["held_out"]
    (finding,) = findings({"instructions": figures})
    assert (finding.level, finding.title) == ("warning", f"Left out: {rejected} seeds")


def test_a_plan_counts_the_seeds_of_which_nothing_can_be_asked() -> None:
    recipe = load_recipe("agent-cpu")
    chats, tools = (
        [seed.conversation for seed in read_seeds([f"builtin:{name}"], builtin=False)[0]]
        for name in ("conversations", "tools")
    )
    assert count_not_askable(recipe, tools) == 0
    assert count_not_askable(recipe, [*tools, *chats]) == len(chats)
    assert count_not_askable(load_recipe("agent-cpu", ["instructions.writer=self"]), chats) == 0
    assert count_not_askable(load_recipe("demo-cpu"), chats) == 0
    with pytest.raises(ConfigError, match=r"instructions.types: none of them can be asked of any seed"):
        count_not_askable(recipe, chats)
