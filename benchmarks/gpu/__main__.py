"""One call of benchmarks/gpu.sh.

Parts are run in order, units that ended are passed over, and the table is written anew at the end of the call. Exit codes:
0 all that was asked for has ended, 75 the time was up (call again), 1 a part failed, 2 the options are wrong.
"""

import argparse
import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.gpu.parts import DEVICES, MODEL, SIZES, Part, Setting, WaitingError, parts_of
from benchmarks.gpu.table import progress, table
from benchmarks.gpu.units import FailedError, TimeUpError, run_unit, state_of

ROOT = Path(__file__).parents[2]
MINUTES = 9.5
TIME_UP = 75  # sysexits.h: EX_TEMPFAIL
_KEPT = {
    "device": "cuda",
    "size": "full",
    "ifeval": None,
    "model": MODEL,
}  # of a folder: all its figures are of one kind


def main(arguments: list[str] | None = None) -> int:
    given = parse(arguments)
    try:
        with alone(given.out):
            setting = setting_of(given)
            parts = parts_of(setting)
            if given.list:
                print("\n".join(f"{part.name:14} {progress(part, setting):38} {part.what}" for part in parts))
                return 0
            if given.part and given.part not in {part.name for part in parts}:
                raise ValueError(f"--part {given.part}: expected one of {', '.join(part.name for part in parts)}")
            asked = [part for part in parts if given.part in (None, part.name) or part is parts[0]]
            return call(asked, parts, setting, minutes=given.minutes)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def call(asked: list[Part], parts: list[Part], setting: Setting, *, minutes: float) -> int:
    """Run what has not ended of the parts `asked`; the table is of all `parts`."""
    until, code = time.monotonic() + minutes * 60, 0
    for part in asked:
        try:
            run_part(part, setting, until=until, grace=min(60.0, minutes * 15))
        except TimeUpError:
            code = TIME_UP
            break
        except WaitingError as reason:
            print(f"{part.name}: not run: {reason}", flush=True)
            code = 1
        except FailedError as error:
            print(f"{part.name}: failed: {error}", file=sys.stderr, flush=True)
            code = 1
            if part is parts[0]:  # nothing runs without its environment
                break
    (setting.out / "table.md").write_text(table(parts, setting))
    print(f"{'time is up, call again; ' if code == TIME_UP else ''}{setting.out / 'table.md'}")
    return code


def run_part(part: Part, setting: Setting, *, until: float, grace: float) -> None:
    """
    Raises:
        TimeUpError, FailedError, WaitingError: from its units.
    """
    folder = setting.out / part.name
    for unit in part.units:
        if state_of(folder, unit.name)["state"] == "ended" and not unit.always:
            continue
        run_unit(unit, folder, setting.environment(), until=until, grace=grace, root=ROOT)
        state = state_of(folder, unit.name)
        said = [f"ended, {state['seconds']:.0f} s in {state['calls']} call(s)", *state["figures"].get("said", ())]
        print(f"{part.name}/{unit.name}: {'; '.join(said)}", flush=True)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """
    Raises:
        ValueError: when another call works in the folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another call works in {out}") from None
        yield


def setting_of(given: argparse.Namespace) -> Setting:
    """The options, and what the first call in the folder said where this one says nothing.

    Raises:
        ValueError: when it says something else, or a file is not there.
    """
    file = given.out / "setting.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    ifeval = str(given.ifeval.resolve()) if given.ifeval else None
    if ifeval and not Path(ifeval).is_file():
        raise ValueError(f"--ifeval {given.ifeval}: no such file")
    model = str(Path(given.model).resolve()) if given.model and Path(given.model).is_dir() else given.model
    asked = {"device": given.device, "size": given.size, "ifeval": ifeval, "model": model}
    for name in _KEPT:
        if before.get(name) and asked[name] not in (None, before[name]):
            raise ValueError(
                f"{given.out} was begun with --{name} {before[name]}: choose another --out for {asked[name]}"
            )
    chosen = {name: asked[name] or before.get(name) or default for name, default in _KEPT.items()}
    if not given.list:
        file.write_text(json.dumps(chosen, indent=2) + "\n")
    wheels = given.wheels.resolve() if given.wheels else None
    return Setting(out=given.out.resolve(), wheels=wheels, **chosen)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="Folder of the state, the store and the table")
    parser.add_argument("--part", help="This part alone; default: all in order")
    parser.add_argument("--list", action="store_true", help="The parts and how far each is")
    parser.add_argument("--device", choices=DEVICES, help="Default cuda; kept in the folder")
    parser.add_argument("--size", choices=SIZES, help="Default full; tiny proves that all runs; kept in the folder")
    parser.add_argument("--ifeval", type=Path, help="IFEval's input_data.jsonl; kept in the folder")
    parser.add_argument("--model", help=f"Default {MODEL}; kept in the folder")
    parser.add_argument("--wheels", type=Path, help="Folder of wheels from which missing packages come")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"Of this call (default {MINUTES})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
