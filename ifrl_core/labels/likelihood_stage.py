"""The stage that asks the model that answered how much likelier a constraint makes each answer of its ladder (likelihood.py).

It reads no label and no rule. Types differ in how much their words change an answer, so what others use is the place of an
answer among all those of its type.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from ifrl_core.config import NoConfig
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.places import Layout
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Instruction, Row, constraint_of, conversation_of, with_history
from ifrl_core.rollouts.shards import answer_in
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

if TYPE_CHECKING:  # torch is loaded where the stage is made
    from ifrl_core.labels.likelihood import Asked

LIKELIHOODS = pa.schema(
    [
        ("rollout_id", pa.string()),
        ("level", pa.int32()),  # of the constraint in its ladder
        ("contrast", pa.float64()),  # nats a token; null of an empty answer
        ("likelier", pa.float64()),  # share of the answers to its type that lie lower, in (0, 1); null as above
    ]
)


@stage(
    "likelihoods",
    version=1,
    title="Likelihood contrasts",
    inputs=("model", "prompts", "rollouts"),
    config=lambda recipe: None if recipe.labels.unlikely is None else NoConfig(),
    optional=True,
    seeded=False,
    placeable=True,
)
def contrast_likelihoods(config: NoConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts, rollouts. Columns: LIKELIHOODS, a row an answer and constraint of its ladder, in the order of
    the rollouts."""
    from ifrl_core.labels.likelihood import Likelihood
    from ifrl_core.training.memory import free_memory

    layout: Layout = work.store.manifest(inputs["prompts"]).config.get("layout", "sentences")
    model = Likelihood(model_folder(inputs["model"], work.store))
    rows: list[Row] = []
    by_type: dict[str, list[int]] = defaultdict(list)  # places of the rows with a contrast
    for ladder in ladders(inputs["prompts"], inputs["rollouts"], work.store):
        constraints = ladder[-1][0]["constraints"]
        answers = [rollout for _, rollouts in ladder for rollout in rollouts]
        found = iter(model.contrasts(list(_asked(ladder, layout))))
        for rollout in answers:
            for level, constraint in enumerate(constraints, 1):
                contrast = next(found)
                if contrast is not None:
                    by_type[constraint["type"]].append(len(rows))
                rows.append({"rollout_id": rollout["rollout_id"], "level": level, "contrast": contrast})
        work.progress(len(rows), inputs["rollouts"].rows * len(constraints), "answers and constraints")
    del model
    free_memory()
    for places in by_type.values():
        ranks = rankdata([rows[place]["contrast"] for place in places])
        for place, share in zip(places, (ranks - 0.5) / len(places), strict=True):
            rows[place]["likelier"] = float(share)
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=LIKELIHOODS))
    return {"by_type": {name: float(np.mean([rows[at]["contrast"] for at in of])) for name, of in by_type.items()}}


def _asked(ladder: list[Rung], layout: Layout) -> Iterator["Asked"]:
    """Every answer of a ladder with every constraint of it, each constraint asked alone."""
    from ifrl_core.labels.likelihood import Asked

    bottom, top = ladder[0][0], ladder[-1][0]
    for rung, rollouts in ladder:
        seed = with_history(conversation_of(bottom), rung["messages"])
        prompts = [
            rungs(Instruction("", seed.request, (constraint_of(row),), "", seed.messages), layout=layout)
            for row in top["constraints"]
        ]
        for rollout in rollouts:
            for without, including in prompts:
                yield Asked(without, including, answer_in(rollout))
