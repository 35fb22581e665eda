"""Slots of a GPU pool: a global concurrency limit on the Prefect server, one slot a stage that works.

A slot is a lease of a minute that its holder renews, so a killed run gives it back within two minutes. The leases outlive a
restart of the server where it keeps them on disk: PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE =
prefect.server.concurrency.lease_storage.filesystem, in the server's environment.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from ifrl_core.errors import PlacementError

VARIABLE = "IFRL_SLOTS"
LEASE_S = 60.0  # the least that Prefect allows

log = logging.getLogger("ifrl_core.run")


@contextmanager
def slot() -> Iterator[None]:
    """Hold one slot of the limit that IFRL_SLOTS names; without it, nothing is held. Waits for as long as it takes.

    A server that is away costs the slot, never the work: a lease that cannot be renewed is logged, and the stage goes on.

    Raises:
        PlacementError: when the server has no such limit.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        yield
        return
    with ExitStack() as stack:
        log.info("waiting for a slot of %s", name)
        lease = concurrency(name, lease_duration=LEASE_S, strict=True, raise_on_lease_renewal_failure=False)
        try:
            stack.enter_context(lease)
        except ConcurrencySlotAcquisitionError as error:
            raise PlacementError(
                f"{VARIABLE} names the concurrency limit {name!r}, and no slot of it can be had: {error}. `ifrl deploy` "
                "creates the limits of the GPU pools"
            ) from error
        log.info("got a slot of %s", name)
        yield
