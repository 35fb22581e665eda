"""What a stage is: a function from config and input refs to a committed artifact, computed at most once.

    @stage(
        "labels",
        version=1,                             # bump it when equal inputs would now give another output
        title="Pseudo-labels",
        inputs=("prompts", "rollouts"),
        config=lambda recipe: recipe.labels,   # what of a recipe it is made with
    )
    def make_labels(config: LabelsConfig, inputs: Inputs, work: Work) -> Figures: ...

    ref = make_labels(config, {"prompts": prompts, "rollouts": rollouts}, store, progress, seed=0)

The body writes files through `work.writer` and returns its figures; the decorated function finds a committed artifact by
its fingerprint, or runs the body and commits. Of two runs that want the same artifact at once, one makes it and the other
waits for it. Figures ride on the manifest, so a cache hit reports them too.
"""

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, get_type_hints

from pydantic import BaseModel

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ArtifactWriter, ShardRecord, fingerprint
from ifrl_core.artifacts.cost import measured
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.stages.provenance import Provenance, provenance_here
from ifrl_core.text.reasoning import THINK, Reasoning

log = logging.getLogger(__name__)

Inputs = Mapping[str, ArtifactRef]
Recipe = Any  # a PipelineConfig, which is composed of the stages' sections and lies above
Figures = dict[str, Any]
P = ParamSpec("P")


@dataclass(frozen=True)
class Work:
    """What a stage body works with. `scratch` is a local folder that survives a kill and goes at commit; what the body puts
    into `provenance` (number formats, arguments of a training) joins what is known of every artifact. `reasoning` is the
    format of its model's responses, for a stage that reads answers."""

    store: ArtifactStore
    writer: ArtifactWriter
    progress: Progress
    seed: int
    fingerprint: str
    scratch: Path
    reasoning: Reasoning = THINK
    provenance: Provenance = field(default_factory=dict)


Body = Callable[[Any, Inputs, Work], Figures]
BESIDE = ("seed", "reasoning")  # what a manifest's config holds beside the fields of the stage's own


@dataclass(frozen=True)
class Shards:
    """How a stage is made part by part, each by a task called `name` that a kill costs at most."""

    name: str
    count: Callable[[Any, Inputs, ArtifactStore], int]
    make: Callable[[Any, Inputs, Work, int], ShardRecord]

    def made(self, config: Any, inputs: Inputs, work: Work, named: str) -> list[ShardRecord]:
        """All of them in order, those that are there among them; `named` is how progress calls them."""
        total, records = self.count(config, inputs, work.store), []
        for index in range(total):
            records.append(self.make(config, inputs, work, index))
            work.progress(index + 1, total, named)
        return records


