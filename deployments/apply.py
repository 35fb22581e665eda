"""Make a Prefect server hold what ifrl wants there: look at each object, and create or update only what differs.

What people switch and tune on the server stays as they left it: whether a pool is paused, an automation or a schedule is on,
how many slots there are, and the default values of a pool's job variables.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from deployments.wanted import (
    DeploymentFile,
    Document,
    Entry,
    Pool,
    ServerFile,
    automation_with,
    blocks_of,
)
from ifrl_core.errors import ConfigError

WEBHOOK = "ifrl-notifications"
WEBHOOK_VARIABLE = "IFRL_WEBHOOK_URL"
_UNKNOWN = "00000000-0000-0000-0000-000000000000"  # of a block that a dry run does not create

Action = Literal["create", "update", "unchanged", "left out"]


@dataclass(frozen=True)
class Change:
    """What became, or in a dry run would become, of one object. `about` names fields or a reason, never a value."""

    kind: Literal["work pool", "slots", "block", "automation", "deployment"]
    name: str
    action: Action
    about: str = ""


def apply(
    client: SyncPrefectClient,
    server: ServerFile,
    deployments: DeploymentFile,
    *,
    slots: Mapping[str, int],
    dry_run: bool,
) -> Iterator[Change]:
    """Bring the server to what the files say, yielding each object's change as it happens; `slots` by pool goes before them.

    Raises:
        ConfigError: when `slots` names no GPU pool, a deployment's parameters cannot be right, or a pool of another type has
            the name of one of ours.
    """
    if unknown := set(slots) - {pool.name for pool in server.pools if pool.slots}:
        allowed = ", ".join(pool.name for pool in server.pools if pool.slots)
        raise ConfigError(f"no slots are kept for {', '.join(sorted(unknown))}; pools that have some: {allowed}")
    for entry in deployments.deployments:
        if entry.is_there():
            entry.check()
    for pool in server.pools:
        yield _pool(client, pool, dry_run)
    for pool in server.pools:
        if pool.slots is not None:
            yield _slots(client, pool.name, slots.get(pool.name), pool.slots, dry_run)
    block, block_ids = _webhook(client, dry_run)
    yield block
    for automation in server.automations:
        yield _automation(client, automation, block_ids, dry_run)
    for entry in deployments.deployments:
        yield _deployment(client, entry, list(deployments.pull), dry_run)


def _pool(client: SyncPrefectClient, pool: Pool, dry_run: bool) -> Change:
    template = pool.job_template()
    try:
        current = client.read_work_pool(pool.name)
    except ObjectNotFound:
        if not dry_run:
            client.create_work_pool(
                WorkPoolCreate(name=pool.name, type=pool.type, description=pool.description, base_job_template=template)
            )
        return Change("work pool", pool.name, "create", pool.type)
    if current.type != pool.type:
        raise ConfigError(
            f"the server's work pool {pool.name} is of type {current.type}, and ifrl needs type {pool.type}: delete the "
            "former"
        )
    # A pool without a template of ours keeps its own.
    wanted = _with_defaults_of(current.base_job_template, template) if pool.template else current.base_job_template
    differs = _differences(
        {"description": pool.description, "base_job_template": wanted},
        {"description": current.description, "base_job_template": current.base_job_template},
    )
    if differs and not dry_run:
        client.update_work_pool(pool.name, WorkPoolUpdate(description=pool.description, base_job_template=wanted))
    return _change("work pool", pool.name, differs)


def _slots(client: SyncPrefectClient, name: str, wished: int | None, initial: int, dry_run: bool) -> Change:
    try:
        current = client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        limit = wished or initial
        if not dry_run:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=limit))
        return Change("slots", name, "create", str(limit))
    if wished is None or wished == current.limit:
        return Change("slots", name, "unchanged", str(current.limit))
    if not dry_run:
        client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=wished))
    return Change("slots", name, "update", f"{current.limit} to {wished}")


def _webhook(client: SyncPrefectClient, dry_run: bool) -> tuple[Change, dict[str, str]]:
    """The webhook's block, and block ids by name: none where there is no webhook."""
    url = os.environ.get(WEBHOOK_VARIABLE)
    try:
        document = client.read_block_document_by_name(WEBHOOK, Webhook.get_block_type_slug(), include_secrets=True)
    except ObjectNotFound:
        if not url:
            return Change("block", WEBHOOK, "left out", f"{WEBHOOK_VARIABLE} is not set"), {}
        block_id = _UNKNOWN if dry_run else _save_webhook(url)
        return Change("block", WEBHOOK, "create"), {WEBHOOK: block_id}
    ids = {WEBHOOK: str(document.id)}
    if not url or document.data.get("url") == url:
        return Change("block", WEBHOOK, "unchanged"), ids
    if not dry_run:
        _save_webhook(url)
    return Change("block", WEBHOOK, "update", "url"), ids


