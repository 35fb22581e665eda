"""The intent gate's two ways to tell, on answers that a model gave: who flags what, and at what price.

    python benchmarks/intent.py PROMPTS ROLLOUTS MODEL        (artifacts of the store, `stage/fingerprint`; a model folder)

An answer is held against its own seed, where a flag is (mostly) an error at level 0, and against the seed of another
instruction, where a flag is right. At higher levels constraints make answers leave their task in earnest.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.report.text import percent
from ifrl_core.rewards.intent import REFERENCES, EmbeddingIntent
from ifrl_core.rewards.score import off_task_by_words
from ifrl_core.settings import store_root

THRESHOLDS = (0.5, 0.7, 0.8, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("prompts", "rollouts", "model"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    store = ArtifactStore(store_root())
    prompts, rollouts = (store.find(*name.split("/")) for name in (arguments.prompts, arguments.rollouts))
    if prompts is None or rollouts is None:
        sys.exit("no such artifact in the store")
    asked = {row["prompt_id"]: row for row in store.rows(prompts)}
    seeds = {row["instruction_id"]: row["messages"][-1]["content"] for row in asked.values() if row["level"] == 0}
    answers = [(asked[row["prompt_id"]], row["text"]) for row in store.rows(rollouts)]
    source = random.Random(0)
    judge = EmbeddingIntent(Path(arguments.model), source.sample(sorted(set(seeds.values())), REFERENCES))
    print(
        "| way | level | answers | own seed flagged | another seed flagged | ms an answer |\n|---|---|---|---|---|---|"
    )
    for level in sorted({prompt["level"] for prompt, _ in answers}):
        chosen = [(seeds[p["instruction_id"]], text) for p, text in answers if p["level"] == level and text.strip()]
        own, texts = [seed for seed, _ in chosen], [text for _, text in chosen]
        others = [source.choice([seed for seed in seeds.values() if seed != mine]) for mine in own]
        judge.scores(own + others, [""] * 2 * len(own))  # seeds are embedded once
        start = time.perf_counter()
        words = [off_task_by_words(of, texts) for of in (own, others)]
        between = time.perf_counter()
        scores = [judge.scores(of, texts) for of in (own, others)]
        of_words, of_scores = between - start, time.perf_counter() - between
        row("words", level, *words, of_words)
        for least in THRESHOLDS:
            row(f"embedding, {least}", level, *([score < least for score in of] for of in scores), of_scores)


def row(way: str, level: int, own: Sequence[bool], others: Sequence[bool], seconds: float) -> None:
    cells = (way, level, len(own), percent(fmean(own)), percent(fmean(others)), f"{seconds / 2 / len(own) * 1000:.2f}")
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
