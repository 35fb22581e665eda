"""The second measure of dropped tasks: by an embedding that training never sees, and by nothing where it is missing."""

import pytest

from ifrl_core.evaluation import held_out
from ifrl_core.evaluation import off_task as measure
from ifrl_core.models import sentence_embedding
from ifrl_core.records import Row

TASKS = {
    "Explain why the sky is blue.": "Sunlight scatters off the gas in the air, and blue light scatters the most of all.",
    "How do I bake bread at home?": "Mix flour, water, salt and yeast, let the dough rise, and put it into a hot oven.",
    "Write about a football match.": "The striker scored in the last minute and the crowd of the stadium roared his name.",
    "What is a good password?": "Use a long string of random letters and numbers, and never reuse it on another website.",
    "Describe a visit to the dentist.": "She drilled into my sore tooth, filled the hole and told me to brush more often.",
    "How do trees survive the winter?": "They drop their leaves, keep sugar in their roots and rest until the days are warm.",
}


@pytest.mark.model
@pytest.mark.skipif(sentence_embedding.embedding_folder() is None, reason=sentence_embedding.INSTALL)
def test_answers_keep_their_own_task_and_leave_another() -> None:
    seeds, answers = list(TASKS), list(TASKS.values())
    assert measure.off_task(seeds, answers) == [False] * len(TASKS)
    assert sum(bool(flag) for flag in measure.off_task(seeds, [*answers[1:], answers[0]])) >= len(TASKS) - 1
    assert measure.off_task(seeds, ["", *answers[1:]])[0] is True


def test_where_the_package_is_missing_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_embedding, "PACKAGE", "not_installed_here")
    assert measure.off_task(list(TASKS), list(TASKS.values())) == [None] * len(TASKS)
    assert measure.embedding_in_use() == {}


def answer(instruction: str, off_task: bool | None) -> Row:
    row = {"prompt_id": instruction, "instruction_id": instruction, "level": 1, "sample": 0, "text": "A text."}
    rest = {"finish_reason": "stop", "task_dropped": False, "tripped": [], "verdicts": []}
    return {**row, **rest, "off_task": off_task}


def test_it_is_compared_beside_the_measure_by_words_and_unmeasured_is_not_zero() -> None:
    before = [answer(str(number), False) for number in range(10)]
    after = [answer(str(number), number < 5) for number in range(10)]
    row = held_out.compared(before, after)["answer"]["off_task"]
    assert (row["before"], row["after"], row["n"]) == (0.0, 50.0, 10)
    assert held_out.satisfaction(after)["off_task"] == 0.5
    unmeasured = [answer(str(number), None) for number in range(10)]
    assert held_out.compared(unmeasured, unmeasured)["answer"]["off_task"]["mean"] is None
    assert held_out.satisfaction(unmeasured)["off_task"] is None