def _save_webhook(url: str) -> str:
    return str(Webhook(url=SecretStr(url)).save(WEBHOOK, overwrite=True, _sync=True))  # type: ignore[call-arg]


def _automation(client: SyncPrefectClient, automation: Document, block_ids: Mapping[str, str], dry_run: bool) -> Change:
    name = str(automation["name"])
    if missing := blocks_of(automation) - set(block_ids):
        return Change("automation", name, "left out", f"there is no block {', '.join(sorted(missing))}")
    wanted = automation_with(automation, block_ids)
    automations = client.read_automations_by_name(name)
    if not automations:
        if not dry_run:
            client.create_automation(wanted)
        return Change("automation", name, "create")
    current = AutomationCore.model_validate(automations[0].model_dump())
    wanted = wanted.model_copy(update={"enabled": current.enabled})
    differs = _differences(wanted.model_dump(), current.model_dump())
    if differs and not dry_run:
        client.update_automation(automations[0].id, wanted)
    return _change("automation", name, differs)


def _deployment(client: SyncPrefectClient, entry: Entry, pull: list[Document], dry_run: bool) -> Change:
    if not entry.is_there():
        return Change("deployment", entry.name, "left out", f"{entry.entrypoint} is not part of this installation")
    flow = entry.flow()
    name = f"{flow.name}/{entry.name}"
    limit = entry.concurrency_limit
    wanted: Document = {
        "description": entry.description,
        "tags": sorted(entry.tags),
        "parameters": entry.parameters,
        "entrypoint": entry.entrypoint,
        "work_pool_name": entry.work_pool.name,
        "work_queue_name": entry.work_pool.work_queue_name,
        "job_variables": entry.work_pool.job_variables,
        "concurrency_limit": limit.limit if limit else None,
        "concurrency_options": limit.options() if limit else None,
        "parameter_openapi_schema": entry.parameter_schema(),
        "enforce_parameter_schema": True,
        "pull_steps": pull,
    }
    try:
        current = client.read_deployment_by_name(name)
    except ObjectNotFound:
        current = None
    switched = {schedule.slug: schedule.active for schedule in current.schedules} if current else {}
    schedules = [
        schedule.to_create(active=switched.get(schedule.slug, schedule.active)) for schedule in entry.schedules
    ]
    differs: list[str] = []
    if current is not None:
        differs = _differences(wanted, _compared(current))
        if _schedule_forms(schedules) != _schedule_forms(current.schedules):
            differs.append("schedules")
    if not dry_run and (current is None or differs):
        flow_id = client.create_flow_from_name(flow.name)
        client.create_deployment(flow_id=flow_id, name=entry.name, schedules=schedules, **wanted)
    return Change("deployment", name, "create") if current is None else _change("deployment", name, differs)


def _compared(current: DeploymentResponse) -> Document:
    limit = current.global_concurrency_limit
    return {
        "description": current.description,
        "tags": sorted(current.tags),
        "parameters": current.parameters,
        "entrypoint": current.entrypoint,
        "work_pool_name": current.work_pool_name,
        "work_queue_name": current.work_queue_name,
        "job_variables": current.job_variables,
        "concurrency_limit": limit.limit if limit else None,
        "concurrency_options": current.concurrency_options,
        "parameter_openapi_schema": current.parameter_openapi_schema,
        "enforce_parameter_schema": current.enforce_parameter_schema,
        "pull_steps": current.pull_steps,
    }


def _schedule_forms(schedules: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What of schedules, wanted or current, can be compared."""
    return sorted(
        (str(item.slug), str(item.schedule.cron), str(item.schedule.timezone), item.active, str(item.parameters))
        for item in schedules
    )


def _with_defaults_of(current: Mapping[str, Any], template: Document) -> Document:
    """The template with the default values of job variables that the server has."""
    chosen = current.get("variables", {}).get("properties", {})
    variables = template["variables"]
    properties = {
        name: {**about, "default": chosen[name]["default"]} if "default" in chosen.get(name, {}) else about
        for name, about in variables["properties"].items()
    }
    return {**template, "variables": {**variables, "properties": properties}}


def _differences(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if value != current[name]]


def _change(kind: Any, name: str, differs: Sequence[str]) -> Change:
    return Change(kind, name, "update" if differs else "unchanged", ", ".join(differs))
