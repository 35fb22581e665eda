"""The stage `scores`: P(satisfied) of the rows of a file by a reward model, shard by shard."""

import importlib.util
import threading
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactStore, ShardRecord
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import Dtype, StageConfig
from ifrl_core.errors import ConfigError
from ifrl_core.inference.local import give_memory_back
from ifrl_core.inference.open import NO_VLLM
from ifrl_core.models.folder import local_folder, model_folder
from ifrl_core.models.looks.folder import look_at_reward_model
from ifrl_core.models.stage import ModelSource, model_source
from ifrl_core.records import Row
from ifrl_core.reward_model.model.files import MODEL_SAYS_NO, WINDOW_ROWS, reward_model_folder
from ifrl_core.reward_model.model.scorer import OfAnswers, Scorer
from ifrl_core.reward_model.open import ScoringEngine, open_scorer
from ifrl_core.stages.provenance import device
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage
from ifrl_core.text.reasoning import THINK, Reasoning

SCORES = pa.schema([("probability", pa.float64()), ("unscored", pa.string())])

_one_at_a_time = threading.Lock()  # a model uses every core or GPU already; a client asks all services at once


class ScoresConfig(StageConfig):
    """What scores, what it computes in (none: what the processor computes well in), and how responses hold their answers."""

    engine: ScoringEngine = "transformers"
    dtype: Dtype | None = None
    reasoning: Reasoning = THINK


def scorer_source(uri: str) -> ModelSource:
    """Name a reward model by content; `uri` as `ifrl score` takes it.

    Raises:
        ModelError: when it names none.
    """
    inner = reward_model_folder(uri) != local_folder(uri)  # an artifact's folder has the model's below it
    place = str(Path(uri).resolve()) if Path(uri).is_dir() else uri
    named = f"{place.rstrip('/')}/model" if inner else place
    return model_source(named, look=lambda folder: look_at_reward_model(folder, uri))


def check_scoring(config: ScoresConfig, folder: Path, *, here: bool) -> None:
    """Whether the reward model of `folder` can be asked; `here`: on this machine, where its packages count.

    Raises:
        ConfigError: when vLLM is to score and is not installed, or a service is and none is named or serves another model.
        InferenceError: when a service does not answer.
    """
    if config.engine == "server":
        if config.dtype is not None:
            raise ConfigError(f"dtype {config.dtype} is for a model that is loaded here: give it to `ifrl serve`")
        open_scorer(folder, "server")
    elif config.engine == "vllm" and here and importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"engine vllm: {NO_VLLM}")


def shard_count(config: ScoresConfig, inputs: Inputs, store: ArtifactStore) -> int:
    return len(store.manifest(inputs["pairs"]).shards)


def make_score_shard(config: ScoresConfig, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """Shard `index`: found if another run committed it, else scored and committed."""
    name = work.store.manifest(inputs["pairs"]).shards[index].name
    return work.writer.once(name, lambda: _score_shard(config, inputs, work, name))


SHARDS = Shards("scores-shard", shard_count, make_score_shard)


@stage(
    "scores",
    version=1,
    inputs=("pairs", "model"),
    optional=True,
    seeded=False,
    placeable=True,
    shards=SHARDS,
)
def make_scores(config: ScoresConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: pairs, model (a reward model). Gathers the shards, making those that are not there yet; columns: SCORES, a row
    for each of the pairs."""
    records = SHARDS.made(config, inputs, work, "shards of scores")
    unscored, rows = Counter[str](), sum(record.rows for record in records)
    for record in records:
        unscored.update(work.writer.read_table(record.name)["unscored"].drop_null().to_pylist())
    _opened.cache_clear()
    give_memory_back()
    return {"rows": rows, "scored": rows - unscored.total(), "unscored": dict(unscored.most_common())}


def _score_shard(config: ScoresConfig, inputs: Inputs, work: Work, name: str) -> ShardRecord:
    meter = CostMeter()
    pairs = work.store.read_table(inputs["pairs"], name)
    rows: list[Row] = []
    for start in range(0, pairs.num_rows, WINDOW_ROWS):
        rows += _scored(pairs.slice(start, WINDOW_ROWS).to_pylist(), config, inputs, work.store)
        work.progress(len(rows), pairs.num_rows, "rows scored")
    table = pa.Table.from_pylist(rows, schema=SCORES)
    made_with = {"engine": config.engine, "model_digest": inputs["model"].digest, **device()}
    return work.writer.write_table(name, table, cost=meter.stop(), made_with=made_with)


def _scored(pairs: list[Row], config: ScoresConfig, inputs: Inputs, store: ArtifactStore) -> list[Row]:
    asked = [(row["response"], row["constraint"]) for row in pairs if row["unscored"] is None]
    with _one_at_a_time:
        scorer = OfAnswers(_opened(model_folder(inputs["model"], store), config), config.reasoning)
        found = iter(scorer.probabilities(asked))
    rows: list[Row] = []
    for row in pairs:
        probability = None if row["unscored"] is not None else next(found)
        missed = MODEL_SAYS_NO if probability is None else None
        rows.append({"probability": probability, "unscored": row["unscored"] or missed})
    return rows


@lru_cache(maxsize=1)
def _opened(folder: Path, config: ScoresConfig) -> Scorer:
    """Loaded once for all shards of a process."""
    return open_scorer(folder, config.engine, dtype=config.dtype)
