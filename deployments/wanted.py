"""What `ifrl deploy` wants on a Prefect server, read from server.yaml (pools, slots, automations) and prefect.yaml."""

import importlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ifrl_core.config.names import PrefectName
from ifrl_core.config.recipes import build_config, load_recipe, shipped_recipes
from ifrl_core.errors import ConfigError

HERE = Path(__file__).parent
SERVER_FILE = HERE / "server.yaml"
DEPLOYMENT_FILE = HERE / "prefect.yaml"

Document = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pool(_Section):
    """A work pool; with `slots`, a global concurrency limit of its name as well."""

    name: PrefectName
    type: str
    description: str
    slots: int | None = Field(None, ge=1)
    template: str | None = None  # a file beside server.yaml; None: what Prefect ships for the type

    def job_template(self) -> Document:
        if self.template is None:
            return ProcessWorker.get_default_base_job_template()
        template: Document = json.loads((HERE / self.template).read_text(encoding="utf-8"))
        return template


class ServerFile(_Section):
    """server.yaml. An automation is in Prefect's form, save that an action may name a block (`block`) instead of its id."""

    pools: tuple[Pool, ...]
    automations: tuple[Document, ...]


class Schedule(_Section):
    slug: PrefectName
    cron: str
    timezone: str = "UTC"
    active: bool = True
    parameters: Document = {}

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        """Prefect's own rules for cron lines and time zones, before anything is created on the server."""
        try:
            CronSchedule(cron=self.cron, timezone=self.timezone)
        except ValidationError as error:
            raise ValueError("; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors())) from None
        return self

    def to_create(self, *, active: bool) -> DeploymentScheduleCreate:
        cron = CronSchedule(cron=self.cron, timezone=self.timezone)
        return DeploymentScheduleCreate(schedule=cron, slug=self.slug, active=active, parameters=self.parameters)


class WorkPool(_Section):
    name: PrefectName
    work_queue_name: PrefectName = "default"
    job_variables: Document = {}


class Concurrency(_Section):
    """How many runs at once, and what happens to one more: it waits (ENQUEUE) or is cancelled (CANCEL_NEW)."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]

    def options(self) -> ConcurrencyOptions:
        return ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy(self.collision_strategy))


class Entry(_Section):
    """One deployment of prefect.yaml."""

    name: PrefectName
    entrypoint: str = Field(pattern=r"^[\w/]+\.py:\w+$")
    description: str
    tags: tuple[str, ...] = ()
    parameters: Document = {}
    work_pool: WorkPool
    concurrency_limit: Concurrency | None = None
    schedules: tuple[Schedule, ...] = ()

    @property
    def module(self) -> str:
        return self.entrypoint.partition(".py:")[0].replace("/", ".")

    def is_there(self) -> bool:
        """Whether the file of the flow is part of this installation."""
        return find_spec(self.module) is not None

    def flow(self) -> Flow[..., Any]:
        flow = getattr(importlib.import_module(self.module), self.entrypoint.partition(":")[2], None)
        if not isinstance(flow, Flow):
            raise ConfigError(f"deployment {self.name}: {self.entrypoint} is no flow")
        return flow

    def check(self) -> None:
        """Whether the flow takes the parameters, of the deployment and of its schedules, and a recipe of theirs can be run.

        Raises:
            ConfigError: naming the deployment, the parameter or the recipe's key, and what is expected.
        """
        known = self.parameter_schema()["properties"]
        for given in (self.parameters, *(self.parameters | schedule.parameters for schedule in self.schedules)):
            if unknown := sorted(set(given) - set(known)):
                raise ConfigError(
                    f"deployment {self.name}: its flow takes no {', '.join(unknown)}; its parameters are {', '.join(known)}"
                )
            try:
                if given.get("config"):
                    build_config(given["config"], given.get("overrides", ()))
                elif given.get("recipe") in shipped_recipes():  # others lie on the worker's machine
                    load_recipe(given["recipe"], given.get("overrides", ()))
            except ConfigError as error:
                raise ConfigError(f"deployment {self.name}: {error}") from None

    def parameter_schema(self) -> Document:
        """The form in the UI and what parameters are checked against, as JSON keeps it."""
        schema: Document = json.loads(json.dumps(parameter_schema(self.flow()).model_dump_for_openapi()))
        return schema


class DeploymentFile(_Section):
    """prefect.yaml, in the part of Prefect's format that ifrl uses."""

    prefect_version: str = Field(alias="prefect-version")
    name: str
    pull: tuple[Document, ...] = Field(min_length=1)  # without it, the deployer's own folder would be stored
    definitions: Document = {}  # YAML anchors
    deployments: tuple[Entry, ...]


@cache
def server_file() -> ServerFile:
    return _read(SERVER_FILE, ServerFile)


def deployment_file(path: Path = DEPLOYMENT_FILE) -> DeploymentFile:
    """Read a deployment file.

    Raises:
        ConfigError: naming the file and each wrong key or value.
    """
    return _read(path, DeploymentFile)


def blocks_of(automation: Document) -> set[str]:
    """Names of the blocks that its actions use."""
    return {action["block"] for action in automation["actions"] if "block" in action}


def automation_with(automation: Document, block_ids: Mapping[str, str]) -> AutomationCore:
    """Prefect's form of an automation, with the ids of its blocks."""
    actions = []
    for action in automation["actions"]:
        plain = {key: value for key, value in action.items() if key != "block"}
        actions.append(plain | ({"block_document_id": block_ids[action["block"]]} if "block" in action else {}))
    return AutomationCore.model_validate({**automation, "actions": actions})


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise ConfigError(f"{path} is not valid:\n" + "\n".join(lines)) from error
