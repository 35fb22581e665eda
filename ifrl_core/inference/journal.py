"""An engine that remembers its answers in a file, so that a killed call goes on where it was."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ifrl_core.inference.engine import Completion, Engine, Request, Sampling
from ifrl_core.inference.telling import counted_from, generate_told
from ifrl_core.records import whole_text
from ifrl_core.stages.progress import Progress, no_progress


class JournalEngine:
    """`engine`, with every answer appended to the JSONL file `path` and taken from there when it is asked for again.

    Equal requests are asked once. An engine that tells nothing before it has all answers (telling.py) is given `chunk`
    requests at a time: at most so many answers are lost with a kill.
    """

    def __init__(self, engine: Engine, path: Path, *, chunk: int = 128) -> None:
        self._engine, self._path, self._chunk = engine, path, chunk
        self._kept: dict[str, Completion] | None = None  # what the file holds, once it was read

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, progress: Progress = no_progress
    ) -> list[Completion]:
        keys = [_key(request, sampling) for request in requests]
        if self._kept is None:
            self._kept = dict(self._read())
        completions = self._kept
        open_ = list({key: index for index, key in enumerate(keys) if key not in completions}.values())

        def keep(place: int, completion: Completion) -> None:
            key = keys[open_[place]]
            completions[key] = completion
            self._append(key, completion)

        asked = [requests[index] for index in open_]
        told = counted_from(len(requests) - len(open_), len(requests), progress)
        if asked:
            generate_told(self._engine, asked, sampling, keep, told, chunk=self._chunk)
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

    def _append(self, key: str, completion: Completion) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "completion": asdict(completion)})
        with self._path.open("a", encoding="ascii") as stream:
            stream.write(f"\n{line}\n")  # the line break first ends a line that a kill cut off


def _key(request: Request, sampling: Sampling) -> str:
    document = {"messages": list(request.messages), "seed": request.seed, "sampling": asdict(sampling)}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
