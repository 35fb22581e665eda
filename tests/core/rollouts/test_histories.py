"""Histories that a model makes of itself: whose turns are replaced, who shares them, what keeps the given ones, and kills."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import EvaluationConfig, InstructionsConfig, LadderConfig, SeedsConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.evaluation.stage import evaluate
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.inference.open import open_engine
from ifrl_core.instructions.ladder import rungs
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.labels.contrasts import make_contrasts
from ifrl_core.records import (
    Constraint,
    Conversation,
    Instruction,
    Message,
    Row,
    constraint_row,
    messages_of,
    with_history,
)
from ifrl_core.rollouts import histories
from ifrl_core.rollouts.histories import make_histories, own_histories
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.rollouts.standing import kept_before
from ifrl_core.seeds.stage import make_seeds, seeds_source
from ifrl_core.stages.progress import no_progress
from ifrl_core.stages.stage import Work
from tests.core.inference.fault_server import Body, Reply, completion, serving
from tests.core.policy.test_training import HARD, own_store

PLAIN = Constraint("punctuation:no_comma", "hard", "Use no commas.")
KEEP = Constraint("conversation:keep_format", "hard", "Keep the format of your last answer.")
CALL = {"type": "function", "function": {"name": "tides", "arguments": {}}}
DIALOG: tuple[Message, ...] = (
    {"role": "user", "content": "High water?"},
    {"role": "assistant", "content": "", "tool_calls": json.dumps([CALL])},
    {"role": "tool", "content": "noon"},
    {"role": "assistant", "content": "* At noon."},
    {"role": "user", "content": "And low?"},
    {"role": "assistant", "content": "* At six."},
    {"role": "user", "content": "Thanks?"},
)


class Says:
    """An engine that says a text with the number and the random seed of what it is asked; keeps the requests."""

    def __init__(self, text: str = "said") -> None:
        self.text = text
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], *_: Any) -> list[Completion]:
        self.asked += requests
        return [Completion(f"{self.text} {request.seed}" if self.text else "", "stop", 1, 1) for request in requests]


@pytest.fixture
def work(store: ArtifactStore) -> Work:
    return evaluate.work(EvaluationConfig(), {}, store, no_progress, seed=0)


def ladder(*constraints: Constraint, place: str = "last") -> list[Row]:
    instruction = Instruction("i", DIALOG[-1]["content"], constraints, "catalog", DIALOG)
    return [
        {
            "instruction_id": "i",
            "prompt_id": f"i-L{level}",
            "level": level,
            "messages": messages,
            "constraints": [constraint_row(item) for item in constraints[:level]],
        }
        for level, messages in enumerate(rungs(instruction, place=place))  # type: ignore[arg-type]
    ]


def said(row: Row) -> list[str]:
    return [row["messages"][place]["content"] for place in histories.spoken(row["messages"])]


def test_the_assistants_turns_are_made_in_order_and_calls_with_their_results_stay(work: Work) -> None:
    engine = Says()
    made = own_histories(ladder(PLAIN), engine, Sampling(4), work)
    first, second = engine.asked  # both rungs begin alike, so they are asked once a turn
    assert list(first.messages) == list(DIALOG[:3])
    assert second.messages[3]["content"] == f"said {first.seed}"
    for row in made:
        assert said(row) == [f"said {first.seed}", f"said {second.seed}"]
        assert row["messages"][:3] == list(DIALOG[:3])
        assert row["history"] == "own"
    assert own_histories(ladder(PLAIN), Says(), Sampling(4), work) == made


def test_rungs_that_ask_for_something_before_have_their_own_history_from_the_same_draws(work: Work) -> None:
    engine = Says()
    rows = own_histories(ladder(PLAIN, place="system"), engine, Sampling(4), work)
    assert len(engine.asked) == 4
    assert len({request.seed for request in engine.asked}) == 2
    made = {"role": "assistant", "content": "Its, own."}
    other = [*rows[1]["messages"][:4], made, *rows[1]["messages"][5:]]
    assert with_history(Conversation(DIALOG), other).messages == (
        *DIALOG[:3],
        made,
        *DIALOG[4:5],
        *other[6:7],
        DIALOG[6],
    )
    assert kept_before(Conversation(DIALOG), {**rows[1], "messages": other}) == [[False, True]]
    assert [row["kept"] for row in rows] == [[], [[True, True]]]


@pytest.mark.parametrize(
    ("text", "constraint", "history"),
    [
        ("", PLAIN, "given: an answer was empty"),
        ("said", KEEP, "given: a constraint had nothing to be about"),
        ("* said\n* more", KEEP, "own"),
    ],
)
def test_a_ladder_keeps_what_it_was_given_where_its_own_would_not_do(
    text: str, constraint: Constraint, history: str, work: Work
) -> None:
    rows = own_histories(ladder(constraint), Says(text), Sampling(4), work)
    assert {row["history"] for row in rows} == {history}
    assert (said(rows[1]) == ["* At noon.", "* At six."]) == (history != "own")


def test_a_plain_seed_has_no_history_to_make(work: Work) -> None:
    row = {"instruction_id": "i", "messages": [{"role": "user", "content": "Hi"}], "constraints": []}
    engine = Says()
    assert own_histories([row], engine, Sampling(4), work) == [{**row, "history": "given", "kept": None}]
    assert not engine.asked
    assert make_histories.configs(build_config({}, [])) == {}


@pytest.mark.usefixtures("forked")
@pytest.mark.model
def test_a_killed_run_makes_the_same_histories_and_they_are_what_is_answered(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dialogs.jsonl"
    dialogs = [[{**DIALOG[0], "content": f"High water at {n}?"}, *DIALOG[3:]] for n in range(8)]
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in dialogs))
    source = seeds_source(SeedsConfig(files=(str(path),), builtin=False, held_out_share=0.5, train=2, held_out=2))
    of_histories = "rollouts={own_history: true, max_tokens: 4, ladders_per_shard: 1}"
    config = build_config({}, [of_histories, f"instructions.types=[{', '.join(HARD)}]"])
    plan = make_histories.configs(config)["histories"]
    assert isinstance(plan, histories.HistoriesPlan)
    store = own_store(tmp_path, tiny_model, model_store)
    seeds = make_seeds(source, {}, store)
    instructions = make_instructions(InstructionsConfig(types=HARD, max_words=40), {"seeds": seeds}, store)
    inputs = {"model": tiny_model, "prompts": make_prompts(LadderConfig(), {"instructions": instructions}, store)}
    killed = make_histories.work(plan, inputs, store, no_progress, seed=0)
    histories.make_history_shard(plan, inputs, killed, 2)
    made = make_histories(plan, inputs, store)
    figures = store.manifest(made).figures
    assert (figures["histories"], figures["train_ladders"], figures["held_out_ladders"]) == ({"own": 4}, 2, 2)
    engine, sampling = open_engine(plan, tiny_model, store), Sampling(4, 1.0)
    given = [list(rows) for _, rows in groupby(store.rows(inputs["prompts"]), lambda row: row["instruction_id"])]
    again = {row["prompt_id"]: row for rows in given for row in own_histories(rows, engine, sampling, killed)}
    asked = {row["prompt_id"]: row for row in store.rows(made)}
    assert asked.keys() == again.keys()
    for name, row in asked.items():
        assert list(messages_of(row["messages"])) == again[name]["messages"]
        assert row["messages"][1]["content"] != "* At noon."
    with serving(first_turns_only) as server:
        monkeypatch.setenv("IFRL_SERVER_URLS", server.url)
        behind = plan.model_copy(update={"engine": "server", "served_model": "m"})
        outgrown = make_histories(behind, inputs, store, seed=1)
    assert store.manifest(outgrown).figures["histories"] == {"given: an answer was empty": 4}
    inputs |= {"prompts": made}
    inputs |= {"rollouts": make_rollouts(config.rollouts, inputs, store)}
    assert list(make_contrasts(config.labels, inputs, store, 0))


def first_turns_only(body: Body, number: int) -> Reply:
    if len(body["messages"]) > 1:
        return 400, {"error": {"message": "the request exceeds the available context size"}}, {}
    return 200, completion("A heron."), {}
