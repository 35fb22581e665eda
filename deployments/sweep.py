"""Run by supervisord as a listener: when a server's first process ends, end what it leaves behind.

A container takes all its processes along. Here a killed `mlflow server` would leave children that hold the port. Workers are
left out: a run whose worker died ends at its next log line, as its output goes nowhere, says so to the server, and is started
again.
"""

import os
import signal

from supervisor import childutils


def main() -> None:
    while True:
        headers, payload = childutils.listener.wait()
        facts = dict(pair.split(":", 1) for pair in payload.split("\n")[0].split())
        if headers["eventname"] == "PROCESS_STATE_EXITED" and not facts["processname"].startswith("worker"):
            end_group(int(facts["pid"]))
        childutils.listener.ok()


def end_group(group: int) -> None:
    """Kill what is left of a process group; its number is not given away while a member lives."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
