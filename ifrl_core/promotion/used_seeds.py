"""The seeds of a champion are used, also where its retraining was killed between making it champion and writing that down."""

import logging

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.promotion.champion import DECISION, LOOK, RUN, SEEDS, Version
from ifrl_core.seeds.ledger import has_entry, mark_used

log = logging.getLogger(__name__)


def mend_ledger(store: ArtifactStore, champion: Version) -> None:
    """Write down which seeds the champion's retraining used, by the champion's tags, when the ledger does not say."""
    run, seeds = champion.tags.get(RUN, ""), champion.tags.get(SEEDS, "")
    if not run or not seeds or has_entry(store, champion.name, run):
        return
    stage_name, _, fingerprint = seeds.partition("/")
    ref = store.find(stage_name, fingerprint)
    if ref is None:
        log.warning("%s: its seeds %s are no longer in the store; they may be used again", champion.uri, seeds)
        return
    decision, look = champion.tags.get(DECISION, ""), champion.tags.get(LOOK)
    mark_used(
        store,
        champion.name,
        ref,
        run=run,
        decision=decision,
        version=champion.version,
        look=int(look) if look else None,
    )
