"""Prefect flows that read like the method, and the command line.

Importing this package sets how threads wait, whoever imports it: a worker's process starts a flow without `ifrl`.
"""

from ifrl_core.settings import configure_processor

configure_processor()
