"""Asking the judge: the questions of many gradings at once, replies read, those that cannot be read asked for again.

Every reply is kept in a journal as soon as it is there, so that what was answered before a kill or a server's end is not
asked again. What stays unread is None to its grading, never a verdict, and its raw reply is kept.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ifrl_core.config import JudgeConfig
from ifrl_core.errors import UnscoredError
from ifrl_core.evaluation.benchmarks.replies import json_in
from ifrl_core.evaluation.judge.templates import templates
from ifrl_core.evaluation.suite.benchmark import Graded, Grading, Question
from ifrl_core.inference import Completion, Engine, Request, Sampling
from ifrl_core.inference.engine import no_room
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.telling import counted_from
from ifrl_core.records import Message, whole_text
from ifrl_core.stages.progress import Progress, no_progress
from ifrl_core.statistics.intervals import wilson
from ifrl_core.text.reasoning import THINK, answer_of

log = logging.getLogger(__name__)

NO_ROOM = "(no reply: the question fills the judge's context)"
AGAIN = "again"  # the template that follows a reply which could not be read
_SHOWN_REPLIES, _SHOWN_CHARACTERS = 3, 160


class Reply(NamedTuple):
    """The last reply to a question: `text` as the judge gave it, `read` whether it says something, after `asked` times."""

    template: str
    text: str
    read: bool
    asked: int


class Judgement(NamedTuple):
    """What a grading came to, and the replies that it rests on, in the order of its questions."""

    graded: Graded
    replies: tuple[Reply, ...]


def judged(
    gradings: Sequence[Grading], engine: Engine, config: JudgeConfig, journal: Path, progress: Progress = no_progress
) -> list[Judgement]:
    """Run all gradings to their ends, in rounds: the questions that are open in all of them are one batch.

    `journal`: a file for the replies, in the work's scratch. Progress counts questions, as far as they are known.

    Raises:
        UnscoredError: when for sure (95% interval) more replies cannot be read than config.max_unscored_share allows. What is
            above it in all shards together is `check_read`'s to refuse.
        InferenceError: when a server refuses or none answers; what was answered is in the journal.
    """
    judgements = Judge(engine, config, journal, progress).run(gradings)
    check_read([reply for judgement in judgements for reply in judgement.replies], config, surely=True)
    return judgements


def check_read(replies: Sequence[Reply], config: JudgeConfig, *, surely: bool = False) -> None:
    """`surely`: refuse only a share whose 95 % interval lies above what is allowed, as of a part of all questions.

    Raises:
        UnscoredError: showing the first of them, when too many replies could not be read.
    """
    unread = [reply for reply in replies if not reply.read]
    limit = config.max_unscored_share
    if len(unread) <= limit * len(replies) or (surely and wilson(len(unread), len(replies)).low <= limit):
        return
    shown = "; ".join(repr(reply.text[:_SHOWN_CHARACTERS]) for reply in unread[:_SHOWN_REPLIES])
    raise UnscoredError(
        f"{len(unread)} of {len(replies)} replies of the judge cannot be read, more than evaluation.judge.max_unscored_share "
        f"{limit:g} allows; the first: {shown}. Use a stronger judge, a larger max_tokens there or another template; of a "
        "server that was mended, another revision"
    )


class Judge:
    """A judge that answers questions in its templates; `config` says how long, how often, and with which templates."""

    def __init__(self, engine: Engine, config: JudgeConfig, journal: Path, progress: Progress = no_progress) -> None:
        self._engine: Engine = JournalEngine(engine, journal)
        self._config = config
        self._templates = templates(config.template)
        self._progress = progress
        self._done = self._known = 0  # requests

    def run(self, gradings: Sequence[Grading]) -> list[Judgement]:
        """All gradings to their ends; what is open in all of them is asked together."""
        replies: list[list[Reply]] = [[] for _ in gradings]
        graded: dict[int, Graded] = {}
        open_: dict[int, tuple[Grading, Sequence[Any] | None]] = {
            n: (grading, None) for n, grading in enumerate(gradings)
        }
        while open_:
            asked: dict[int, Sequence[Question]] = {}
            for place, (grading, answers) in open_.items():
                step = _stepped(grading, answers)
                if isinstance(step, Graded):
                    graded[place] = step
                else:
                    asked[place] = step
            said = iter(self.ask([question for questions in asked.values() for question in questions]))
            given = {place: [next(said) for _ in questions] for place, questions in asked.items()}
            for place, pairs in given.items():
                replies[place] += [reply for _, reply in pairs]
            open_ = {place: (open_[place][0], [value for value, _ in pairs]) for place, pairs in given.items()}
        return [Judgement(graded[place], tuple(of_one)) for place, of_one in enumerate(replies)]

    def ask(self, questions: Sequence[Question]) -> list[tuple[Any, Reply]]:
        """What the reply to each question says (None: it could not be read), and the reply."""
        asked = [_Asked(question, [self._asking(question)]) for question in questions]
        left = asked
        for attempt in range(self._config.retries + 1):
            if attempt:
                left = [one for one in left if one.again(self._templates.render(AGAIN, {}))]
            if not left:
                break
            self._round(left)
        unread = sum(one.value is None for one in asked)
        if unread:
            log.warning("%d of %d replies of the judge could not be read", unread, len(asked))
        return [(one.value, one.reply()) for one in asked]

    def _asking(self, question: Question) -> Message:
        return _user(self._templates.render(question.template, question.fields))

    def _round(self, asked: Sequence["_Asked"]) -> None:
        """One request for each; those of one schema are a batch."""
        self._known += len(asked)
        for schema, group in _by_schema(asked):
            sampling = Sampling(self._config.max_tokens, temperature=0.0, json_schema=schema)
            requests = [Request(tuple(one.messages), seed=0) for one in group]
            told = counted_from(self._done, self._known, self._progress)
            for one, completion in zip(group, self._engine.generate(requests, sampling, told), strict=True):
                one.take(completion)
            self._done += len(group)


@dataclass
class _Asked:
    """A question and how far it is."""

    question: Question
    messages: list[Message]
    completion: Completion = field(init=False)
    value: Any = None
    times: int = 0

    def take(self, completion: Completion) -> None:
        self.completion = completion
        self.times += 1
        answer = answer_of(completion.text, THINK)
        self.value = (
            self.question.read(answer) if completion.finish_reason == "stop" or self._has_object(answer) else None
        )

    def _has_object(self, answer: str) -> bool:
        """Whether a reply that was cut off had said it all before: a text has not, JSON shows it."""
        return self.question.schema is not None and any(isinstance(document, dict) for document in json_in(answer))

    def again(self, reminder: str) -> bool:
        """Whether it has to be asked for again, and can: with the reply and a word on it as further turns, since at
        temperature 0 the same question has the same reply."""
        if self.value is not None or no_room(self.completion):
            return False
        said = answer_of(self.completion.text, THINK) or "..."  # many chat templates and servers take no empty turn
        self.messages += [{"role": "assistant", "content": said}, _user(reminder)]
        return True

    def reply(self) -> Reply:
        text = NO_ROOM if no_room(self.completion) else whole_text(self.completion.text)
        return Reply(self.question.template, text, self.value is not None, self.times)


def _stepped(grading: Grading, answers: Sequence[Any] | None) -> Sequence[Question] | Graded:
    """The next questions of a grading that is sent answers (None: it has not begun), or what it came to."""
    try:
        return next(grading) if answers is None else grading.send(answers)
    except StopIteration as end:
        graded: Graded = end.value
        return graded


def _by_schema(asked: Sequence[_Asked]) -> Iterator[tuple[Mapping[str, Any] | None, list[_Asked]]]:
    groups: dict[str, list[_Asked]] = {}
    for one in asked:
        groups.setdefault(json.dumps(one.question.schema, sort_keys=True), []).append(one)
    for group in groups.values():
        yield group[0].question.schema, group


def _user(text: str) -> Message:
    return {"role": "user", "content": text}
