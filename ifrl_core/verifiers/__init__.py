"""Rule verdicts for hard constraints, over one shared, memoised view of each response."""

from ifrl_core.verifiers.answer import THINK, ReasoningTags, answer_of
from ifrl_core.verifiers.verdict import strict_and_loose, validated, verdicts, verify
from ifrl_core.verifiers.view import View

__all__ = ["THINK", "ReasoningTags", "View", "answer_of", "strict_and_loose", "validated", "verdicts", "verify"]
