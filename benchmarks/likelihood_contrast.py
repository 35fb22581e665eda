"""Likelihood contrasts (ifrl_core/inference/likelihood.py) of the answers of stored ladders with every constraint of them."""

from collections.abc import Collection, Iterator, Mapping

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.places import Layout
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Instruction, constraint_of, conversation_of, with_history
from ifrl_core.rollouts.shards import answer_in


def likelihood_contrasts(
    made: Mapping[str, ArtifactRef], store: ArtifactStore, instructions: Collection[str]
) -> dict[str, float | None]:
    """Contrasts of the answers to these instructions, each with every constraint of its ladder, by the id of their label.
    `made`: model, which answered, prompts and rollouts."""
    layout: Layout = store.manifest(made["prompts"]).config.get("layout", "sentences")
    model = Likelihood(model_folder(made["model"], store))
    found: dict[str, float | None] = {}
    for ladder in ladders(made["prompts"], made["rollouts"], store):
        if ladder[0][0]["instruction_id"] in instructions:
            asked = dict(_asked(ladder, layout))
            found |= zip(asked, model.contrasts(list(asked.values())), strict=True)
    return found


def _asked(ladder: list[Rung], layout: Layout) -> Iterator[tuple[str, Asked]]:
    """Every constraint is asked alone, after the history of the rung."""
    bottom, top = ladder[0][0], ladder[-1][0]
    for rung, rollouts in ladder:
        seed = with_history(conversation_of(bottom), rung["messages"])
        for level, row in enumerate(top["constraints"], 1):
            alone = Instruction("", seed.request, (constraint_of(row),), "", seed.messages)
            without, including = rungs(alone, layout=layout)
            for rollout in rollouts:
                yield f"{rollout['rollout_id']}-c{level}", Asked(without, including, answer_in(rollout))
