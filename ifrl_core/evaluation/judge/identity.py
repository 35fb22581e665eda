"""Who judges and with what: looked at before anything starts, and what of it makes judgements anew."""

from collections.abc import Iterable

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, canonical_json
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.artifacts.files import filesystem
from ifrl_core.config import JudgeConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.evaluation.judge.ask import AGAIN
from ifrl_core.evaluation.judge.reliability import WORDINGS, recorded_replies
from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.inference import Engine
from ifrl_core.inference.open import JUDGES, check_engine, describe_engine, open_engine


def check_judge(config: JudgeConfig, *, here: bool) -> None:
    """Whether the judge of a recipe can be asked; `here`: on this machine.

    Raises:
        ConfigError: when no server is named, vLLM is not there, or the user's templates cannot be used.
        InputError: when the recorded verdicts are not CFBench's.
    """
    check_engine(config, "evaluation.judge", here=here, servers=JUDGES)
    templates(config.template)
    if config.recorded is not None:
        recorded_replies(config.recorded)


def open_judge(config: JudgeConfig, model: ArtifactRef | None, store: ArtifactStore) -> Engine:
    """The engine that answers for the judge. A question that is too long for it has no reply, and does not end the others.

    Raises:
        ConfigError: as `check_judge`.
    """
    return open_engine(config, model, store, servers=JUDGES, skip_too_long=True)


def content_of(config: JudgeConfig, names: Iterable[str]) -> dict[str, str]:
    """Digests of what judgements depend on beside config, model and answers: the templates `names` and those of asking again
    and of checks, the catalog that checks are drawn from, and the recorded verdicts."""
    known, checked = templates(config.template), WORDINGS if config.checks else ()
    content = {f"template {name}": digest for name, digest in known.digests([*names, AGAIN, *checked]).items()}
    if config.checks:
        content["checks"] = digest_of_bytes(canonical_json([drawing_of(()), rules_of(None)]).encode())
    if config.recorded is not None:
        fs, path = filesystem(config.recorded)
        content["recorded"] = digest_of_bytes(fs.cat_file(path))
        content |= {f"template {name}": digest for name, digest in known.digests(["cfbench"]).items()}
    return content


def described(config: JudgeConfig, model: ArtifactRef | None) -> dict[str, str]:
    """The judge as results name it: engine, and the digest of its weights or the name under which it is served."""
    served = {"engine": "server", "served_model": config.served_model}
    known = served if model is None else describe_engine(config, model)
    return known | ({"revision": config.revision} if config.revision else {})
