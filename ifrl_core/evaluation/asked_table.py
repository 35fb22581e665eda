"""Every benchmark, in the order in which a model is asked."""

from ifrl_core.evaluation.general import PROBLEMS
from ifrl_core.evaluation.held_out import HELD_OUT
from ifrl_core.evaluation.ifeval_stage import IFEVAL

BENCHMARKS = (HELD_OUT, IFEVAL, PROBLEMS)
