"""Measured pass rates, and what instructions and ladders make of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import CorridorConfig, InstructionsConfig, LadderConfig, PipelineConfig, SeedsConfig
from ifrl_core.instructions import stage as dataset
from ifrl_core.instructions.pass_rates import PassRatesPlan, measure_pass_rates, rates_of, weights_of
from ifrl_core.records import instruction_of
from ifrl_core.seeds import stage as seeds_stage

TYPES = ("change_case:english_capital", "punctuation:no_comma", "keywords:forbidden_words", "startend:quotation")


def config(**corridor: float) -> InstructionsConfig:
    measured = CorridorConfig(seeds=8, max_tokens=24, rounds=3, **corridor)  # type: ignore[arg-type]
    return InstructionsConfig(
        types=TYPES,
        hard_share=1.0,
        min_constraints=2,
        max_constraints=2,
        sampling="corridor",
        corridor=measured,
        max_words=60,
    )


@pytest.fixture
def inputs(store: ArtifactStore, model: ArtifactRef, model_store: ArtifactStore) -> dict[str, ArtifactRef]:
    Path(store.root, "model").mkdir(parents=True)
    folder = model_store.folder("model", model.fingerprint)
    Path(store.root, "model", model.fingerprint).symlink_to(folder, target_is_directory=True)
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(SeedsConfig(train=40, held_out=20)), {}, store)
    return {"seeds": seeds, "model": model}


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_levels_that_are_too_hard_get_the_types_that_the_model_can_do(
    store: ArtifactStore, inputs: dict[str, ArtifactRef]
) -> None:
    chosen = config(low=0.7, high=1.0)
    made = measure_pass_rates(PassRatesPlan(instructions=chosen, layout="sentences", to_corridor=True), inputs, store)
    figures, rates = store.manifest(made).figures, rates_of(made, store)
    rounds = figures["rounds"]
    assert rounds[0][0] < 0.7, "nothing to move: the test shows nothing"
    assert 2 <= len(rounds) <= 3
    assert sum(rounds[-1]) > sum(rounds[0])
    assert figures["reached"] == all(rate >= 0.7 for rate in rounds[-1])
    assert rates["keywords:forbidden_words"] > 0.5 > rates["startend:quotation"]
    weights = weights_of(made, store)
    assert len(weights) == 2
    assert weights[0]["keywords:forbidden_words"] > 2 * weights[0]["startend:quotation"]

    measured = {"seeds": inputs["seeds"], "pass_rates": made}
    instructions = dataset.make_instructions(chosen, measured, store)
    firsts = [row["constraints"][0]["type"] for row in store.rows(instructions)]
    assert firsts.count("keywords:forbidden_words") > 1.5 * firsts.count("startend:quotation")

    easy_first = dataset.make_prompts(
        LadderConfig(order="easy_to_hard", layout="list"), {"instructions": instructions, "pass_rates": made}, store
    )
    tops = [row for row in store.rows(easy_first) if row["level"] == 2]
    for row in tops:
        first, second = (rates.get(c["type"], 0.5) for c in row["constraints"])
        assert first >= second
        assert "\n\nRequirements:\n- " in row["messages"][0]["content"]


def test_a_random_order_keeps_every_constraint_and_is_the_same_each_time(store: ArtifactStore, tmp_path: Path) -> None:
    def prompts(store: ArtifactStore, order: str, seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(SeedsConfig(train=20, held_out=5)), {}, store)
        instructions = dataset.make_instructions(InstructionsConfig(max_words=60), {"seeds": seeds}, store)
        made = dataset.make_prompts(LadderConfig(order=order), {"instructions": instructions}, store, seed=seed)  # type: ignore[arg-type]
        written = {
            r["instruction_id"]: [c.text for c in instruction_of(r).constraints] for r in store.rows(instructions)
        }
        top = {r["instruction_id"]: [c["text"] for c in r["constraints"]] for r in store.rows(made)}
        return written, top

    written, top = prompts(store, "random", 1)
    assert all(sorted(top[name]) == sorted(texts) for name, texts in written.items())
    assert top != written
    assert prompts(ArtifactStore(str(tmp_path / "other")), "random", 1)[1] == top
    assert prompts(store, "random", 2)[1] != top
    assert prompts(store, "as_written", 1)[1] == written


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"instructions": {"sampling": "weighted"}}, "weighted and weights go together"),
        ({"instructions": {"weights": {"tone:": 2.0}}}, "weighted and weights go together"),
        ({"instructions": {"sampling": "weighted", "weights": {"tone:": -1.0}}}, "greater than or equal to 0"),
        ({"instructions": {"corridor": {"low": 0.9}}}, "the corridor 0.9 to 0.8 is empty"),
        ({"instructions": {"writer": "llm"}}, "writer llm needs model_writer.model"),
        ({"instructions": {"sampling": "corridor"}, "ladder": {"order": "easy_to_hard"}}, "use as_written"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PipelineConfig.model_validate(section)
