"""Hand-made ladders as committed artifacts: prompts and rollouts for the tests of labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.records import PROMPTS, ROLLOUTS, Constraint, constraint_row

NO_COMMA = Constraint("punctuation:no_comma", "hard", "Use no commas.")
FRIENDLY = Constraint("tone:friendly", "soft", "Be friendly.")
LOWERCASE = Constraint("change_case:english_lowercase", "hard", "Use lowercase only.")
C = (NO_COMMA, FRIENDLY, LOWERCASE)
Answer = str | Sequence[str]  # one text, or one per sample


def ladders(
    store: ArtifactStore,
    answers: Mapping[str, Sequence[Answer]],
    *,
    constraints: Sequence[Constraint] = C,
    seed: str = "Say hello.",
) -> dict[str, ArtifactRef]:
    """Prompts L0..Ln and their answers, by instruction id: one answer a rung, or a list of samples."""
    prompts: list[dict[str, Any]] = []
    rollouts: list[dict[str, Any]] = []
    for name, rungs in answers.items():
        for level, rung in enumerate(rungs):
            prompts.append(
                {
                    "prompt_id": f"{name}-L{level}",
                    "instruction_id": name,
                    "level": level,
                    "messages": [{"role": "user", "content": seed if level == 0 else f"{seed} With constraints."}],
                    "constraints": [constraint_row(c) for c in constraints[:level]],
                    "split": "train",
                }
            )
            for sample, text in enumerate([rung] if isinstance(rung, str) else rung):
                rollouts.append(
                    {
                        "rollout_id": f"{name}-L{level}-{sample}",
                        "prompt_id": f"{name}-L{level}",
                        "sample": sample,
                        "text": text,
                        "finish_reason": "stop",
                        "prompt_tokens": 3,
                        "completion_tokens": 5,
                    }
                )
    refs = {}
    for stage, rows, schema, part in (
        ("prompts", prompts, PROMPTS, "part-train-00000.parquet"),
        ("rollouts", rollouts, ROLLOUTS, "part-00000.parquet"),
    ):
        writer = store.writer(stage, 1, fingerprint(stage, 1, {"rows": rows}, {}), {}, {})
        writer.write_table(part, pa.Table.from_pylist(rows, schema=schema))
        refs[stage] = writer.commit({})
    return refs
