"""Section `evaluation.judge`: the model that is asked where no rule decides, and how its own word is checked."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import GenerationConfig
from ifrl_core.identity.fields import How, used


class JudgeConfig(GenerationConfig):
    """A judge answers greedily. With engine server it is asked at IFRL_JUDGE_URLS: `served_model` says who it is."""

    model: How[str] = Field("", description="The judge, a model URI; with engine server it may be left out")
    revision: Annotated[str, used(lambda section: section.engine == "server")] = Field(
        "",
        description="For engine server: a word of yours for what is behind the name, such as a date; another judges anew",
    )
    template: How[str | None] = Field(
        None, description="Folder of templates of your own, NAME.txt each; what is not there is asked by ifrl's wording"
    )
    max_tokens: int = Field(1024, ge=1, description="Longest reply, in tokens (reasoning included)")
    retries: int = Field(2, ge=0, le=10, description="Times a reply that cannot be read is asked for again")
    max_unscored_share: How[float] = Field(
        0.1, ge=0, le=1, description="Share of questions without a reply that can be read above which judging fails"
    )
    checks: int = Field(
        100,
        ge=0,
        description="Hard constraints that the judge is asked too, as rules know the truth; 0: it is not measured",
    )
    recorded: How[str | None] = Field(
        None, description="CFBench's recorded verdicts (judged_20.json); none: agreement with them is not measured"
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.engine != "server" and not self.model:
            raise ValueError("a judge needs its model (a model URI), or engine server with served_model")
        return self
