"""The stage `general-rows`: held-out general problems of a run as the rows of a benchmark."""

from pydantic import Field

from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.evaluation.benchmarks.general import GENERAL, problem
from ifrl_core.evaluation.suite.rows import GENERAL_LABEL, write_items
from ifrl_core.rewards.problems.stage import problems_of
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


class GeneralRows(StageConfig):
    """How many problems are asked."""

    prompts: int = Field(ge=1)


def _config(recipe: PipelineConfig) -> dict[str, GeneralRows]:
    prompts = recipe.evaluation.general_prompts
    return {GENERAL_LABEL: GeneralRows(prompts=prompts)} if prompts else {}


@stage("general-rows", version=1, output="benchmark", inputs=("general",), each=_config, seeded=False)
def make_general_rows(config: GeneralRows, inputs: Inputs, work: Work) -> Figures:
    """inputs: general (problems). The first held-out ones by id, which is a hash: a larger number only adds problems."""
    rows = problems_of(inputs["general"], work.store, "held_out")[: config.prompts]
    items = [problem("general problems", number, row) for number, row in enumerate(rows, start=1)]
    return write_items(GENERAL, items, work)
