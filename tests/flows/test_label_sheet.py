"""`ifrl labels`: from a run to a sheet, judged in a real browser with keys alone, to figures; and its messages."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig
from ifrl_core.labels.stage import make_labels
from tests.browser import browser_context
from tests.core.ladders import ladders

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"> <b>bold</b>"


def ifrl(store: ArtifactStore, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in this process, as these start nothing and read nothing of Prefect or MLflow."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("IFRL_ROOT", store.root)
        patch.setattr(sys, "argv", ["ifrl", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(list(arguments), int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def labels(store: ArtifactStore) -> ArtifactRef:
    answers = {f"i-{n}": [f"A, {n}.", f"B {n}.", f"C, {n} {HOSTILE}", f"d {n}."] for n in range(4)}
    return make_labels(LabelsConfig(), ladders(store, answers), store)


@pytest.fixture
def sheet(labels: ArtifactRef, store: ArtifactStore, tmp_path: Path) -> Path:
    folder = tmp_path / "sheet"
    done = ifrl(store, "labels", "sheet", f"labels/{labels.fingerprint[:8]}", "-n", "8", "-o", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def page(sheet: Path, tmp_path: Path) -> Iterator[Any]:
    """The sheet opened from disk in a browser without a network; the profile keeps its storage over a restart."""
    with browser_context("--disable-gpu", profile=tmp_path / "profile", accept_downloads=True, offline=True) as context:
        opened = context.new_page()
        opened.errors = []
        opened.asked = []
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.goto((sheet / "sheet.html").as_uri())
        yield opened
        assert opened.errors == []
        assert all(url.startswith(("file:", "blob:")) for url in opened.asked), opened.asked


def count(page: Any) -> str:
    return str(page.inner_text("#count"))


def press_until_kept(page: Any, key: str, expected: str) -> None:
    """Press a key and reload, until the count is `expected` after a reload too.

    Chromium hands what a page stores to another process, and a reload ends the page's own: one that follows within
    milliseconds loses what was just stored (7 of 90 times on a busy machine), and shows what was there before.
    """
    before = count(page)
    for attempt in range(1, 21):
        page.keyboard.press(key)
        assert count(page) == expected
        page.wait_for_timeout(250 * attempt)
        page.reload()
        if count(page) == expected:
            return
        while count(page) != before:  # of what was pressed before it, the last was lost as well
            page.keyboard.press("u")
    raise AssertionError(f"{before} instead of {expected} after {attempt} reloads")


@pytest.mark.browser
def test_keys_alone_judge_undo_and_download_and_the_work_outlives_a_reload(
    page: Any, sheet: Path, store: ArtifactStore, tmp_path: Path
) -> None:
    key = json.loads((sheet / "key.json").read_text())["items"]
    total = len(key)
    assert count(page) == f"0 of {total}"
    for pressed in ("y", "n", "s"):
        page.keyboard.press(pressed)
    assert count(page) == f"3 of {total}"
    for pressed in ("u", "Backspace", "u"):
        page.keyboard.press(pressed)
    assert count(page) == f"0 of {total}"
    press_until_kept(page, "y", f"1 of {total}")
    for judgement in ("n", "s", *"y" * (total - 3)):
        page.keyboard.press(judgement)
    assert page.is_visible("#end")
    page.keyboard.press("n")  # nothing is left to judge
    assert count(page) == f"{total} of {total}"
    with page.expect_download() as download:
        page.keyboard.press("d")
    judged = tmp_path / download.value.suggested_filename
    download.value.save_as(judged)
    lines = judged.read_text().splitlines()
    assert lines == ["item,judgement", *map(",".join, zip(key, ["y", "n", "skip", *"y" * (total - 3)], strict=True))]
    done = ifrl(store, "labels", "grade", str(judged), "--key", str(sheet / "key.json"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["judged"] == total - 1


@pytest.mark.browser
def test_opening_writes_no_judgements(page: Any) -> None:
    """What an opened page restored may be older than what the browser is still storing: writing it would lose the newer."""
    stored = "Object.keys(localStorage).filter((name) => !name.endsWith('-probe'))"
    assert page.evaluate(stored) == []
    page.keyboard.press("y")
    assert len(page.evaluate(stored)) == 1


@pytest.mark.browser
def test_hostile_answers_are_shown_as_they_are_and_run_nothing(page: Any, sheet: Path) -> None:
    seen = []
    total = len(json.loads((sheet / "key.json").read_text())["items"])
    for _ in range(total):
        seen.append(page.inner_text("#response"))
        page.click("#skip")
    assert any(HOSTILE in text for text in seen)
    assert page.title().startswith("Sheet ")
    assert page.locator("main img, main b").count() == 0


@pytest.mark.browser
def test_a_key_held_down_or_pressed_with_control_judges_nothing_more(page: Any) -> None:
    page.keyboard.down("y")
    page.keyboard.down("y")  # the second press of a held key is a repeat
    page.keyboard.up("y")
    page.keyboard.press("Control+s")
    assert count(page).startswith("1 of")


def test_grade_says_what_people_think(sheet: Path, store: ArtifactStore, tmp_path: Path) -> None:
    key = json.loads((sheet / "key.json").read_text())["items"]
    judged = tmp_path / "judged.csv"
    judged.write_text("item,judgement\n" + "".join(f"{item},{'ny'[truth['label']]}\n" for item, truth in key.items()))
    done = ifrl(store, "labels", "grade", str(judged), "--key", str(sheet / "key.json"))
    assert done.returncode == 0, done.stderr
    assert "Kendall tau           1.000" in done.stdout
    assert "position consistency  100%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sheet", "labels/ffff"], "labels/ffff names 0 artifacts"),
        (["sheet", "no-such-run"], "holds no runs"),
        (["grade", "absent.csv", "--key", "absent.json"], "absent.json: no such file"),
    ],
)
def test_what_is_not_there_is_named_without_a_traceback(
    labels: ArtifactRef, store: ArtifactStore, arguments: list[str], said: str
) -> None:
    done = ifrl(store, "labels", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
