"""The child process that runs code out of a dataset (see limited_code.py); a script of the standard library alone.

It reads one JSON object from its standard input, gives up what it does not need, runs the code, and writes one JSON object to
the descriptor it was given. First it gives up the network, the user's namespace and every right to change a file (Landlock),
where the system lets it, and starts itself again; then it loads the modules that checkers use, sets limits that the kernel
holds, and from there on an audit hook refuses every event that is not on a short list: opening files, sockets, processes,
threads, other imports, signals, ctypes. Functions that no event announces are taken away.
"""

import json
import os
import re
import sys

MODULES = [
    "ast",
    "bisect",
    "calendar",
    "collections",
    "copy",
    "csv",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "html",
    "io",
    "itertools",
    "json",
    "locale",
    "math",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "textwrap",
    "time",
    "traceback",
    "typing",
    "unicodedata",
]
ALLOWED_EVENTS = frozenset(
    (
        "compile",
        "exec",
        "import",  # of modules that are loaded: others are looked at by name below
        "object.__getattr__",
        "object.__setattr__",
        "object.__delattr__",
        "sys._getframe",
        "code.__new__",
        "builtins.id",
        "marshal.loads",
    )
)
_IMPORTS = re.compile(r"^\s*(import\s+\S+|from\s+\S+\s+import\s+\S+)", re.MULTILINE)
MOST_BYTES = 60_000  # of an answer: a pipe holds 64 KiB, and nobody reads before the end
UNANNOUNCED = ("mkfifo", "mknod", "readlink", "memfd_create", "pidfd_open", "sched_setaffinity", "create_builtin")
NEW_USER, NEW_NETWORK, NEW_IPC = 0x10000000, 0x40000000, 0x08000000


CREATE_RULESET, RESTRICT_SELF, NO_NEW_PRIVILEGES = 444, 446, 38
VERSION = 1  # asks for the version of Landlock
CHANGES = 1 << 1 | 0b1_1111_1111 << 4  # write; remove or make folders, files, links, devices, sockets
BY_VERSION = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # link across folders; cut; control devices
TCP, SIGNALS_AND_SOCKETS = 0b11, 0b11  # bind and connect; abstract sockets and signals to others


def give_up_rights() -> None:
    """Leave the network and the user's namespace and the right to change files, as far as the kernel knows how, and start
    again without ctypes."""
    import ctypes

    kernel = ctypes.CDLL(None)
    kernel.unshare(NEW_USER | NEW_NETWORK | NEW_IPC)
    version = kernel.syscall(CREATE_RULESET, None, 0, VERSION)
    files = CHANGES | sum(bit for since, bit in BY_VERSION.items() if version >= since)
    given_up = (ctypes.c_uint64 * 3)(files, TCP, SIGNALS_AND_SOCKETS)
    size = 8 if version < 4 else 16 if version < 6 else 24
    kernel.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if version > 0 and (rules := kernel.syscall(CREATE_RULESET, ctypes.byref(given_up), size, 0)) >= 0:
        kernel.syscall(RESTRICT_SELF, rules, 0)
        os.close(rules)
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, *sys.argv[1:], "inside"])


def limit(memory_bytes: int, cpu_seconds: int, wall_seconds: float) -> None:
    """Limits that the kernel holds: memory, CPU and wall time, no files written, no core, no further descriptors."""
    import resource
    import signal

    signal.setitimer(signal.ITIMER_REAL, wall_seconds)  # its signal ends the process
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    for name, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(name, (value, value))


def refuse_the_rest() -> None:
    """From here on every audited event that is not allowed raises, for the rest of the process."""
    loaded = frozenset(sys.modules)
    for module in (os, sys.modules["posix"], sys.modules["_imp"]):
        for name in UNANNOUNCED:
            vars(module).pop(name, None)

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event not in ALLOWED_EVENTS or (event == "import" and args[0] not in loaded):
            raise PermissionError(f"code of a dataset may not do this: {event} {args[:1]!r}")

    sys.addaudithook(hook)


def run(source: str, function: str, value: object, official: bool) -> object:
    """`function(value)` of the code; its own globals, or the official way: globals and locals apart, with what it imports
    (as far as a pattern sees it), json and re among the globals."""
    space: dict[str, object] = {"__name__": "checker"}
    if official:
        local: dict[str, object] = {}
        for statement in ("import json", "import re", *_IMPORTS.findall(source)):
            exec(statement, space)
        exec(source, space, local)
        return local[function](value)  # type: ignore[operator]
    exec(source, space)
    return space[function](value)  # type: ignore[operator]


def main() -> None:
    descriptor = int(sys.argv[1])
    if sys.argv[-1] != "inside":
        give_up_rights()
    job = json.load(sys.stdin)
    for name in MODULES:
        __import__(name)
    limit(job["memory_bytes"], job["cpu_seconds"], job["wall_seconds"])
    refuse_the_rest()
    try:
        result = run(job["source"], job["function"], job["value"], job["official"])
        if not (result is None or isinstance(result, bool | int | float | str)):
            raise TypeError(f"the checker returned {type(result).__name__}; expected a bool, a number or text")
        answer = {"outcome": "returned", "value": result}
    except BaseException as error:  # the code may raise anything
        answer = {"outcome": "error", "detail": f"{type(error).__name__}: {error}"[:500]}
    written = json.dumps(answer).encode()
    if len(written) > MOST_BYTES:
        written = json.dumps({"outcome": "error", "detail": f"it returned {len(written):,} bytes"}).encode()
    os.write(descriptor, written)
    os._exit(0)


if __name__ == "__main__":
    main()
