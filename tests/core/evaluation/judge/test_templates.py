"""Prompts of the judge: fields are put in as they are, and a user's own template has the fields of ours."""

from pathlib import Path

import pytest

from ifrl_core.errors import ConfigError
from ifrl_core.evaluation.judge.templates import templates

FIELDS = {"constraint": "Use {answer} and {x}.", "answer": '{"1": {constraint}} \\1'}


def test_text_of_a_field_may_hold_braces_and_names_of_fields() -> None:
    text = templates().render("constraint", FIELDS)
    assert all(text.count(value) == 1 for value in FIELDS.values())
    assert '{"1": 1}' in text  # braces of the template


@pytest.mark.parametrize("fields", [{}, {"answer": "x"}, FIELDS | {"level": "1"}])
def test_other_fields_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"takes \{answer\}, \{constraint\}"):
        templates().render("constraint", fields)


def test_a_users_template_takes_the_place_of_ours_and_has_a_digest_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "constraint.txt").write_text("{answer}\nfollows {constraint}? {yes/no}\n", encoding="utf-8-sig")
    own, ours = templates(str(tmp_path)), templates()
    assert own.render("constraint", {"answer": "a", "constraint": "c"}) == "a\nfollows c? {yes/no}"
    assert own.texts["plain"] == ours.texts["plain"]
    assert own.digests(["plain"]) == ours.digests(["plain"])
    assert own.digests(["constraint"]) != ours.digests(["constraint"])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("constraint.txt", "{answer} {constraint} {reply}", r"constraint\.txt: \{reply\} is no field .*\{answer\}, "),
        ("constraint.txt", "{answer} {Constraint}", r"constraint\.txt: \{constraint\} is missing; .*\{answer\}, "),
        ("constrain.txt", "{answer}", r"constrain\.txt is no template of the judge; expected one of again, "),
        ("readme.md", "", "no .txt file"),
    ],
)
def test_a_users_folder_that_cannot_be_used_is_refused_by_file_and_field(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=told):
        templates(str(tmp_path))


def test_a_folder_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        templates(str(tmp_path / "none"))
    (tmp_path / "plain.txt").write_bytes(b"\xff{prompt}")
    with pytest.raises(ConfigError, match="cannot be read"):
        templates(str(tmp_path))
