"""Instructions by what rollouts showed: train seeds get others, held-out ones keep theirs; all before is the catalog's."""

from pathlib import Path

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, fingerprint
from ifrl_core.config import LadderConfig, SeedsConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.evolving.stage import evolve_instructions, evolving_plan
from ifrl_core.instructions.stage import first_instructions, make_instructions, make_prompts
from ifrl_core.records import ROLLOUTS
from ifrl_core.seeds.stage import make_seeds, seeds_source

TYPES = ["punctuation:no_comma", "detectable_format:title", "length_constraints:number_words", "startend:quotation"]
RECIPE = {
    "instructions": {"writer": "evolving", "types": TYPES, "hard_share": 1, "min_constraints": 1, "max_constraints": 2},
    "policy": {"curriculum": {"levels": [[1], [2]]}},
}


def answered(store: ArtifactStore, prompts: ArtifactRef, text: str) -> ArtifactRef:
    """Rollouts that all say the same."""
    rows = [
        {"rollout_id": row["prompt_id"], "prompt_id": row["prompt_id"], "sample": 0, "text": text, "answer_start": 0}
        for row in store.rows(prompts, prefix="part-train-")
    ]
    writer = store.writer("rollouts", 1, fingerprint("rollouts", 1, {"rows": rows}, {}), {}, {})
    writer.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=ROLLOUTS))
    return writer.commit({})


def few_seeds(store: ArtifactStore, folder: Path, count: int) -> ArtifactRef:
    path = folder / "seeds.txt"
    path.write_text("".join(f"Describe lighthouse number {n}.\n" for n in range(count)))
    source = seeds_source(SeedsConfig(files=(str(path),), builtin=False, held_out_share=0.25))
    return make_seeds(source, {}, store)


def test_train_seeds_get_what_teaches_and_held_out_ones_keep_theirs(store: ArtifactStore, tmp_path: Path) -> None:
    config = build_config(RECIPE)
    seeds = few_seeds(store, tmp_path, 20)
    given = make_instructions(first_instructions(config), {"seeds": seeds}, store)
    prompts = make_prompts(LadderConfig(), {"instructions": given}, store)
    rollouts = answered(store, prompts, "An answer, with commas, and no title.")
    inputs = {"instructions": given, "prompts": prompts, "rollouts": rollouts}
    plan = evolving_plan(config)
    assert plan is not None
    made = evolve_instructions(plan, inputs, store)
    before, after = ({row["instruction_id"]: row for row in store.rows(ref)} for ref in (given, made))
    assert before.keys() == after.keys()
    for name, row in after.items():
        assert (row["seed"], row["split"]) == (before[name]["seed"], before[name]["split"])
        if row["split"] == "held_out":
            assert row == before[name]
        else:
            assert row["writer"] == "evolving"
            assert 1 <= len(row["constraints"]) <= 2
    figures = store.manifest(made).figures
    seen = {row["type"]: row for row in figures["seen"]}
    assert seen["punctuation:no_comma"]["passed"] == seen["detectable_format:title"]["passed"] == 0
    assert figures["train"] == sum(row["split"] == "train" for row in before.values())
    assert figures["in_band"] + figures["too_hard"] + figures["too_easy"] == len(seen)
    assert figures["worth_drawn"] > figures["worth_even"]
    other = inputs | {"rollouts": answered(store, prompts, "Another answer.")}
    assert {r["instruction_id"]: r for r in store.rows(evolve_instructions(plan, other, store))} != after


def test_what_comes_before_the_policy_is_a_catalog_recipes() -> None:
    catalog = build_config({**RECIPE, "instructions": {**RECIPE["instructions"], "writer": "catalog"}})  # type: ignore[dict-item]
    plans = [first_instructions(config) for config in (build_config(RECIPE), catalog)]
    assert len({make_instructions.fingerprint(plan, {}, seed=0) for plan in plans}) == 1
    assert evolving_plan(catalog) is None
