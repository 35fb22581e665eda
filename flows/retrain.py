"""Retraining: new seeds, the pipeline from the current champion, and a gate that lets only a better model be champion."""

import logging
import math
from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated, Any

from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed
from pydantic import Field

from flows import wiring
from flows.execution.open_run import open_run
from flows.execution.run import Refs, Run
from flows.pipeline import Config, Overrides, Recipe, choose_config, ifrl_flow, publish_report
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.errors import ConfigError, TrackingError
from ifrl_core.instructions.types import drawn_kinds
from ifrl_core.models.stage import import_model
from ifrl_core.plan.disk import training_disk_bytes, training_disk_bytes_from
from ifrl_core.promotion import champion as registry
from ifrl_core.promotion import gate as promotion
from ifrl_core.promotion.champion import Version
from ifrl_core.promotion.gate import Decision
from ifrl_core.promotion.power import gate_power, guard_line, problems_asked
from ifrl_core.promotion.used_seeds import mend_ledger
from ifrl_core.report.stage import report_config, write_report
from ifrl_core.seeds import fresh, ledger
from ifrl_core.seeds.fresh import FreshSeeds
from ifrl_core.seeds.stage import make_seeds, seeds_source
from ifrl_core.settings import tracking_uri
from ifrl_core.stages.registry import look
from ifrl_core.tracking.tracker import PENDING
from tasks.secrets import load_secrets
from tasks.stages import open_store
from tasks.telling import best_effort

log = logging.getLogger("ifrl_core.retrain")

NewSeeds = Annotated[
    str, Field(description="Folder, s3:// or hf:// prefix, or file of seeds; what was used before is left out")
]


@ifrl_flow("retrain")
def retrain(
    recipe: Recipe = "demo-cpu",
    overrides: Overrides = [],  # noqa: B006
    new_seeds: NewSeeds = "",
    config: Config = None,
) -> State[dict[str, Any]]:
    """New seeds -> the pipeline from the champion -> champion against challenger -> the alias moves or stays, and why."""
    chosen = choose_config(recipe, overrides, config)
    if "hard" not in drawn_kinds(chosen):
        raise ConfigError(
            "a retraining is decided by hard constraints, and this recipe draws none: raise instructions.hard_share, or name "
            "types that a rule can check (`ifrl constraints --kind hard`)"
        )
    load_secrets()
    store, uri, name = open_store(), tracking_uri(), chosen.registry.policy_name
    champion = registry.champion(uri, name)
    if champion is not None:
        registry.check_split(chosen, champion)
        mend_ledger(store, champion)
    had = ledger.used_ids(store, name)
    used = ledger.used_ids(store, name, refused=not chosen.retrain.reuse_refused)
    fresh_seeds = fresh.find_fresh_seeds(new_seeds, seeds_source(chosen.seeds), used, seed=chosen.seed)
    if why := _too_few(fresh_seeds, had, chosen.retrain.min_new_seeds):
        return _ended(
            {"run": None, "decision": "none", "said": why, "champion": champion.version if champion else None}
        )
    start = _champion_artifact(champion, store)
    chosen = _measuring_guards(chosen, champion)
    plan = look(chosen, without=(make_seeds, import_model) if start else (make_seeds,))
    need = training_disk_bytes_from(start, store) if start else training_disk_bytes(plan)
    with open_run("retrain", chosen, {**plan, make_seeds.label: fresh_seeds.source}, need_bytes=need) as run:
        refs = _train(run, start)
        number = ledger.next_look(store, name, refs["seeds"], refs["comparison"])
        decision = promotion.decide(store.manifest(refs["comparison"]).figures, chosen.retrain, number)
        version = _register(run, refs, decision)
        _carry_out(run, refs, decision, version, champion)
        sentence = _in_words(decision, version, champion)
        _publish(run.name, decision, sentence, version, champion)
    return _ended(
        {
            "run": run.name,
            "decision": registry.PROMOTED if decision.promote else registry.REFUSED,
            "said": sentence,
            "version": version.version,
            "look": decision.look,
            "champion": version.version if decision.promote else champion.version if champion else None,
            "report": refs["report"].model_dump(),
        }
    )


def _too_few(fresh_seeds: FreshSeeds, had: Collection[str], fewest: int) -> str:
    """Why nothing is done; empty when there are seeds enough. `had`: ids of those that a retraining had, refused ones
    included: trained again alone they would only give the same answer."""
    count = sum(seed.seed_id not in had for seed in fresh_seeds.seeds)
    if count == 0:
        waiting = len(fresh_seeds.seeds)
        wait = f"; {waiting} of them, of refused challengers, wait for others" if waiting else ""
        used = f"all of {fresh_seeds.read} were used before or are the recipe's own"
        return f"no new seeds: {used}{wait}" if fresh_seeds.read else "no new seeds"
    if count < fewest:
        return f"too few new seeds: {count} of {fresh_seeds.read} are new, and retrain.min_new_seeds is {fewest}"
    if fresh_seeds.train < 2:
        found = len(fresh_seeds.seeds)
        return f"too few new seeds: {fresh_seeds.train} of {found} are not held out, and training needs at least 2"
    return ""


