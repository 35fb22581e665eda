"""Every benchmark of the suite, by name. Another one is a file beside this one, and a line here."""

from ifrl_core.errors import InputError
from ifrl_core.evaluation.benchmarks.agentif import AGENTIF
from ifrl_core.evaluation.benchmarks.cfbench import CFBENCH
from ifrl_core.evaluation.benchmarks.collie import COLLIE
from ifrl_core.evaluation.benchmarks.complexbench import COMPLEXBENCH, COMPLEXBENCH_EN
from ifrl_core.evaluation.benchmarks.followbench import FOLLOWBENCH
from ifrl_core.evaluation.benchmarks.general import GENERAL
from ifrl_core.evaluation.benchmarks.multi_if import MULTI_IF
from ifrl_core.evaluation.benchmarks.multichallenge import MULTICHALLENGE
from ifrl_core.evaluation.benchmarks.problems import AIME, BBEH, BBEH_FULL, GPQA, MMLU_PRO
from ifrl_core.evaluation.benchmarks.sysbench import SYSBENCH
from ifrl_core.evaluation.benchmarks.verifiable import IFBENCH, IFEVAL
from ifrl_core.evaluation.benchmarks.writingbench import WRITINGBENCH
from ifrl_core.evaluation.suite.benchmark import Benchmark

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        IFEVAL,
        IFBENCH,
        CFBENCH,
        FOLLOWBENCH,
        COMPLEXBENCH,
        COMPLEXBENCH_EN,
        WRITINGBENCH,
        COLLIE,
        AGENTIF,
        MULTICHALLENGE,
        MULTI_IF,
        SYSBENCH,
        BBEH,
        BBEH_FULL,
        AIME,
        GPQA,
        MMLU_PRO,
        GENERAL,
    )
}


def benchmark_named(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        InputError: when there is none, naming those there are.
    """
    if name not in BENCHMARKS:
        raise InputError(f"no benchmark is called {name!r}; expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
