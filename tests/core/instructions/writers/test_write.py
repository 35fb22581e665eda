"""The writers on a model's replies: what is kept, topped up, asked again, rejected, and remembered."""

import json
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig, ModelWriterConfig, SeedsConfig
from ifrl_core.constraints.conflicts import conflict
from ifrl_core.constraints.satisfy import unmet
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.instructions import stage as dataset
from ifrl_core.instructions.writers.record import FREE, RejectedSeed, SeedRequest, Written
from ifrl_core.instructions.writers.write import with_fallback, write, writing_figures
from ifrl_core.records import Conversation, instruction_of
from ifrl_core.seeds import stage as seeds_stage
from ifrl_core.stages.progress import Progress, no_progress

CONFIG = InstructionsConfig(
    writer="llm", model_writer=ModelWriterConfig(engine="server", served_model="any", attempts=2)
)
SEEDS = [SeedRequest("seed-a", "Describe a lighthouse."), SeedRequest("seed-b", "Explain the tides.")]


class Scripted:
    """A model that says what it is told to: replies come from a function of the request."""

    def __init__(self, reply: Callable[[Request], str]) -> None:
        self._reply = reply
        self.asked: list[Request] = []

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        self.asked += requests
        return [Completion(self._reply(request), "stop", 1, 1) for request in requests]


def five(*texts: str) -> str:
    return json.dumps({f"c{n}": {"text": text, "type": "free", "args": {}} for n, text in enumerate(texts, 1)})


GOOD = five(
    "Do not use any commas in your answer.",
    "Your answer must contain at least 3 sentences.",
    "Speak of the sea as an old friend would.",
    "Your answer must contain less than 2 sentences.",
    "Speak about the sea as an old friend would.",
)


def test_a_model_is_shown_all_of_a_conversation() -> None:
    said = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Explain the tides.")]
    asked = Conversation(tuple({"role": role, "content": text} for role, text in said))
    engine = Scripted(lambda request: GOOD)
    write([SeedRequest("seed-c", asked.request, asked)], CONFIG, seed=0, engine=engine)
    assert "[system] Be kind.\n\n[user] Hi\n\n[assistant] Hello" in engine.asked[0].messages[0]["content"]


def test_checkable_ones_get_their_rule_and_near_duplicates_and_conflicts_are_dropped() -> None:
    (made,) = write(SEEDS[:1], CONFIG, seed=0, engine=Scripted(lambda request: GOOD))
    assert isinstance(made, Written)
    assert [c.type for c in made.constraints] == ["punctuation:no_comma", "length_constraints:number_sentences", FREE]
    assert made.constraints[1].args == {"num_sentences": 3, "relation": "at least"}
    assert [drop.reason for drop in made.dropped] == ["conflict", "near-duplicate"]
    assert (made.writer, made.attempts, made.topped_up) == ("llm", 1, 0)


def test_too_few_are_topped_up_from_the_catalog_without_conflicts() -> None:
    (made,) = write(SEEDS[:1], CONFIG, seed=0, engine=Scripted(lambda request: five("Use no commas.")))
    assert isinstance(made, Written)
    assert made.topped_up == 2
    assert len(made.constraints) == 3
    assert not any(conflict(a, b) for a, b in combinations(made.constraints, 2))
    assert unmet(made.constraints, 300) is None


def test_an_unusable_reply_is_asked_for_again_with_another_seed_and_other_references() -> None:
    engine = Scripted(lambda request: GOOD if len(engine.asked) > 2 else "Sorry.")
    made = write(SEEDS, CONFIG, seed=0, engine=engine)
    assert [item.attempts for item in made] == [2, 2]
    first, again = engine.asked[0], engine.asked[2]
    assert first.seed != again.seed
    assert first.messages != again.messages
    assert SEEDS[0][1] in again.messages[0]["content"]


