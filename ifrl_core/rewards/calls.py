"""Whether an answer calls a tool that was offered. Rules judge calls; a call has few words, so that what goes by words (the
intent gate, `task_dropped`, the wire `hollow`) says nothing of it."""

from typing import Any

from ifrl_core.constraints.verifiers.tool_calls import calls_in
from ifrl_core.identity.code import digest_of_code
from ifrl_core.records import Conversation


def calls_a_tool(answer: str, asked: Conversation | None, template: str) -> bool:
    """`template`: how the model writes calls (Reasoning.calls). Where no tool is offered, a call is a way to say nothing."""
    return asked is not None and bool(asked.tools) and bool(calls_in(answer, template).calls)


def calls_content(config: Any) -> dict[str, str]:
    """Of a stage that asks this, what enters its fingerprint where its `types` are about tools."""
    about_tools = any(name.startswith("tools:") for name in getattr(config, "types", ()))
    return {"calls": digest_of_code(calls_a_tool)} if about_tools else {}
