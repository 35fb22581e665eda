"""The stage that reads problems with a known answer, checks them and splits them.

A file is Parquet or JSONL with the columns prompt, answer and kind (verify.KINDS):

    {"prompt": "… End with a line 'Answer:' and the number.", "answer": "42", "kind": "math"}
    {"prompt": "… (A) iron (B) helium … ", "answer": "B", "kind": "choice"}

A prompt is asked as it is written, so it should say in which form the answer is wanted. Every answer has to be right by
its own check, or the file is refused: a wrong key would teach the wrong thing. The split is by a hash of the prompt.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.artifacts.digest import digest_of_source
from ifrl_core.config import PipelineConfig, StageConfig
from ifrl_core.errors import InputError
from ifrl_core.identity.fields import How
from ifrl_core.records import Row
from ifrl_core.rewards.problems.verify import KINDS, LETTERS, Grader
from ifrl_core.row_files import JSONL, PARQUET, is_row_file, read_chunks, wrong
from ifrl_core.shipped import BUILTIN, shipped_file
from ifrl_core.shipped import PROBLEMS as SHIPPED
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.statistics.by_hash import rank_by_hash, share_by_hash

PROBLEMS = pa.schema(
    [
        ("prompt_id", pa.string()),  # of the prompt's text
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("kind", pa.string()),  # math | choice | exact
        ("source", pa.string()),  # a file's name without its ending, never its path
        ("split", pa.string()),  # train | held_out
    ]
)
_ROWS_AT_ONCE = 1_024


class GeneralSource(StageConfig):
    """Files of problems, by content."""

    names: tuple[str, ...]
    digests: tuple[str, ...]
    paths: How[tuple[str, ...]] = Field(exclude=True)
    held_out_share: float


def general_source(config: PipelineConfig) -> GeneralSource | None:
    """Name the files by content; None when the run neither trains on problems nor asks any.

    Raises:
        InputError: when a file is missing, of unknown kind, or there is no built-in set of that name.
    """
    general = config.policy.general
    if not general.ratio and not config.evaluation.general_prompts:
        return None
    paths = [_path(source) for source in general.sources]
    return GeneralSource(
        names=tuple(path.stem for path in paths),
        digests=tuple(digest_of_source(str(path)) for path in paths),
        paths=tuple(str(path) for path in paths),
        held_out_share=general.held_out_share,
    )


@stage(
    "general-problems",
    version=1,
    output="general",
    inputs=(),
    config=general_source,
    optional=True,
    seeded=False,
)
def make_problems(config: GeneralSource, inputs: Inputs, work: Work) -> Figures:
    """Writes part-train-00000.parquet and part-held_out-00000.parquet, in the order of the ids, which are hashes.

    Raises:
        InputError: for a row that is no problem, naming file, row and field; or when a split is empty.
    """
    rows: dict[str, Row] = {}
    repeated = 0
    with Grader() as grader:
        for name, path in zip(config.names, config.paths, strict=True):
            for row in read_problems(Path(path), grader):
                prompt_id = _prompt_id(row["prompt"])
                repeated += prompt_id in rows
                rows.setdefault(prompt_id, {**row, "prompt_id": prompt_id, "source": name})
    for row in rows.values():
        row["split"] = "held_out" if share_by_hash("problem", row["prompt"]) < config.held_out_share else "train"
    for split in ("train", "held_out"):
        kept = [row for _, row in sorted(rows.items()) if row["split"] == split]
        if not kept:
            raise InputError(f"policy.general.sources: none of {len(rows)} problems is {split}; add problems")
        work.writer.write_table(f"part-{split}-00000.parquet", pa.Table.from_pylist(kept, schema=PROBLEMS))
    splits = Counter(row["split"] for row in rows.values())
    return {**splits, "repeated": repeated, "sources": dict(Counter(row["source"] for row in rows.values()))}


def held_out_problems(config: PipelineConfig) -> int:
    """How many problems of the recipe's sources are held out, before any is checked.

    Raises:
        InputError: when a file cannot be read.
    """
    general = config.policy.general
    prompts = {
        row["prompt"].strip()
        for source in general.sources
        for rows, _ in read_chunks(_path(source), _ROWS_AT_ONCE)
        for row in rows
        if isinstance(row.get("prompt"), str)
    }
    return sum(share_by_hash("problem", prompt) < general.held_out_share for prompt in prompts)


def problems_of(ref: ArtifactRef, store: ArtifactStore, split: str) -> list[Row]:
    """The rows of a split, in the order of their ids."""
    return list(store.rows(ref, prefix=f"part-{split}-"))


def read_problems(path: Path, grader: Grader) -> Iterator[Row]:
    """{"prompt", "answer", "kind"} of each row.

    Raises:
        InputError: for the first row that is no problem, naming the row and the field.
    """
    numbers = count(1)
    for rows, _ in read_chunks(path, _ROWS_AT_ONCE):
        for row in rows:
            yield _problem(path, next(numbers), row, grader)


def _problem(path: Path, number: int, row: Row, grader: Grader) -> Row:
    prompt, answer, kind = (row.get(name) for name in ("prompt", "answer", "kind"))
    if not isinstance(prompt, str) or not prompt.strip():
        raise wrong(path, number, "prompt", f"{prompt!r} is not a text")
    if kind not in KINDS:
        raise wrong(path, number, "kind", f"{kind!r} is none of {', '.join(KINDS)}")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or not str(answer).strip():
        raise wrong(path, number, "answer", f"{answer!r} is neither a text nor a number")
    text = str(answer).strip()
    if kind == "choice" and text.upper() not in tuple(LETTERS):
        raise wrong(path, number, "answer", f"{text!r} is not a letter from {LETTERS[0]} to {LETTERS[-1]}")
    if not grader.correct(f"Answer: {text}", kind, text):
        raise wrong(path, number, "answer", f"{text!r} cannot be read as mathematics; for words use the kind exact")
    return {"prompt": prompt.strip(), "answer": text, "kind": kind}


def _path(source: str) -> Path:
    if source.startswith(BUILTIN):
        return shipped_file(source, SHIPPED, "policy.general.sources")
    path = Path(source)
    if not is_row_file(path):
        raise InputError(f"{path}: unknown kind of file; expected one of {', '.join((*PARQUET, *JSONL))}")
    if not path.is_file():
        raise InputError(f"policy.general.sources: there is no {source}; name a file, or one of those built in")
    return path


def _prompt_id(prompt: str) -> str:
    return f"problem-{int.from_bytes(rank_by_hash('problem', prompt)[:8], 'big'):x}"
