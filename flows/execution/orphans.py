"""Temporary Prefect servers that a killed run left behind: Prefect ends them only when the run ends by itself."""

import logging
import os

import psutil

log = logging.getLogger("ifrl_core.run")


def end_orphaned_servers() -> int:
    """End this work folder's temporary servers whose run is gone; returns how many.

    A server of a living run has that run as its parent, so only those that init adopted are ended. One that belongs to
    another user, folder or purpose (PREFECT_HOME, PREFECT__SERVER_EPHEMERAL) is left alone.
    """
    orphans = [process for process in psutil.process_iter() if _is_orphan(process, os.environ["PREFECT_HOME"])]
    for process in orphans:
        log.info("ending the temporary Prefect server of a killed run (process %d)", process.pid)
        process.terminate()
    psutil.wait_procs(orphans, timeout=10)
    return len(orphans)


def _is_orphan(process: psutil.Process, home: str) -> bool:
    try:
        if process.ppid() != 1 or process.pid == os.getpid():
            return False
        environment = process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
    return environment.get("PREFECT__SERVER_EPHEMERAL") == "1" and environment.get("PREFECT_HOME") == home
