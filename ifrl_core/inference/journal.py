"""An engine that remembers its answers in a file, so that a killed call goes on where it was."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from ifrl_core.inference.engine import Completion, Engine, Request, Sampling
from ifrl_core.records import whole_text
from ifrl_core.stages.progress import Progress, Table, no_progress


class JournalEngine:
    """`engine`, with every answer appended to the JSONL file `path` and taken from there when it is asked for again.

    Requests go to the engine `chunk` at a time: at most so many answers are lost with a kill.
    """

    def __init__(self, engine: Engine, path: Path, *, chunk: int = 128) -> None:
        self._engine, self._path, self._chunk = engine, path, chunk

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        keys = [_key(request, sampling) for request in requests]
        completions = dict(self._read())
        open_ = [index for index, key in enumerate(keys) if key not in completions]
        for start in range(0, len(open_), self._chunk):
            indices = open_[start : start + self._chunk]
            done = len(requests) - len(open_) + start
            answered = self._engine.generate(
                [requests[index] for index in indices], sampling, _counted_from(done, len(requests), progress)
            )
            self._append([(keys[index], completion) for index, completion in zip(indices, answered, strict=True)])
            completions |= {keys[index]: completion for index, completion in zip(indices, answered, strict=True)}
        return [completions[key] for key in keys]

    def _read(self) -> Iterator[tuple[str, Completion]]:
        if not self._path.is_file():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
                completion = Completion(**entry["completion"])
                yield entry["key"], replace(completion, text=whole_text(completion.text))
            except (ValueError, KeyError, TypeError):
                continue  # a line that a kill cut off

    def _append(self, entries: Sequence[tuple[str, Completion]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"key": key, "completion": asdict(completion)}) for key, completion in entries]
        with self._path.open("a", encoding="ascii") as stream:
            # The line break first ends a line that a kill cut off.
            stream.write("\n" + "\n".join(lines) + "\n")


def _counted_from(before: int, total: int, progress: Progress) -> Progress:
    """Progress of a chunk, told as progress of the whole."""

    def passed_on(done: int, _: int, message: str = "", *, samples: Table = (), **metrics: float) -> None:
        progress(before + done, total, message, samples=samples, **metrics)

    return cast(Progress, passed_on)


def _key(request: Request, sampling: Sampling) -> str:
    document = {"messages": list(request.messages), "seed": request.seed, "sampling": asdict(sampling)}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
