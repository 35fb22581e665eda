"""Do other prompts than the rungs of a ladder make better labels? Rules hidden, screened as by rules_hidden_probe.py.

    python benchmarks/rules_hidden_prompts.py reward-model-cpu --every 3 [--set OVERRIDE ...]

Every constraint c of a ladder is asked for in two more ways, one answer each:

without   the full prompt less c (leave one out): negative for c, positive for the others, and as long whichever is left out
stressed  the full prompt with c once more at its end: positive for c

Lines say which of these answers and of those of the rungs are trained on; graded are the answers of the rungs. The last
column: what is gained within types over all rungs, paired, with its 95% interval over ladders (the mean score of all draws of
folds). Answers, features and likelihood contrasts are kept in the store (IFRL_ROOT): 4 minutes a way for 110 ladders.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from reward_model_ablation import make_dataset
from rules_hidden_probe import SEEDS, Data, Training, Values, asked, contrasts_of, crossed, data_of, line, loaded
from scipy.stats import rankdata

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import load_recipe
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.likelihood import Asked, Likelihood
from ifrl_core.inference.open import open_engine
from ifrl_core.instructions.ladder import rungs
from ifrl_core.labels.contrasts import Rung, ladders
from ifrl_core.models.folder import model_folder
from ifrl_core.records import Constraint, Instruction, Message, Row, constraint_of, conversation_of
from ifrl_core.settings import store_root
from ifrl_core.statistics.intervals import jackknife
from ifrl_core.statistics.noisy_labels import Clusters, excess

WAYS = ("without", "stressed")
STRESS = "Most important of all: "
HEAD = ("labels", "right: positives, negatives", "pairs", "within types", "of one rung", "pooled", "held out", "gain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--every", type=int, default=1, help="Every so manieth ladder alone")
    parser.add_argument("--make", choices=WAYS, help="Make the answers of one way, and screen nothing")
    parser.add_argument("--set", nargs="*", default=[], metavar="OVERRIDE")
    arguments = parser.parse_args()
    store, config = (
        ArtifactStore(store_root()),
        load_recipe(arguments.recipe, ["labels.contradicted=keep", *arguments.set]),
    )
    made = make_dataset(config, store)
    if arguments.make:
        rows_of(arguments.make, config, made, store, arguments.every)
        return
    data = with_others(config, made, store, arguments.every)
    hard = (data.how == "own") & (data.verdict >= 0)
    print(f"{len(set(data.instruction))} ladders, {hard.sum()} hard pairs\n\n| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    base = learnt(data, data.how == "own", hard)
    for name, chosen in options(data).items():
        gain = jackknife_of(learnt(data, chosen, hard) - base)
        print(f"| {name} | {line(data, Training(chosen), hard)} | {gain} |", flush=True)


def options(data: Data) -> dict[str, Values]:
    own, without, stressed = (data.how == how for how in ("own", *WAYS))
    top = own & (data.rung == data.rung[own].max())
    below = own & (data.rung == data.rung[own].max() - 1)  # without the last constraint
    left_out, negatives = without | below, data.label == 0
    ways = {
        "all rungs": own,
        "leave one out": top | left_out,
        "leave one out, without the full prompt": left_out,
        "all rungs and leave one out": own | left_out,
        "stressed against leave one out": stressed | (left_out & negatives),
        "stressed against the rungs below": stressed | (own & negatives),
        "all rungs and stressed": own | stressed,
        "all rungs, leave one out and stressed": own | left_out | stressed,
    }
    likely = agreed(data, 0.7)
    return ways | {f"{name}; unlikely 0.7 left out": chosen & likely for name, chosen in ways.items()}


def agreed(data: Data, share: float) -> Values:
    """Positives whose likelihood contrast lies above this share of the answers to their type, negatives below as much."""
    place = np.zeros(len(data.label))
    for name in set(data.type.tolist()):
        mine = data.type == name
        place[mine] = (rankdata(data.likelihood[mine]) - 0.5) / mine.sum()
    kept: Values = np.where(data.label == 1, place >= share, place <= 1 - share)
    return kept


def learnt(data: Data, chosen: Values, hard: Values) -> Values:
    """(ladders + 1,): AUC within types less 1/2, without each ladder and as a whole (last)."""
    score = np.mean([crossed(data, chosen, "bce", seed) for seed in SEEDS], axis=0)[hard]
    clusters = Clusters.of(data.instruction[hard].tolist())
    return excess(score, data.verdict[hard], clusters, data.type[hard].tolist())


def jackknife_of(gain: Values) -> str:
    found = jackknife(float(gain[-1]), gain[:-1], reach=1.0).interval()
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def with_others(config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, every: int) -> Data:
    """Answers of the rungs with the constraints of their ladders, and those to the other prompts."""
    loaded(made, store, every)
    kept = pq.read_table(f"{store_root()}/probe-{made['rollouts'].fingerprint[:16]}-{every}.parquet").to_pylist()
    own = [row for row in kept if row["how"] == "own"]
    others = [row for way in WAYS for row in rows_of(way, config, made, store, every)]
    contrasts = contrasts_of(made, store, own, every, among=False)
    likelihood = np.append(contrasts, [row["likelihood"] for row in others])
    data = data_of([*own, *others], likelihood, np.zeros(len(likelihood)), model_folder(made["model"], store))
    asked_for = np.array([row["asked for"] for row in others], dtype=int)
    return data._replace(label=np.append(data.label[: len(own)], asked_for))


def rows_of(
    way: str, config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore, every: int
) -> list[Row]:
    kept = Path(f"{store_root()}/{way}-{made['rollouts'].fingerprint[:16]}-{every}.parquet")
    if not kept.exists():
        chosen = list(ladders(made["prompts"], made["rollouts"], store))[::every]
        rows, folder = list(answered(way, chosen, config, made, store)), model_folder(made["model"], store)
        contrasts = Likelihood(folder).contrasts([asking(row.pop("ladder"), row["level"], row) for row in rows])
        for row, states, odds, contrast in zip(rows, *asked(folder, rows), contrasts, strict=True):
            row |= {"states": states, "odds": odds, "likelihood": contrast or 0.0}
        pq.write_table(pa.Table.from_pylist(rows), kept)
    return pq.read_table(kept).to_pylist()


def answered(
    way: str, chosen: Sequence[list[Rung]], config: PipelineConfig, made: dict[str, ArtifactRef], store: ArtifactStore
) -> Iterator[Row]:
    """Rows as `pairs_of` makes them, with their ladder, and whether the prompt asked for the constraint."""
    asks = [
        (ladder, level) for ladder in chosen for level in levels(ladder) if way == "stressed" or level < len(ladder) - 1
    ]
    requests = [
        Request(prompt_of(way, ladder, level), request_seed(config.seed, f"{name_of(ladder)}-{way}-{level}", 0))
        for ladder, level in asks
    ]
    settings = Sampling(config.rollouts.max_tokens, config.rollouts.temperature, config.rollouts.top_p)
    engine = open_engine(config.rollouts, made["model"], store)
    for (ladder, asked_level), completion in zip(asks, engine.generate(requests, settings), strict=True):
        for level in [asked_level] if way == "stressed" else levels(ladder):
            constraint = constraints_of(ladder)[level - 1]
            [verdict] = verdicts_in(conversation_of(ladder[0][0]), [constraint], completion.text, "")
            if completion.text.strip():
                yield {
                    "rollout_id": f"{name_of(ladder)}-{way}-{asked_level}",
                    "instruction": name_of(ladder),
                    "response": completion.text,
                    "text": constraint.text,
                    "type": constraint.type,
                    "how": way,
                    "level": level,
                    "rung": len(ladder) - 1,
                    "verdict": -1 if verdict is None else int(verdict),
                    "asked for": int(way == "stressed" or level != asked_level),
                    "ladder": ladder,
                }


def prompt_of(way: str, ladder: list[Rung], level: int) -> list[Message]:
    if way == "without":
        others = [constraint for at, constraint in enumerate(constraints_of(ladder), 1) if at != level]
        return top_of(ladder, others)
    *history, last = top_of(ladder, constraints_of(ladder))
    return [*history, {**last, "content": f"{last['content']}\n\n{STRESS}{constraints_of(ladder)[level - 1].text}"}]


def asking(ladder: list[Rung], level: int, row: Row) -> Asked:
    """The constraint alone against the seed."""
    return Asked(top_of(ladder, []), top_of(ladder, [constraints_of(ladder)[level - 1]]), row["response"])


def top_of(ladder: list[Rung], constraints: Sequence[Constraint]) -> list[Message]:
    seed = conversation_of(ladder[0][0])
    return rungs(Instruction("", seed.request, tuple(constraints), "", seed.messages))[-1]


def constraints_of(ladder: list[Rung]) -> list[Constraint]:
    return [constraint_of(row) for row in ladder[-1][0]["constraints"]]


def levels(ladder: list[Rung]) -> range:
    return range(1, len(ladder))


def name_of(ladder: list[Rung]) -> str:
    return str(ladder[0][0]["instruction_id"])


if __name__ == "__main__":
    main()