def _champion_artifact(champion: Version | None, store: ArtifactStore) -> ArtifactRef | None:
    """The champion as the artifact that it was registered from, when this store has it."""
    return store.find("policy", champion.tags.get("fingerprint", "")) if champion else None


def _measuring_guards(config: PipelineConfig, champion: Version | None) -> PipelineConfig:
    """The recipe, started from the champion, with general problems to ask when their guard is on."""
    prompts = config.evaluation.general_prompts
    if config.retrain.accuracy_margin is not None:
        prompts = problems_asked(config)
    evaluation = config.evaluation.model_copy(update={"general_prompts": prompts})
    model = champion.uri if champion else config.model
    return config.model_copy(update={"evaluation": evaluation, "model": model})


def _train(run: Run, start: ArtifactRef | None) -> Refs:
    """The pipeline on the new seeds: a challenger, and its comparison with what it started from."""
    refs = run.stage(fresh.make_retrain_seeds, {})
    if start is not None:
        fresh.check_held_out(run.store, refs["seeds"], start)
    for guard in gate_power(run.config, run.store.manifest(refs["seeds"]).figures["held_out"]):
        if guard.margin is not None and guard.units < (guard.needed or math.inf):
            log.warning("%s", guard_line(guard))
    refs |= run.take(import_model, start) if start else run.stage(import_model, {})
    refs = wiring.label_seeds(run, refs)
    return wiring.evaluate(run, wiring.train(run, refs))


def _register(run: Run, refs: Refs, decision: Decision) -> Version:
    """The challenger in MLflow, and the report of the run with what was decided."""
    versions = wiring.register(run, refs)
    name = run.config.registry.policy_name
    version = next(item["version"] for item in versions if item["name"] == name)
    if version == PENDING:
        raise TrackingError(
            f"MLflow at {run.tracker.run.uri} did not take the challenger, so nothing was decided and the new seeds count as "
            "unused: run the retraining again when it answers; what was trained is in the store"
        )
    run.plan = {**run.plan, write_report.label: report_config(run.config, decision.shown())}
    refs |= wiring.report(run, refs)
    publish_report(run, versions)
    return Version(name, version, {})


def _carry_out(run: Run, refs: Refs, decision: Decision, version: Version, champion: Version | None) -> None:
    """Tags first, then the alias, then the used seeds: killed in between, the next retraining does or mends the rest."""
    uri, seeds = run.tracker.run.uri, refs["seeds"]
    registry.record_decision(
        uri,
        version.name,
        version.version,
        decision,
        previous=champion,
        run=run.name,
        seeds=f"{seeds.stage}/{seeds.fingerprint}",
    )
    if decision.promote:
        registry.promote(uri, version.name, version.version, previous=champion)
    outcome = registry.PROMOTED if decision.promote else registry.REFUSED
    ledger.mark_used(
        run.store,
        version.name,
        seeds,
        run=run.name,
        decision=outcome,
        version=version.version,
        comparison=refs["comparison"].fingerprint,
        look=decision.look,
    )


def _in_words(decision: Decision, version: Version, champion: Version | None) -> str:
    against = (
        f"version {champion.version}, the champion" if champion else "the recipe's model, as there was no champion"
    )
    if decision.promote:
        became = f"promoted: version {version.version} of {version.name} is champion; it was compared with {against}"
        return f"{became} {promotion.level_of(decision.look)}"
    reasons = "; ".join(decision.reasons)
    if decision.inconclusive:
        reasons += "; nothing got worse for sure, too little was asked to tell"
    return f"refused: version {version.version} of {version.name} was compared with {against}: {reasons}"


def _publish(run: str, decision: Decision, sentence: str, version: Version, champion: Version | None) -> None:
    """The decision as a table in Prefect, and as an event that automations can listen to."""
    with best_effort("the decision"):
        create_table_artifact(_rows(decision), key="ifrl-promotion", description=f"{run}: {sentence}")
    emit_event(
        "ifrl.promotion" if decision.promote else "ifrl.promotion-refused",
        resource={"prefect.resource.id": f"ifrl.model.{version.name}", "prefect.resource.name": version.name},
        payload={
            "run": run,
            "said": sentence,
            "model": version.name,
            "version": version.version,
            "previous_champion": champion.version if champion else None,
            "look": decision.look,
            "reasons": list(decision.reasons),
            "checks": [asdict(check) for check in decision.checks],
        },
    )


def _rows(decision: Decision) -> list[dict[str, Any]]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    return [
        {
            "metric": check.metric,
            "passed": {"passed": "yes", "inconclusive": "inconclusive"}.get(check.outcome, "no"),
            "champion": shown(check.champion),
            "challenger": shown(check.challenger),
            "difference": shown(check.difference),
            "interval": f"[{shown(check.low)}, {shown(check.high)}]",
            "an end is wrong by chance": f"{100 * check.error:.2g} %",
            "margin": shown(check.margin),
            "needs": "–" if check.needed is None else str(check.needed),
            "in words": check.finding,
        }
        for check in decision.checks
    ]


def _ended(result: dict[str, Any]) -> State[dict[str, Any]]:
    return Completed(message=result["said"], data=result)
