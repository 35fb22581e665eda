"""Every place that reads an answer reads the same one: a table of responses under each format, at each reader.

A module that reads answers and stands in no reader here fails the last test.
"""

import ast
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.config import EvaluationConfig, InstructionsConfig, LabelsConfig, PolicyConfig, RewardConfig
from ifrl_core.constraints.check import check_row
from ifrl_core.evaluation import held_out
from ifrl_core.evaluation.benchmarks.general import GENERAL, problem
from ifrl_core.evaluation.benchmarks.verifiable import IFEVAL
from ifrl_core.evaluation.stage import evaluate
from ifrl_core.evaluation.suite import answers as suite_answers
from ifrl_core.evaluation.suite import given_answers
from ifrl_core.evaluation.suite import score as suite_score
from ifrl_core.evaluation.suite.answers import AnswersConfig
from ifrl_core.evaluation.suite.benchmark import Benchmark, Grade, Graded, Item, Metric, Terms, asked, by_rules
from ifrl_core.evolving import seen
from ifrl_core.inference import Completion, Request, Sampling
from ifrl_core.instructions import pass_rates
from ifrl_core.instructions.writers import reply
from ifrl_core.labels import contrasts, filters
from ifrl_core.policy import benchmark_sets, reward_function
from ifrl_core.policy.benchmark_sets import BenchmarkSet
from ifrl_core.policy.job import Job
from ifrl_core.policy.profile import stage as profile_stage
from ifrl_core.policy.scoring import reward_plan
from ifrl_core.records import Constraint, Conversation, Instruction, Row, constraint_row, conversation_of, packed
from ifrl_core.report import answers as report_answers
from ifrl_core.report import benchmark_samples
from ifrl_core.reward_model.model.scorer import OfAnswers, Pair, Probabilities
from ifrl_core.rewards import score, step_figures
from ifrl_core.rewards.problems import reward as problem_reward
from ifrl_core.rewards.problems.verify import Grader
from ifrl_core.rollouts import histories, shards
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.stages.stage import Work
from ifrl_core.text.reasoning import THINK, WHOLE, Reasoning
from ifrl_core.warm_start import own

ALWAYS, OTHER = Reasoning(always=True), Reasoning(open="[r]", close="[/r]", always=True)
RIVER = Constraint("keywords:existence", "hard", "Name a river.", {"keywords": ["river"]})
VERDICTS = partial(contrasts._verdicts, conversation_of({"seed": "Say it."}), "")
KIND = Constraint("tone:friendly", "soft", "Be kind.")
# Under each format: what a response says as an answer. Only an answer that names the river satisfies the constraint.
TABLE: list[tuple[Reasoning, str, str]] = [
    (THINK, "A river, of course.", "A river, of course."),
    (THINK, "<think>a river?</think>The Rhine.", "The Rhine."),
    (THINK, "hm</think>\nA river.", "A river."),
    (THINK, "<think>a river, or", ""),
    (ALWAYS, "a river? The user wants", ""),  # the prompt opened it, and the budget cut it off
    (ALWAYS, "a river?</think>The Rhine.", "The Rhine."),
    (ALWAYS, "the Rhine?</think>A river.", "A river."),
    (ALWAYS, "<think>a river", ""),
    (OTHER, "the Rhine?</think> or[/r]A river.", "A river."),
    (OTHER, "a river</think>The Rhine.", ""),
    (WHOLE, "<think>a river", "<think>a river"),
    (WHOLE, "a river</think>The Rhine.", "a river</think>The Rhine."),
    (THINK, "", ""),
]


class Kind:
    """A scorer to which every answer that names the river is certainly kind, and no other is."""

    def probabilities(self, pairs: Sequence[Pair]) -> Probabilities:
        assert all(answer.strip() for answer, _ in pairs), "asked about no answer"
        return [float("river" in answer) for answer, _ in pairs]


class Says:
    """An engine that gives the one response."""

    def __init__(self, response: str) -> None:
        self.response = response

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        return [completion(self.response) for _ in requests]