def _left_out(recipe: Recipe) -> None:
    """The config of a stage that only its flow can give one."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A named, versioned stage. Calling it returns the committed artifact, computing it only when there is none.

    A stage that a run goes through twice (evaluation before and after) is two, with a label, output and title each. One that
    it goes through for each of several parts of a recipe has a config a part; its labels and outputs are `answers.ifbench`.
    """

    body: Body
    name: str
    version: int
    title: str = ""  # as people read it; "": like the label
    label: str = ""  # what a run calls it; "": its name
    output: str = ""  # the input of later stages that its artifact becomes; "": like the label
    config: Callable[[Recipe], BaseModel | None] = _left_out  # of a recipe: a section, or what it points to, by content
    each: Callable[[Recipe], Mapping[str, BaseModel]] | None = None  # in the place of `config`: by part (a benchmark)
    check: Callable[[Recipe], None] | None = None  # raises ConfigError for what cannot be done here
    inputs: tuple[str, ...] | None = None  # None: all that it is given
    inputs_when: Mapping[str, Callable[[Recipe], bool]] = field(default_factory=dict)  # further ones, of some recipes
    inputs_if_given: tuple[str, ...] = ()  # further ones, which the wiring gives where they are wanted
    inputs_of_parts: tuple[str, ...] = ()  # further ones: all parts of these outputs
    # Digests, by name, of what else its output depends on: rules of constraint types, templates, data in installed code.
    content: Callable[[Any], Mapping[str, str]] | None = None
    optional: bool = False  # a recipe need not have it: then its config is None
    seeded: bool = True  # False: the recipe's seed is no part of what it makes
    reads_answers: bool = False  # of its input `model`: their reasoning format is part of what it makes
    placeable: bool = False  # another work pool may run it
    shards: Shards | None = None

    def __post_init__(self) -> None:
        label = self.label or self.name
        given = {"label": label, "output": label.replace("-", "_"), "title": label.replace("-", " ").capitalize()}
        for name, value in given.items():
            object.__setattr__(self, name, getattr(self, name) or value)

    @property
    def config_type(self) -> type[BaseModel]:
        """The type of its config, as its body's first parameter says."""
        parameter = next(iter(inspect.signature(self.body).parameters))
        declared: type[BaseModel] = get_type_hints(self.body)[parameter]
        return declared

    @property
    def always_uses_model(self) -> bool:
        return self.inputs is not None and "model" in self.inputs

    def is_in(self, labels: Collection[str]) -> bool:
        """Whether these labels name it, a part of it, or a use of it (`answers-NAME` of `answers`)."""
        named = (label.partition(".")[0] for label in labels)
        return any(label == self.label or label.startswith(f"{self.name}-") for label in named)

    def look(self, recipe: Recipe) -> dict[str, BaseModel]:
        """What `recipe` makes it with, by label; nothing: the recipe leaves it out.

        Raises:
            ConfigError: when this machine cannot do what the recipe says.
            InputError: when a file that the recipe names cannot be read.
            ModelError: when its model names nothing.
        """
        configs = self.configs(recipe)
        if configs and self.check is not None:
            self.check(recipe)
        return configs

    def configs(self, recipe: Recipe) -> dict[str, BaseModel]:
        """As `look`, whether this machine can do it or not."""
        if self.each is not None:
            return {part_of(self.label, part): config for part, config in self.each(recipe).items()}
        config = self.config(recipe)
        return {} if config is None else {self.label: config}

    def inputs_of(self, recipe: Recipe, refs: Inputs) -> dict[str, ArtifactRef]:
        """Those of `refs` that it is made of in a run of `recipe`."""
        if self.inputs is None:
            return dict(refs)
        names = [*self.inputs, *(name for name, when in self.inputs_when.items() if when(recipe))]
        names += [name for name in self.inputs_if_given if name in refs]
        parts = [name for name in refs if name.partition(".")[0] in self.inputs_of_parts and "." in name]
        return {name: refs[name] for name in (*names, *parts)}

    def fingerprint(self, config: BaseModel, inputs: Inputs, *, seed: int, reasoning: Reasoning = THINK) -> str:
        identity: dict[str, Any] = {"config": config, "seed": seed}
        if self.reads_answers and reasoning != THINK:
            identity["reasoning"] = reasoning
        if self.content is not None:
            identity["content"] = self._content(config)
        return fingerprint(self.name, self.version, identity, {name: ref.fingerprint for name, ref in inputs.items()})

    def _content(self, config: BaseModel) -> dict[str, str]:
        return dict(self.content(config)) if self.content is not None else {}

    def work(
        self,
        config: BaseModel,
        inputs: Inputs,
        store: ArtifactStore,
        progress: Progress,
        *,
        seed: int,
        reasoning: Reasoning = THINK,
    ) -> Work:
        """The work of this identity: also what a mapped shard task needs to make its part."""
        identity = self.fingerprint(config, inputs, seed=seed, reasoning=reasoning)
        document = {**config.model_dump(mode="json"), "seed": seed}
        if self.reads_answers:
            document["reasoning"] = reasoning.model_dump()
        parents = {name: f"{ref.stage}/{ref.fingerprint}" for name, ref in inputs.items()}
        writer = store.writer(self.name, self.version, identity, document, parents)
        return Work(store, writer, progress, seed, identity, store.scratch(self.name, identity), reasoning)

    def __call__(
        self,
        config: BaseModel,
        inputs: Inputs,
        store: ArtifactStore,
        progress: Progress = no_progress,
        *,
        seed: int = 0,
        reasoning: Reasoning = THINK,
    ) -> ArtifactRef:
        identity = self.fingerprint(config, inputs, seed=seed, reasoning=reasoning)
        if ref := store.find(self.name, identity):
            log.info("%s %s: from the store", self.name, identity[:12])
            return ref
        work = self.work(config, inputs, store, progress, seed=seed, reasoning=reasoning)
        with work.writer.alone():
            if ref := store.find(self.name, identity):
                log.info("%s %s: made by another run in the meantime", self.name, identity[:12])
                return ref
            with measured() as cost:
                figures = self.body(config, inputs, work)
            ref = work.writer.commit(
                figures,
                cost=cost.read(),
                content=self._content(config),
                provenance={**provenance_here(), "seed": seed, **work.provenance},
            )
            store.clear_work(self.name, identity)
            return ref


def part_of(label: str, part: str) -> str:
    """The label (or output) of a stage's part; of no part, its own."""
    return f"{label}.{part}" if part else label


def _decorator(make: Callable[Concatenate[Body, P], Stage]) -> Callable[P, Callable[[Body], Stage]]:
    def declared(*arguments: P.args, **named: P.kwargs) -> Callable[[Body], Stage]:
        return lambda body: make(body, *arguments, **named)

    return declared


stage = _decorator(Stage)  # takes what a Stage takes, save the body that it stands over
