"""What the documents and docstrings point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("ifrl_core", "tasks", "flows", "deployments", "docker", "tests", "benchmarks", "docs")
PATHS = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w(?:\.\w+)?/?)")

OF_LIBRARIES = ("trainer/grpo_config.py", "trainer/base_config.py", "training_args.py")


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_paths_in_the_documents_exist(page: str) -> None:
    paths = {path.rstrip("/") for path in PATHS.findall((ROOT / page).read_text(encoding="utf-8"))}
    made_by_users = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    assert not [path for path in sorted(paths - made_by_users) if not (ROOT / path).exists()]


def test_modules_that_docstrings_and_comments_name_exist() -> None:
    gone = []
    for folder in FOLDERS[:4]:
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"(?<![\w./-])(\w+(?:/\w+)*\.py)\b", path.read_text(encoding="utf-8")):
                places = (*path.parents, ROOT / "ifrl_core", ROOT / "tests")
                if name not in OF_LIBRARIES and not any((place / name).exists() for place in places):
                    gone.append(f"{path.relative_to(ROOT)}: {name}")
    assert not gone
