"""What of ifrl's logs reaches the terminal and the run's page in Prefect."""

import logging

from ifrl_core.errors import IfrlError
from ifrl_core.text.masking import mask_logs


def configure_logs() -> None:
    """Forward ifrl_core from INFO up (Prefect's own level for extra loggers is WARNING), and keep user errors short."""
    mask_logs()
    logging.getLogger("ifrl_core").setLevel(logging.INFO)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """An error that a user can mend says what to do; where in our code it was raised would only hide that."""
    if record.exc_info and isinstance(record.exc_info[1], IfrlError):
        record.exc_info = None
        record.exc_text = None
    return True
