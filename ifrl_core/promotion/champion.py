"""The champion of a registered model: MLflow's alias `champion`, what is written beside it, and the way back.

Only a retraining's gate and a rollback move the alias; ordinary runs register under `registry.alias` (challenger). A version
that became champion names the one before it in a tag, so that every step can be taken back.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ifrl_core.config import CHAMPION, PipelineConfig
from ifrl_core.errors import ConfigError, TrackingError
from ifrl_core.promotion.gate import Decision
from ifrl_core.tracking.sink import is_outage, open_client

log = logging.getLogger(__name__)

DECISION, REASONS, FIGURES = "ifrl.decision", "ifrl.reasons", "ifrl.figures"
PREVIOUS, RUN, SEEDS, SPLIT = "ifrl.previous_champion", "ifrl.run", "ifrl.seeds", "ifrl.split"
DECIDED_AT, ROLLED_BACK, LOOK = "ifrl.decided_at", "ifrl.rolled_back", "ifrl.look"
PROMOTED, REFUSED = "promoted", "refused"
_TAG_CHARACTERS = 4_900  # MLflow takes 5,000


@dataclass(frozen=True)
class Version:
    """A version of a registered model. `tags`: see the names above; a policy's `fingerprint` names its artifact."""

    name: str
    version: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Rollback:
    """What a rollback changed: versions that were and are champion."""

    name: str
    was: str
    now: str


def champion(uri: str, name: str) -> Version | None:
    """The version that is champion; None when the model or the alias does not exist.

    Raises:
        TrackingError: when MLflow does not answer.
    """
    with _answering(uri):
        return _champion(open_client(uri), name)


def record_decision(
    uri: str, name: str, version: str, decision: Decision, *, previous: Version | None, run: str, seeds: str
) -> None:
    """Write a decision beside the version that it is about. `seeds`: the artifact of the seeds it was trained on."""
    figures = [{key: value for key, value in asdict(check).items() if key != "finding"} for check in decision.checks]
    tags = {
        DECISION: PROMOTED if decision.promote else REFUSED,
        REASONS: "; ".join(decision.reasons)
        or "; ".join(f"{check.metric}: {check.finding}" for check in decision.checks),
        FIGURES: json.dumps(figures),
        PREVIOUS: previous.version if previous else "",
        DECIDED_AT: _now(),
        RUN: run,
        SEEDS: seeds,
        LOOK: str(decision.look),
    }
    with _answering(uri):
        _tag(open_client(uri), name, version, tags)


def promote(uri: str, name: str, version: str, *, previous: Version | None) -> None:
    """Make `version` champion in the place of `previous`, which it was compared with.

    Raises:
        TrackingError: when another version has become champion in the meantime, or MLflow does not answer.
    """
    with _answering(uri):
        client = open_client(uri)
        current = _champion(client, name)
        now = current.version if current else None
        if now == version:
            return
        if now != (previous.version if previous else None):
            raise TrackingError(
                f"version {version} of {name} was compared with {_shown(previous)}, and by now {_shown(current)} is "
                "champion: run the retraining again"
            )
        client.set_registered_model_alias(name, CHAMPION, version)


def rollback(uri: str, name: str) -> Rollback:
    """Make the previous champion champion again; the version that was, is tagged with the time.

    Raises:
        TrackingError: when there is no champion, none before it, or MLflow does not answer.
    """
    with _answering(uri):
        client = open_client(uri)
        current = _champion(client, name)
        if current is None:
            raise TrackingError(f"{name} has no champion in {uri}, so there is nothing to roll back")
        previous = current.tags.get(PREVIOUS)
        if not previous:
            raise TrackingError(
                f"version {current.version} of {name} is champion and no retraining put it in the place of another: there is "
                "none to go back to"
            )
        _version(client, name, previous)  # it may have been deleted
        client.set_registered_model_alias(name, CHAMPION, previous)
        _tag(client, name, current.version, {ROLLED_BACK: f"{_now()} to version {previous}"})
    return Rollback(name, current.version, previous)


def split_tags(config: PipelineConfig) -> dict[str, str]:
    """How this recipe keeps seeds and problems apart that are never trained on: a tag of every registered version."""
    split = {
        "seed": config.seed,
        "held_out_share": config.seeds.held_out_share,
        "general_held_out_share": config.policy.general.held_out_share,
    }
    return {SPLIT: json.dumps(split, sort_keys=True)}


def check_split(config: PipelineConfig, champion: Version) -> None:
    """Whether what this recipe holds out was held out of the champion's training as well.

    The split goes by a hash of each text, so it is the same rule as long as the seed is; a larger share would hold out texts
    that the champion was trained on.

    Raises:
        ConfigError: naming the values to change.
    """
    tag = champion.tags.get(SPLIT)
    if tag is None:
        log.warning("%s is champion, and no tag says which seeds were held out of its training", champion.uri)
        return
    was: dict[str, Any] = json.loads(tag)
    now: dict[str, Any] = json.loads(split_tags(config)[SPLIT])
    faults = [f"seed must be {was['seed']}, not {now['seed']}"] if was["seed"] != now["seed"] else []
    for key, field in (
        ("held_out_share", "seeds.held_out_share"),
        ("general_held_out_share", "policy.general.held_out_share"),
    ):
        if now[key] > was[key]:
            faults.append(f"{field} must be at most {was[key]}, not {now[key]}")
    if faults:
        raise ConfigError(
            f"{champion.uri} is champion, and this recipe would measure it on prompts that it was trained on: "
            + "; ".join(faults)
        )


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise TrackingError(
            f"MLflow's registry at {uri} does not answer ({error}): start it, or set MLFLOW_TRACKING_URI, and run the same "
            "command again"
        ) from error


def _champion(client: MlflowClient, name: str) -> Version | None:
    try:
        version = client.get_registered_model(name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if version is None:
        return None
    return Version(name, str(version), dict(_version(client, name, str(version)).tags))


def _version(client: MlflowClient, name: str, version: str) -> ModelVersion:
    try:
        return client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise TrackingError(f"version {version} of {name} is no longer in MLflow's registry") from error
        raise


def _tag(client: MlflowClient, name: str, version: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value[:_TAG_CHARACTERS])


def _shown(version: Version | None) -> str:
    return f"version {version.version}" if version else "none"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
