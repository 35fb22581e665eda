"""`ifrl store`: what the store holds, what one artifact is made of, whether its bytes are right, and what may go."""

import json
import re
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ifrl_core.errors import InputError
from ifrl_core.settings import store_root

if TYPE_CHECKING:
    from ifrl_core.artifacts import ArtifactStore
    from ifrl_core.stages.differences import Compared

app = typer.Typer(help="List, describe, check and tidy the artifact store.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="REF", help="STAGE/FINGERPRINT; the first digits will do")]
AsJson = Annotated[bool, typer.Option("--json", help="Print all of it for scripts")]
_SHOWN, _WIDEST = 12, 60  # differences of a kind; characters of a value
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@app.command("ls")
def list_artifacts(as_json: AsJson = False) -> None:
    """Every artifact: rows, size, what it took to make, and whether it is committed."""
    from ifrl_core.artifacts.listing import entries

    store = _open()
    artifacts = entries(store)
    if as_json:
        _print_json([asdict(entry) for entry in artifacts])
        return
    for entry in artifacts:
        rows = f"{entry.rows:>10,}" if entry.rows is not None else " " * 10
        seconds = f"{entry.seconds:>9,.1f} s" if entry.seconds is not None else " " * 11
        name = f"{entry.stage}/{entry.fingerprint[:12]}"
        typer.echo(f"{name:<34} {rows} rows {_size(entry.size):>10} {seconds}  {entry.modified[:16]}  {entry.state}")
    typer.echo(f"{len(artifacts)} artifacts, {_size(sum(entry.size for entry in artifacts))} in {store.root}")


@app.command()
def show(reference: Reference, as_json: AsJson = False) -> None:
    """One artifact: config, figures, files, columns, and what it was made from, up to the seeds."""
    from ifrl_core.artifacts.listing import describe, resolve

    store = _open()
    about = describe(store, resolve(store, reference))
    if as_json:
        _print_json(about)
        return
    cost = about["cost"]
    typer.echo(f"{about['stage']}/{about['fingerprint']}  (stage version {about['version']})")
    typer.echo(f"uri      {about['uri']}\ndigest   {about['digest']}")
    typer.echo(f"rows     {about['rows']:,} in {len(about['shards'])} files, {_size(about['size'])}")
    typer.echo(f"cost     {cost['seconds']:,.1f} s, peak memory {cost['peak_rss_mb']:,.0f} MiB")
    typer.echo(f"made by  {_made_by(about['provenance'])}")
    typer.echo(f"config   {json.dumps(about['config'])}\nfigures  {json.dumps(about['figures'], indent=2)}")
    for name, columns in about["schemas"].items():
        typer.echo("\n".join([f"columns of {name}", *(f"  {column:<20} {kind}" for column, kind in columns.items())]))
    typer.echo("files")
    for shard in about["shards"]:
        typer.echo(f"  {shard['name']:<32} {shard['rows']:>9,} rows {_size(shard['size']):>10}  {shard['sha256'][:16]}")
    typer.echo("made from" if about["lineage"] else "made from nothing but its config")
    for item in about["lineage"]:
        rows = "no longer in the store" if item["rows"] is None else f"{item['rows']:,} rows"
        typer.echo(f"{'  ' * item['depth']}{item['input']}: {item['artifact'][:44]}  {rows}")


@app.command()
def diff(first: Reference, second: Reference, as_json: AsJson = False) -> None:
    """What differs between two artifacts, what matters most first, and between what they are made of."""
    from ifrl_core.artifacts.listing import resolve
    from ifrl_core.stages.differences import compared

    store = _open()
    pairs = compared(store, resolve(store, first), resolve(store, second))
    if as_json:
        _print_json([asdict(pair) for pair in pairs])
        return
    for pair in pairs:
        typer.echo("\n".join(difference_lines(pair)))


def difference_lines(pair: "Compared") -> list[str]:
    """Two artifacts and how they differ, as people read it: at most so many figures and files."""
    names = " and ".join(name[: name.index("/") + 13] for name in (pair.first, pair.second))
    lines = [names if pair.depth == 0 else f"made of {names}"]
    shown: Counter[str] = Counter()
    for item in pair.differences:
        shown[item.part] += 1
        if shown[item.part] <= _SHOWN:
            values = " -> ".join(map(short, (item.first, item.second)))
            lines.append(f"  {item.part:<10} {item.name:<40} {values}".rstrip())
    lines += [f"  {part:<10} and {count - _SHOWN} more (--json)" for part, count in shown.items() if count > _SHOWN]
    return lines if pair.differences else [*lines, "  no difference"]


def _made_by(provenance: dict[str, Any]) -> str:
    """Code, framework and machine of an artifact in a line; --json has all of it."""
    if not provenance:
        return "an earlier version of ifrl, which did not say"
    torch, machine = provenance["libraries"].get("torch", "none"), provenance["machine"]
    commit = f" ({provenance['commit'][:12]})" if "commit" in provenance else ""
    return (
        f"ifrl {provenance['ifrl']}{commit}, torch {torch}, on {machine.get('device', 'cpu')}, {machine['processor']}"
    )


def short(value: Any) -> str:
    """A value in a line of text."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


@app.command()
def verify(
    reference: Annotated[str | None, typer.Argument(metavar="[REF]", help="Default: every artifact")] = None,
    as_json: AsJson = False,
) -> None:
    """Re-hash every file and name the bad ones; exit code 1 when there are any."""
    from ifrl_core.artifacts import listing

    store = _open()
    if reference is None:
        names = [(entry.stage, entry.fingerprint) for entry in listing.entries(store) if entry.state != "unfinished"]
    else:
        ref = listing.resolve(store, reference)
        names = [(ref.stage, ref.fingerprint)]
    problems = []
    for name in names:
        for problem in listing.verify(store, *name):
            problems.append(problem)
            if not as_json:
                typer.secho(f"{problem.artifact}/{problem.file}: {problem.problem}", fg=typer.colors.RED)
    if as_json:
        _print_json({"artifacts": len(names), "problems": [asdict(problem) for problem in problems]})
    elif problems:
        typer.echo("Remove the folder of a bad artifact to have it made again by the next run that wants it.")
    else:
        typer.echo(f"{len(names)} artifacts: every file is what its manifest says")
    raise typer.Exit(1 if problems else 0)


@app.command()
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what a dry run lists")] = False,
    older_than: Annotated[
        str, typer.Option(help="Only what nothing has touched for so long: 90s, 30m, 24h, 7d")
    ] = "24h",
    as_json: AsJson = False,
) -> None:
    """Leftovers of killed runs. Without --delete it only lists them."""
    from ifrl_core.artifacts.gc import leftovers, remove

    store = _open()
    places = leftovers(store, older_than_s=_seconds(older_than))
    gone = [remove(store, item) if delete else False for item in places]
    if as_json:
        _print_json([{**asdict(item), "removed": removed} for item, removed in zip(places, gone, strict=True)])
        return
    records = [item for item in places if item.kind == "shard records"]
    for item, removed in zip(places, gone, strict=True):
        state = "removed" if removed else "kept: in use again" if delete else ""
        if item not in records:  # every artifact has some
            typer.echo(
                f"{_size(item.size):>10}  {len(item.names):>5} files  {item.kind:<20} {item.path}  {state}".rstrip()
            )
    if records:
        size, count = sum(item.size for item in records), sum(len(item.names) for item in records)
        typer.echo(f"{_size(size):>10}  {count:>5} files  shard records        of {len(records)} committed artifacts")
    size = sum(item.size for item, removed in zip(places, gone, strict=True) if removed or not delete)
    if delete:
        typer.echo(f"{_size(size)} freed in {sum(gone)} of {len(places)} places")
    else:
        typer.echo(f"{_size(size)} in {len(places)} places could go: add --delete" if places else "nothing to remove")


def _open() -> "ArtifactStore":
    from ifrl_core.artifacts import ArtifactStore

    return ArtifactStore(store_root())


def _seconds(duration: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", duration.strip())
    if not match:
        raise InputError(f"--older-than {duration!r} is no duration: write e.g. 90s, 30m, 24h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
