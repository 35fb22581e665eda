"""What may name a model, and what is said of what names none."""

from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.artifacts.digest import digest_of_bytes
from ifrl_core.errors import ModelError
from ifrl_core.models.folder import model_folder
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.models.uri import form, split_revision


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a model, and one that is none of them."""
    (tmp_path / "m").mkdir()
    for name in ("config.json", "model.safetensors", "training.log"):
        (tmp_path / "m" / name).write_text("{}")
    return tmp_path / "m"


def test_the_forms(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert form("embedded:smollm2-135m") == "embedded"
    assert form("models:/ifrl-policy@champion") == "registered"
    assert form("s3://bucket/prefix") == "remote"
    assert form(str(folder)) == "folder"
    assert form("Qwen/Qwen2.5-7B-Instruct") == form("Qwen/Qwen2.5-7B-Instruct@a09a354") == "hub"
    assert split_revision("Qwen/Qwen2.5-7B-Instruct@a09a354") == ("Qwen/Qwen2.5-7B-Instruct", "a09a354")
    assert split_revision("a/b") == ("a/b", None)
    monkeypatch.chdir(folder.parent.parent)
    assert form(f"{folder.parent.name}/m") == "folder", "a folder goes before a hub id"


@pytest.mark.parametrize("uri", ["./gone/m", "/gone", "a/b/c", "name"])
def test_what_names_no_model_is_refused_with_the_forms(uri: str) -> None:
    with pytest.raises(ModelError, match=r"is not a folder; name a folder, a hub id .* embedded:smollm2-135m"):
        model_source(uri)


def test_an_embedded_model_that_there_is_not() -> None:
    with pytest.raises(ModelError, match="is not embedded; known: embedded:smollm2-135m"):
        model_source("embedded:gpt-5")


def test_a_folder_without_a_config_or_with_pickled_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors \(pickled weights are never read\)"):
        model_source(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        model_source(str(folder))


def test_identity_is_what_the_files_of_the_model_hold(folder: Path, store: ArtifactStore) -> None:
    source = model_source(str(folder))
    line = digest_of_bytes(b"{}")
    assert source.digest == digest_of_bytes(f"config.json\0{line}\nmodel.safetensors\0{line}\n".encode())
    (folder / "training.log").write_text("more")
    assert model_source(str(folder)) == source
    assert model_folder(import_model(source, {}, store), store) == folder
