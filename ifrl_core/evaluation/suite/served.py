"""The stage `served-model`: a model that only servers have, by the name under which they serve it."""

from ifrl_core.config import StageConfig
from ifrl_core.models.uri import SERVED
from ifrl_core.stages.stage import Figures, Inputs, Work, stage

PREFIX = "server:"


class ServedModel(StageConfig):
    """Its name; what it says of itself beside that is the user's to say in the name."""

    uri: str


def served_name(uri: str) -> str:
    """NAME of `server:NAME`; empty for other model URIs."""
    return uri.removeprefix(PREFIX) if uri.startswith(PREFIX) else ""


@stage(SERVED, version=1, output="model", inputs=(), each=lambda recipe: {}, seeded=False)
def name_served_model(config: ServedModel, inputs: Inputs, work: Work) -> Figures:
    """An artifact that holds the name alone, for stages that take a model."""
    work.writer.write_json("source.json", {"uri": config.uri})
    return {"served_model": served_name(config.uri)}