def test_seeds_without_a_usable_reply_are_rejected_with_the_raw_text_and_replaced_by_the_catalog() -> None:
    made = write(SEEDS, CONFIG, seed=0, engine=Scripted(lambda r: GOOD if "tides" in str(r.messages) else "No \ud800."))
    rejected = made[0]
    assert isinstance(rejected, RejectedSeed)
    assert (rejected.raw, rejected.attempts) == ("No ?.", 2)
    written = with_fallback(SEEDS, made, CONFIG, seed=0)
    assert [item.writer for item in written] == ["catalog", "llm"]
    figures = writing_figures(made, written)
    assert (figures["asked"], figures["rejected"], figures["replaced_by_catalog"], figures["replies"]) == (2, 1, 1, 3)
    none = CONFIG.model_copy(update={"model_writer": CONFIG.model_writer.model_copy(update={"fallback": "none"})})
    assert [item.seed_id for item in with_fallback(SEEDS, made, none, seed=0)] == ["seed-b"]


def test_structured_output_is_asked_for_where_the_recipe_says_so() -> None:
    seen = []

    class Watched(Scripted):
        def generate(
            self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
        ) -> list[Completion]:
            seen.append(sampling.json_schema)
            return super().generate(requests, sampling, progress)

    write(SEEDS, CONFIG, seed=0, engine=Watched(lambda request: GOOD))
    plain = CONFIG.model_copy(
        update={"model_writer": CONFIG.model_writer.model_copy(update={"structured_output": False})}
    )
    write(SEEDS, plain, seed=0, engine=Watched(lambda request: GOOD))
    assert seen[0] is not None
    assert set(seen[0]["required"]) == {"c1", "c2", "c3", "c4", "c5"}
    assert seen[1] is None


def test_answers_that_a_kill_left_in_the_journal_are_not_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    requests = [Request([{"role": "user", "content": str(n)}], n) for n in range(5)]

    def die_at_3(request: Request) -> str:
        if request.seed == 3:
            raise KeyboardInterrupt
        return f"answer {request.seed}"

    with pytest.raises(KeyboardInterrupt):
        JournalEngine(Scripted(die_at_3), path, chunk=2).generate(requests, Sampling(8))
    path.write_bytes(path.read_bytes() + b'{"key": "cut o')
    engine = Scripted(lambda request: f"answer {request.seed}")
    done: list[tuple[int, int]] = []
    made = JournalEngine(engine, path, chunk=2).generate(
        requests, Sampling(8), lambda done_, total, message="", **metrics: done.append((done_, total))
    )
    assert [item.text for item in made] == [f"answer {n}" for n in range(5)]
    assert [request.seed for request in engine.asked] == [2, 3, 4]
    again = Scripted(lambda request: "never")
    assert JournalEngine(again, path).generate(requests, Sampling(8)) == made
    assert not again.asked
    JournalEngine(again, path).generate(requests, Sampling(9))
    assert len(again.asked) == 5  # another sampling is another question


@pytest.mark.model
@pytest.mark.timeout(1_200)
def test_the_policy_itself_writes_and_every_seed_is_written_or_accounted_for(
    small_model: ArtifactRef, model_store: ArtifactStore
) -> None:
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(SeedsConfig(train=3, held_out=2)), {}, model_store, seed=41)
    config = InstructionsConfig(
        writer="self",
        max_words=80,
        model_writer=ModelWriterConfig(references=3, attempts=1, max_tokens=160, batch_size=8),
    )
    inputs = {"seeds": seeds, "model": small_model}
    made = dataset.make_instructions(config, inputs, model_store, seed=41)
    rows = list(model_store.rows(made))
    figures = model_store.manifest(made).figures["writing"]
    assert len(rows) == figures["asked"] == 5
    assert figures["written"] + figures["rejected"] == 5
    rejected = model_store.read_table(made, "rejected.parquet").to_pylist()
    assert len(rejected) == figures["rejected"] == sum(row["writer"] == "catalog" for row in rows)
    assert all(row["reason"] for row in rejected)
    for row in rows:
        instruction = instruction_of(row)
        assert 3 <= len(instruction.constraints) <= 5
        assert not any(conflict(a, b) for a, b in combinations(instruction.constraints, 2))
        assert unmet(instruction.constraints, 80) is None