def completion(text: str) -> Completion:
    return Completion(text, "length", 1, 1)


def work(store: ArtifactStore, reasoning: Reasoning) -> Work:
    return evaluate.work(EvaluationConfig(), {}, store, no_progress, seed=0, reasoning=reasoning)


def rollout(response: str, reasoning: Reasoning) -> Row:
    marks = shards._marks(response, reasoning)
    return {"rollout_id": "i-L1-0", "text": response, "finish_reason": "length", "sample": 0, **marks}


def of_rollouts(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    row = rollout(response, reasoning)
    assert row["empty"] == (not shards.answer_in(row))
    return "river" in shards.answer_in(row)


def of_histories(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    texts = (("user", "Name it."), ("assistant", "The Po."), ("user", "Another."))
    messages = [{"role": role, "content": content} for role, content in texts]
    row = {"instruction_id": "i", "level": 0, "messages": messages, "constraints": []}
    [made] = histories.own_histories([row], Says(response), Sampling(1), work(store, reasoning))
    return "river" in made["messages"][1]["content"]


def of_labels(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    prompt = {"constraints": [constraint_row(RIVER)], "level": 1, "instruction_id": "i"}
    candidate = contrasts._candidate(rollout(response, reasoning), prompt, 1, "train", VERDICTS)
    assert ("river" in candidate.row["response"]) == candidate.row["verdict"]
    return bool(candidate.row["verdict"])


def of_best_sample(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    other = rollout("</think>[/r]The Rhine.", reasoning)
    chosen = contrasts._samples(
        LabelsConfig(positives="best_of_n"), [constraint_row(RIVER)], [other, rollout(response, reasoning)], VERDICTS
    )
    return chosen == [1]


def of_filters(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    prompt = {"constraints": [constraint_row(RIVER)], "level": 1, "instruction_id": "i"}
    rows = [rollout(text, reasoning) for text in (response, f"{response} {response}")]
    positive, negative = (
        contrasts._candidate(row, prompt, label, "train", VERDICTS) for label, row in zip((1, 0), rows, strict=True)
    )
    pair = contrasts.Contrast(positive, (negative,))
    empty = filters.FILTERS["empty answer"](pair)
    same = filters.FILTERS["identical answers"](pair)
    answers = [positive.row["response"], negative.row["response"]]
    assert empty == {place for place, answer in enumerate(answers) if not answer.strip()}
    assert bool(same) == (answers[0] == answers[1])
    return bool(positive.row["verdict"])


def of_pass_rates(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    plan = pass_rates.PassRatesPlan(
        instructions=InstructionsConfig(min_constraints=1, max_constraints=1), layout="list", to_corridor=False
    )
    tally = pass_rates._Tally()
    asked = [Instruction("i", "Say it.", (RIVER,), "catalog")]
    [rate] = pass_rates._answered(asked, plan, Says(response), work(store, reasoning), tally, 0)
    return rate == 1.0


def of_rewards(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    job = Job(config=PolicyConfig(), model=Path(), reward_model=None, seed=0, folder=Path(), reasoning=reasoning)
    [reward] = score.score_responses([response], [[RIVER, KIND]], Kind(), seeds=["Say it."], plan=reward_plan(job))
    assert reward.parts[0] == reward.parts[1]
    return reward.parts == (1.0, 1.0)


def of_dialogs(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    texts = (("user", RIVER.text), ("assistant", response), ("user", "Another."))
    messages = tuple({"role": role, "content": content} for role, content in texts)
    row = {"seed": "Another.", "conversation": packed(Conversation(messages)), "constraints": [constraint_row(RIVER)]}
    [[kept]] = reward_function._of_dialog(row, messages, reasoning)["kept"]
    return bool(kept)


def of_step_figures(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    rewards = [score.Reward((1.0,), 1.0)]
    answer = answer_by_table(response, reasoning)
    figures = step_figures.hack_metrics([response], [response], [[RIVER]], rewards, reasoning)
    assert figures["length/words"] == len(answer.split())
    return "river" in answer


def of_problems_in_training(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    [reward] = problem_reward.score_problems(
        [response], ["exact"], ["a river"], GRADER, score.RewardPlan(reasoning=reasoning)
    )
    said = answer_by_table(response, reasoning)
    [alone] = problem_reward.score_problems([said], ["exact"], ["a river"], GRADER, score.RewardPlan(reasoning=WHOLE))
    assert reward == alone
    return "river" in said


def of_held_out(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    row = {"prompt_id": "i-L1", "instruction_id": "i", "level": 1, "sample": 0, "seed": "Say it."}
    row |= {"constraints": [constraint_row(RIVER), constraint_row(KIND)], "messages": [{"content": "Say it."}]}
    [found] = held_out.scored_answers([row], [completion(response)], Kind(), reasoning)
    answer = answer_by_table(response, reasoning)
    assert held_out.answer_in(found) == answer
    assert held_out.satisfaction([found])["length_words"] == len(answer.split())
    shown = report_answers._side(found)
    assert (shown["text"], shown["unclosed"]) == (answer, bool(response) and not answer)
    assert found["verdicts"][0]["verdict"] == bool(found["verdicts"][1]["probability"])
    return bool(found["verdicts"][0]["verdict"])


def of_problems(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    answer = answer_by_table(response, reasoning)
    item = problem("f", 1, {"kind": "exact", "prompt": "p", "answer": answer or "a river"})
    [found] = suite_score.graded_by_rules(GENERAL, [item], [response], reasoning)
    assert found.marks["accuracy"] == [float(bool(answer))]
    return "river" in answer


def of_answers_to_benchmarks(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    config = AnswersConfig(max_tokens=1, temperature=0, top_p=1, samples=1)
    two = Item("1", (*asked("p"), *asked("q")), {})
    answer = answer_by_table(response, reasoning)
    assert suite_answers.history(two, [answer])[1]["content"] == answer
    rows = suite_answers.asked_answers(
        Says(response), [two], config, seed=0, reasoning=reasoning, work=work(store, reasoning)
    )
    assert {suite_answers.answer_in(row) for row in rows} == {answer}
    return "river" in answer


def of_profile(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    prompt = {"prompt_id": "i-L1", "level": 1, "constraints": [constraint_row(RIVER), constraint_row(KIND)]}
    [[_, verdict]] = profile_stage.rollout(prompt, 0, completion(response), reasoning)["verdicts"]
    return bool(verdict)


def of_given_answers(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    return "river" in suite_answers.answer_in(given_answers.answer_row("1", 0, response, reasoning))


def of_check(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    row = {"instruction_id": RIVER.type, "kwargs": dict(RIVER.args), "response": response}
    return bool(check_row(Path("rows.jsonl"), 1, row, reasoning)[1]["strict"])


def of_suites(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    names_river: Grade = by_rules(lambda item, answer: {"named": [float("river" in answer)]})
    suite = Benchmark("s", "S", (Metric("named"),), lambda path: [], lambda terms: nullcontext(names_river), "", "", 1)
    [row] = suite_score.graded_by_rules(suite, [Item("1", asked("p"), {})], [response], reasoning)
    return row.marks["named"] == [1.0]


def of_samples(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    row = suite_score.GradedItem(Item("1", asked("p"), {}), response, Graded({"named": [1.0]}))
    [shown] = benchmark_samples.samples("s", Metric("named"), {"model": ([row], reasoning)})
    answer = shown["answers"][0]
    assert answer["unclosed"] == (bool(response) and not answer["text"])
    return "river" in answer["text"]


def of_score(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    if not response:
        return False  # asked as it stands
    return OfAnswers(Kind(), reasoning).probabilities([(response, "Be kind.")]) == [1.0]


def of_replies(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    written = response.replace("A river", '{"c1": "A river"}').replace("a river", '{"c1": "a river"}')
    return bool(reply.read_reply(written, reasoning))


def of_benchmark_sets(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    item = Item("i", asked("Where?"), {})
    [[answer]] = BenchmarkSet("toy", IFEVAL, [item], Terms(), reasoning).answers(lambda prompts: [response])
    return "river" in answer


def of_seen(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    made = seen.Seen()
    asked_of = conversation_of({"seed": "Say it."})
    made.add([RIVER], seen.judged(asked_of, [RIVER], rollout(response, reasoning), ""))
    return made.answers(RIVER.type) == (1, 1)


def of_warm_start(response: str, reasoning: Reasoning, store: ArtifactStore) -> bool:
    asked_row = {"seed": "Say it.", "conversation": None, "constraints": [constraint_row(RIVER)]}
    return bool(list(own.meeting([(asked_row, response)], reasoning)))


GRADER = Grader()
Reader = Callable[[str, Reasoning, ArtifactStore], bool]
READERS: dict[Reader, Sequence[Any]] = {  # and the modules that they stand for
    of_rollouts: [shards],
    of_histories: [histories],
    of_labels: [contrasts],
    of_best_sample: [contrasts],
    of_filters: [filters],
    of_pass_rates: [pass_rates],
    of_rewards: [score],
    of_dialogs: [reward_function],
    of_step_figures: [step_figures],
    of_problems_in_training: [problem_reward],
    of_held_out: [held_out, report_answers],
    of_problems: [suite_score],
    of_answers_to_benchmarks: [suite_answers],
    of_given_answers: [given_answers],
    of_profile: [profile_stage],
    of_check: [check_row],
    of_suites: [suite_score],
    of_samples: [benchmark_samples],
    of_score: [OfAnswers],
    of_replies: [reply],
    of_benchmark_sets: [benchmark_sets],
    of_seen: [seen],
    of_warm_start: [own],
}
CUTTING = {"answer_of", "answer_start", "answer_in"}
# Hand a response on to one of the readers.
PASSING_ON = {
    "evaluation/judge/ask.py",
    "evaluation/soft_audit.py",
    "evaluation/suite/given.py",
    "evaluation/suite/judgements.py",
    "instructions/writers/llm.py",
    "instructor/write.py",
    "rollouts/stage.py",
    "text/reasoning.py",
}


def answer_by_table(response: str, reasoning: Reasoning) -> str:
    return next(answer for of, said, answer in TABLE if (of, said) == (reasoning, response))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_every_reader_of_answers_reads_the_same_one(reader: Reader, store: ArtifactStore) -> None:
    found = {(str(reasoning), response): reader(response, reasoning, store) for reasoning, response, _ in TABLE}
    assert found == {(str(reasoning), response): "river" in answer for reasoning, response, answer in TABLE}


def test_a_reward_that_requires_reasoning_is_the_format_always() -> None:
    config = PolicyConfig(reward=RewardConfig(require_reasoning=True))
    assert reward_plan(Job(config=config, model=Path(), reward_model=None, seed=0, folder=Path())).reasoning == ALWAYS


def test_nobody_reads_answers_who_is_not_in_the_table() -> None:
    """By name: who cuts reasoning off, and who takes the text of a completion or of a rollout."""
    root = Path(shards.__file__).parents[1]
    covered = {
        Path(__import__(of.__module__ if hasattr(of, "__qualname__") else of.__name__, fromlist=["x"]).__file__)
        .relative_to(root)
        .as_posix()
        for modules in READERS.values()
        for of in modules
    }
    reading = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.parts[len(root.parts)] != "inference" and _reads_in(path.read_text())
    }
    assert reading - PASSING_ON <= covered
    assert covered - reading == {"labels/filters.py"}


def _reads_in(source: str) -> bool:
    return any(name in source for name in (*CUTTING, "completion.text")) and any(
        map(_reads, ast.walk(ast.parse(source)))
    )


def _reads(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return bool({alias.name for alias in node.names} & CUTTING) and str(node.module).startswith("ifrl_core.")
    text = isinstance(node, ast.Attribute) and node.attr == "text" and isinstance(node.value, ast.Name)
    return text and node.value.id == "completion"  # type: ignore[attr-defined]
