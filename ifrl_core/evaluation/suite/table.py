"""Every benchmark of the suite, by name."""

from ifrl_core.errors import InputError
from ifrl_core.evaluation.suite.collie import COLLIE
from ifrl_core.evaluation.suite.followbench import FOLLOWBENCH
from ifrl_core.evaluation.suite.item import Suite
from ifrl_core.evaluation.suite.problems import AIME, BBEH, GPQA, MMLU_PRO
from ifrl_core.evaluation.suite.verifiable import IFBENCH, IFBENCH_OFFICIAL, IFEVAL

SUITES = {
    suite.name: suite for suite in (IFEVAL, IFBENCH, IFBENCH_OFFICIAL, COLLIE, FOLLOWBENCH, BBEH, AIME, GPQA, MMLU_PRO)
}


def suite_named(name: str) -> Suite:
    """The benchmark of that name.

    Raises:
        InputError: when there is none, naming those there are.
    """
    if name not in SUITES:
        raise InputError(f"no benchmark is called {name!r}; expected one of {', '.join(SUITES)}")
    return SUITES[name]
