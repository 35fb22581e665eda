"""Likelihood contrasts (ifrl_core/inference/likelihood.py) of the answers of stored ladders with every constraint of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.places import Layout
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import (
    Constraint,
    Conversation,
    Instruction,
    Message,
    constraint_of,
    conversation_of,
    with_history,
)
from ifrl_core.rollouts.shards import answer_in


def likelihood_contrasts(
    made: Mapping[str, ArtifactRef], store: ArtifactStore, instructions: Collection[str], *, among: bool = False
) -> dict[str, float | None]:
    """Contrasts of the answers to these instructions, each with every constraint of its ladder, by the id of their label.
    `made`: model, which answered, prompts and rollouts; `among`: a constraint is asked for among the others of its ladder,
    against these others, not alone against the seed."""
    layout: Layout = store.manifest(made["prompts"]).config.get("layout", "sentences")
    model = Likelihood(model_folder(made["model"], store))
    found: dict[str, float | None] = {}
    for ladder in ladders(made["prompts"], made["rollouts"], store):
        if ladder[0][0]["instruction_id"] in instructions:
            asked = dict(asked_of(ladder, layout, among))
            found |= zip(asked, model.contrasts(list(asked.values())), strict=True)
    return found


def asked_of(ladder: list[Rung], layout: Layout, among: bool) -> Iterator[tuple[str, Asked]]:
    """By label id, every answer of a ladder with every constraint of it, after the history of the answer's rung."""
    bottom, top = ladder[0][0], ladder[-1][0]
    constraints = [constraint_of(row) for row in top["constraints"]]
    for rung, rollouts in ladder:
        seed = with_history(conversation_of(bottom), rung["messages"])

        def asking(chosen: Sequence[Constraint], seed: Conversation = seed) -> list[Message]:
            return rungs(Instruction("", seed.request, tuple(chosen), "", seed.messages), layout=layout)[-1]

        for level, constraint in enumerate(constraints, 1):
            others = [*constraints[: level - 1], *constraints[level:]] if among else []
            without, including = asking(others), asking(constraints if among else [constraint])
            for rollout in rollouts:
                yield f"{rollout['rollout_id']}-c{level}", Asked(without, including, answer_in(rollout))
