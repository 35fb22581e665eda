"""Rows of the benchmarks over turns as chat templates make prompts of them, the strictest too."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from ifrl_core.evaluation.benchmarks.table import BENCHMARKS
from ifrl_core.evaluation.suite.benchmark import asked
from ifrl_core.inference.prompts import prompt_ids
from ifrl_core.records import Message

BENCH = Path(__file__).parents[5] / "shared" / "data" / "bench"
# As Llama 2 and Mistral have it: user and assistant in turn, and no text that is not text.
STRICT = (
    "{% if messages[0].role == 'system' %}{{ '[SYS]' + messages[0].content }}{% set messages = messages[1:] %}{% endif %}"
    "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{{ '[' + message.role + ']' + message.content }}{% endfor %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + STRICT
)


@pytest.mark.model
@pytest.mark.skipif(not BENCH.exists(), reason="the benchmarks' rows are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("agentif", "agentif/example_5rows.jsonl"),
        ("multichallenge", "multichallenge/benchmark_questions.jsonl"),
        ("sysbench", "sysbench/sysbench.derived.jsonl.gz"),
    ],
)
def test_every_row_can_be_asked_in_the_strictest_template(name: str, file: str, small_model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small_model_folder)
    tokenizer.chat_template = STRICT
    items = BENCHMARKS[name].read(str(BENCH / file))
    for item in items[:: max(1, len(items) // 12)]:
        history: list[Message] = []
        for turn in item.turns:
            history += turn
            assert prompt_ids(tokenizer, history)
            history.append({"role": "assistant", "content": ""})


@pytest.mark.model
def test_a_template_without_system_messages_is_asked_them_as_text(small_model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(small_model_folder)
    tokenizer.chat_template = NO_SYSTEM
    ((system, user),) = asked("Hi", system="Be kind.")
    text = tokenizer.decode(prompt_ids(tokenizer, [system, user]))
    assert text.index("[user]") < text.index("Be kind.") < text.index("Hi")
