"""What code of a dataset can and cannot do."""

import socket
import threading
from pathlib import Path

import pytest

from ifrl_core.evaluation import limited_code
from ifrl_core.evaluation.limited_code import CodeLimits, CodeResult, run_limited
from tests.patience import PATIENCE_S

QUICK = CodeLimits(wall_seconds=0.3, cpu_seconds=1)
UNHURRIED = CodeLimits(wall_seconds=PATIENCE_S)


def run(body: str, value: object = "text", limits: CodeLimits = UNHURRIED) -> CodeResult:
    source = "def check_following(response):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    return run_limited(source, "check_following", value, limits=limits)


def test_what_checkers_do_works() -> None:
    assert run("import re, json\nreturn bool(re.search('t', response)) and json.loads('[1]') == [1]").value is True
    assert run("return eval(response)", "'YES'").value == "YES"
    assert run("from collections import Counter, namedtuple\nP = namedtuple('P', 'a')\nreturn P(2).a").value == 2


def test_helpers_are_found_but_in_the_official_way() -> None:
    source = "def helper(x):\n    return x == 'text'\ndef check_following(response):\n    return helper(response)\n"
    assert run_limited(source, "check_following", "text").value is True
    result = run_limited(source, "check_following", "text", official=True)
    assert result.outcome == "error"
    assert "NameError" in result.detail


def test_it_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    for body in (
        f"return open({str(secret)!r}).read()",
        f"import io\nreturn io.FileIO({str(secret)!r}).read().decode()",
        f"import sys\nreturn sys.modules['posix'].open({str(secret)!r}, 0)",
        "import sys\nreturn str(sys.modules['os'].listdir('/'))",
    ):
        result = run(body)
        assert result.outcome == "error"
        assert "may not do this" in result.detail


def test_it_writes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    for body in (
        f"open({str(target)!r}, 'w').write('x')",
        "open('here', 'w').write('x')",
        f"import sys\nsys.modules['os'].mkdir({str(target)!r})",
        f"import sys\nsys.modules['posix'].mknod({str(target)!r})",
        f"import sys\nsys.modules['posix'].mkfifo({str(target)!r})",
        f"import sys\ndel sys.modules['posix']\nimport posix\nposix.mknod({str(target)!r})",
    ):
        assert run(body).outcome == "error"
    assert not target.exists()


def test_it_reaches_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reached = threading.Event()
        threading.Thread(target=lambda: (server.accept(), reached.set()), daemon=True).start()
        result = run(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))\nreturn True")
        assert result.outcome == "error"
        assert not reached.is_set()


@pytest.mark.parametrize(
    "body",
    [
        "import os\nwhile True:\n    os.fork()",
        "import sys\nwhile True:\n    sys.modules['posix'].fork()",
        "import subprocess\nreturn subprocess.run(['true']).returncode",
        "import threading\nthreading.Thread(target=print).start()",
        "import multiprocessing",
        "import ctypes",
        "import ifrl_core",
        "import numpy",
        "import sys\nsys.modules['os'].kill(1, 9)",
    ],
)
def test_it_starts_and_imports_nothing(body: str) -> None:
    result = run(body)
    assert (result.outcome, "may not do this" in result.detail or "KeyError" in result.detail) == ("error", True)


def test_it_gets_no_four_gibibytes() -> None:
    result = run("x = bytearray(4 * 2**30)\nreturn True")
    assert result.outcome == "error"
    assert "MemoryError" in result.detail


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time\ntime.sleep(3600)",
        "import sys\nwhile True:\n    try: sys.modules['signal'].setitimer(0, 0)\n    except: pass",
    ],
)
def test_it_does_not_loop_for_ever(body: str) -> None:
    assert run(body, limits=QUICK).outcome == "timeout"


def test_what_is_no_answer_is_an_error() -> None:
    assert "list" in run("return [response]").detail
    assert run("raise SystemExit").outcome == "error"
    assert run("return 'é' * 50_000") == CodeResult("error", detail="it returned 300,036 bytes")
    assert "SyntaxError" in run_limited("def check_following(:", "check_following", "x").detail


def test_the_kernel_holds_what_no_event_announces(tmp_path: Path) -> None:
    """With the functions there: whoever finds a way to them again is still refused, where the kernel has Landlock."""
    target = tmp_path / "made"
    child = Path(limited_code.__file__).with_name("code_child.py")
    script = tmp_path / "child.py"
    script.write_text(child.read_text().replace("UNANNOUNCED = (", "UNANNOUNCED = () and ("))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limited_code, "_CHILD", script)
        result = run(f"import sys\nsys.modules['posix'].mknod({str(target)!r})\nreturn True")
    if result.outcome == "returned":
        target.unlink()
        pytest.skip("the kernel has no Landlock")
    assert "PermissionError: [Errno 13]" in result.detail
    assert not target.exists()
