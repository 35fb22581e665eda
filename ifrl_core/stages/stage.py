"""What a stage is: a function from config and input refs to a committed artifact, computed at most once.

    @stage("labels", version=1)                # bump the version when equal inputs would now give another output
    def make_labels(config: LabelsConfig, inputs: Inputs, work: Work) -> Figures: ...

    ref = make_labels(config, {"rollouts": rollouts}, store, progress, seed=0)

The body writes files through `work.writer` and returns its figures; the decorated function finds a committed artifact by
its fingerprint, or runs the body and commits. Of two runs that want the same artifact at once, one makes it and the other
waits for it. Figures ride on the manifest, so a cache hit reports them too.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ArtifactWriter, fingerprint
from ifrl_core.artifacts.cost import measured
from ifrl_core.stages.progress import Progress, no_progress

log = logging.getLogger(__name__)

Inputs = Mapping[str, ArtifactRef]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a stage body works with. `scratch` is a local folder that survives a kill and goes at commit."""

    store: ArtifactStore
    writer: ArtifactWriter
    progress: Progress
    seed: int
    fingerprint: str
    scratch: Path


Body = Callable[[Any, Inputs, Work], Figures]


@dataclass(frozen=True)
class Stage:
    """A named, versioned stage. Calling it returns the committed artifact, computing it only when there is none."""

    name: str
    version: int
    body: Body
    content: Callable[[Any], str] | None = None

    def fingerprint(self, config: BaseModel, inputs: Inputs, *, seed: int) -> str:
        identity = {"config": config, "seed": seed}
        if self.content is not None:
            identity["content"] = self.content(config)
        return fingerprint(self.name, self.version, identity, {name: ref.fingerprint for name, ref in inputs.items()})

    def work(self, config: BaseModel, inputs: Inputs, store: ArtifactStore, progress: Progress, *, seed: int) -> Work:
        """The work of this identity: also what a mapped shard task needs to make its part."""
        identity = self.fingerprint(config, inputs, seed=seed)
        document = {**config.model_dump(mode="json"), "seed": seed}
        parents = {name: f"{ref.stage}/{ref.fingerprint}" for name, ref in inputs.items()}
        writer = store.writer(self.name, self.version, identity, document, parents)
        return Work(store, writer, progress, seed, identity, store.scratch(self.name, identity))

    def __call__(
        self,
        config: BaseModel,
        inputs: Inputs,
        store: ArtifactStore,
        progress: Progress = no_progress,
        *,
        seed: int = 0,
    ) -> ArtifactRef:
        identity = self.fingerprint(config, inputs, seed=seed)
        if found := store.find(self.name, identity):
            log.info("%s %s: from the store", self.name, identity[:12])
            return found
        work = self.work(config, inputs, store, progress, seed=seed)
        with work.writer.alone():
            if found := store.find(self.name, identity):
                log.info("%s %s: made by another run in the meantime", self.name, identity[:12])
                return found
            with measured() as cost:
                figures = self.body(config, inputs, work)
            ref = work.writer.commit(figures, cost=cost.read())
            store.clear_work(self.name, identity)
            return ref


def stage(name: str, *, version: int, content: Callable[[Any], str] | None = None) -> Callable[[Body], Stage]:
    """Make a stage of a body. `content` gives a digest of what else the output depends on: data that installed code holds."""
    return lambda body: Stage(name, version, body, content)
