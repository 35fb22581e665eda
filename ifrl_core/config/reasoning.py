"""The section on reasoning: one setting for every place that reads an answer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ifrl_core.config.base import StageConfig


class ReasoningConfig(StageConfig):
    """Which part of a response is reasoning and which the answer, in labels, rewards, evaluation and wherever it is read.

    Reasoning that the token budget cuts off leaves no answer: hard constraints fail, soft ones score 0.
    """

    format: Literal["auto", "always", "optional", "none"] = Field(
        "auto",
        description="auto: by the model's chat template (always where the prompt opens the reasoning, else optional); "
        "always: without the closing tag there is no answer; optional: a text without tags is the answer; none: so is any",
    )
    open: str = Field("<think>", description="Tag that opens reasoning; auto also knows those of common templates")
    close: str = Field("</think>", description="Tag that ends it; the answer follows the last one")

    @model_validator(mode="after")
    def _tags(self) -> Self:
        for name in ("open", "close"):
            tag = getattr(self, name)
            if not tag or tag.strip() != tag:
                raise ValueError(f"{name} {tag!r} is no tag: expected text without white space around it")
        if self.open == self.close:
            raise ValueError(f"open and close are both {self.open!r}: reasoning would never be told to end")
        if self.format == "none" and self.model_fields_set & {"open", "close"} and (self.open, self.close) != _DEFAULT:
            raise ValueError("format none looks for no tags: leave open and close out, or choose always or optional")
        return self


_DEFAULT = ("<think>", "</think>")
