"""Figures of the service, in Prometheus' text format."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """One registry a service, so that two in a process do not meet."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("ifrl_requests", "Requests answered", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "ifrl_request_seconds", "From headers to answer", ["path"], buckets=_SECONDS, registry=registry
        )
        self.queued = Gauge("ifrl_queue_pairs", "Pairs accepted and not yet answered", registry=registry)
        self.pairs = Counter("ifrl_pairs", "Pairs scored", registry=registry)
        self.unscored = Counter("ifrl_unscored_pairs", "Pairs that could not be scored", registry=registry)
        self.failures = Counter("ifrl_failed_batches", "Batches that ended in an error", registry=registry)
        self.healthy = Gauge("ifrl_healthy", "0 once the device has failed", registry=registry)
        self.healthy.set(1)
        self.batch_pairs = Histogram("ifrl_batch_pairs", "Pairs in a batch", buckets=_PAIRS, registry=registry)
        self.batch_answers = Histogram(
            "ifrl_batch_answers", "Distinct answers in a batch", buckets=_PAIRS, registry=registry
        )
        self.batch_seconds = Histogram("ifrl_batch_seconds", "Scoring of a batch", buckets=_SECONDS, registry=registry)

    def text(self) -> bytes:
        """The exposition, of type `CONTENT_TYPE`."""
        return generate_latest(self._registry)
