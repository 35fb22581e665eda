"""Every benchmark, in the order in which a model is asked."""

from ifrl_core.evaluation.benchmarks.held_out import HELD_OUT
from ifrl_core.evaluation.benchmarks.ifeval import IFEVAL
from ifrl_core.evaluation.benchmarks.problems import PROBLEMS

BENCHMARKS = (HELD_OUT, IFEVAL, PROBLEMS)
