"""The training process's side of a job: `if __name__ == "__main__": main(train)` in the module that a launch names."""

import sys
from collections.abc import Callable
from pathlib import Path

from transformers.utils import logging as transformers_logging

from ifrl_core.errors import IfrlError
from ifrl_core.training.job import write_failure
from ifrl_core.training.orphans import die_with_launcher


def main(train: Callable[[Path], None]) -> None:
    """Train on the job document that the command line names. An error of ours is written down, for the stage to raise."""
    job = Path(sys.argv[1])
    die_with_launcher()
    transformers_logging.disable_progress_bar()
    try:
        train(job)
    except IfrlError as error:
        write_failure(job.parent, error)
        raise
