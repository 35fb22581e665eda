"""A model is resolved once: an artifact is loaded from exactly the files that it was made from, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, digest
from ifrl_core.artifacts.digest import digest_of_file
from ifrl_core.config.base import GenerationConfig
from ifrl_core.errors import ArtifactError, ModelError
from ifrl_core.inference import Sampling
from ifrl_core.inference.open import forget_engine, open_engine
from ifrl_core.models import copies
from ifrl_core.models.content import digest_of_model
from ifrl_core.models.folder import local_folder, model_folder
from ifrl_core.models.resolve import at_hand
from ifrl_core.models.stage import import_model, model_source
from ifrl_core.models.uri import form
from tests.core.artifacts.makers import age, flip_byte

PICKLED, EQUAL_SIZE = b"pickled", b"more weights"


def write_model(folder: Path, weights: bytes = b"some weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of a model; an empty cache folder, and no work folder."""
    monkeypatch.setenv("IFRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IFRL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return write_model(tmp_path / "m")


def imported(uri: str, store: ArtifactStore) -> ArtifactRef:
    return import_model(model_source(uri), {}, store)


def change_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(EQUAL_SIZE)


def add_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages }}")


def add_named_template(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}")


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (change_weights, "model.safetensors"),
        (add_template, "chat_template.jinja"),
        (add_named_template, "additional_chat_templates/tool_use.jinja"),
        (remove_config, "config.json"),
    ],
)
def test_a_folder_that_changed_is_refused_under_its_old_artifact(
    change: Callable[[Path], None], changed: str, folder: Path, store: ArtifactStore
) -> None:
    ref, was = imported(str(folder), store), digest_of_model(folder)
    change(folder)
    with pytest.raises(ModelError, match="start the run again") as refused:
        model_folder(ref, store)
    for part in (str(folder), was, digest_of_model(folder), f"(other: {changed})"):
        assert part in str(refused.value)
    if changed != "config.json":
        assert model_folder(imported(str(folder), store), store) == folder, "under its own artifact it is used"


def test_a_folder_that_changes_between_plan_and_import_is_refused(folder: Path, store: ArtifactStore) -> None:
    source = model_source(str(folder))
    change_weights(folder)
    with pytest.raises(ModelError, match=source.digest):
        import_model(source, {}, store)


def test_a_link_that_moves_on_leaves_the_artifact_where_it_was(folder: Path, store: ArtifactStore) -> None:
    link = folder.with_name("current")
    link.symlink_to(folder)
    ref = imported(str(link), store)
    link.unlink()
    link.symlink_to(write_model(folder.with_name("m2"), EQUAL_SIZE))
    assert model_folder(ref, store) == folder
    assert model_folder(imported(str(link), store), store) == folder.with_name("m2")


def test_a_folder_is_found_from_elsewhere_and_where_it_went(
    folder: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    ref = imported("./m", store)
    (folder.parent / "other").mkdir()
    monkeypatch.chdir(folder.parent / "other")
    assert model_folder(ref, store) == folder
    folder.rename(folder.parent / "other" / "m")
    assert model_folder(ref, store) == folder.parent / "other" / "m"
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ModelError, match=r"not what was imported.*/m is not there on .*\./m' is not a folder"):
        model_folder(ref, store)


def test_artifacts_that_hold_only_a_uri_and_a_digest_are_read(folder: Path, store: ArtifactStore) -> None:
    source = model_source(str(folder))
    writer = store.writer("model", 1, "a" * 64, {}, {})
    writer.write_json("source.json", {"uri": source.uri, "digest": source.digest})
    ref = writer.commit({})
    assert model_folder(ref, store) == folder
    change_weights(folder)
    with pytest.raises(ModelError, match=source.digest):
        model_folder(ref, store)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_large_weights_are_read_once_for_their_digest(
    scheme: str, folder: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "model.safetensors").write_bytes(b"weights " * (9 << 17))
    age(folder, 3600)
    hashed: list[str] = []

    def counting(path: Path) -> str:
        hashed.append(path.name)
        return digest_of_file(path)

    monkeypatch.setattr(digest, "digest_of_file", counting)
    monkeypatch.setattr(copies, "digest_of_file", counting)
    for _ in range(2):  # two runs, of two tasks each
        ref = imported(f"{scheme}{folder}", store)
        assert model_folder(ref, store) == model_folder(ref, store)
    assert hashed.count("model.safetensors") == 1


def test_where_a_model_was_found_is_no_part_of_what_it_is(folder: Path, store: ArtifactStore) -> None:
    source = model_source(str(folder))
    elsewhere = source.model_copy(update={"pinned": "/elsewhere", "revision": "1"})
    assert import_model.fingerprint(source, {}, seed=0) == import_model.fingerprint(elsewhere, {}, seed=0)


def commit_to_hub(cache: Path, commit: str, weights: bytes) -> None:
    """A commit of `org/m` as huggingface_hub keeps what it has downloaded, and the branch that points to it."""
    repository = cache / "models--org--m"
    write_model(repository / "snapshots" / commit, weights)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)


def test_a_hub_id_is_loaded_at_the_commit_that_was_imported(
    folder: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, first, second = folder.parent / "hub", "1" * 40, "2" * 40
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    commit_to_hub(hub, first, b"some weights")
    ref = imported("org/m", store)
    assert store.manifest(ref).figures["revision"] == first
    assert store.read_json(ref, "source.json")["pinned"] == f"org/m@{first}"
    commit_to_hub(hub, second, EQUAL_SIZE)
    assert model_folder(ref, store).name == first
    assert model_folder(imported("org/m", store), store).name == second
    assert local_folder(f"org/m@{first}").name == first


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_model_elsewhere_is_copied_under_its_digest_without_its_pickles(folder: Path, store: ArtifactStore) -> None:
    for other in ("pytorch_model.bin", "scheduler.pt", "optimizer.pth", "training.log"):
        (folder / other).write_bytes(PICKLED)
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    add_named_template(folder)
    copy = local_folder(f"file://{folder}")
    assert copy == folder.parent / "cache" / "models" / digest_of_model(folder)
    assert names(copy) == {"config.json", "model.safetensors", "additional_chat_templates/tool_use.jinja"}
    assert model_folder(imported(f"file://{folder}", store), store) == copy
    assert {path.name for path in copy.parent.iterdir()} == {copy.name, ".sources", ".placing.lock"}, (
        "nothing is left over"
    )


def test_weights_of_equal_size_are_another_copy(folder: Path, store: ArtifactStore) -> None:
    uri = f"file://{folder}"
    assert form(uri) == "remote"
    ref, first = imported(uri, store), local_folder(uri)
    change_weights(folder)
    second = local_folder(uri)
    assert (second / "model.safetensors").read_bytes() == EQUAL_SIZE
    assert model_folder(ref, store) == first
    assert (first / "model.safetensors").read_bytes() == b"some weights", "a run that uses it goes on with it"


def test_another_machine_fetches_what_an_artifact_points_to_or_refuses(
    folder: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = imported(f"file://{folder}", store)
    monkeypatch.setenv("IFRL_CACHE", str(folder.parent / "second"))
    assert model_folder(ref, store) == folder.parent / "second" / "models" / digest_of_model(folder)
    change_weights(folder)
    monkeypatch.setenv("IFRL_CACHE", str(folder.parent / "third"))
    with pytest.raises(ModelError, match=digest_of_model(folder)):
        model_folder(ref, store)


def test_what_is_at_hand_is_known_without_fetching(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"file://{folder}"
    assert at_hand(str(folder)) == folder
    assert at_hand(uri) is at_hand("embedded:smollm2-135m") is None
    assert local_folder(uri) == at_hand(uri)
    change_weights(folder)
    assert at_hand(uri) is None
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder.parent / "hub"))
    assert at_hand("org/m") is None
    commit_to_hub(folder.parent / "hub", "1" * 40, b"some weights")
    assert at_hand("org/m") == folder.parent / "hub" / "models--org--m" / "snapshots" / ("1" * 40)


def test_a_copy_that_was_damaged_is_fetched_again_or_refused(folder: Path, store: ArtifactStore) -> None:
    uri = f"file://{folder}"
    ref, copy = imported(uri, store), local_folder(uri)
    change_weights(copy)
    assert model_folder(ref, store) == copy
    assert (copy / "model.safetensors").read_bytes() == b"some weights"
    change_weights(copy)
    change_weights(folder)
    with pytest.raises(ModelError, match=copy.name):
        model_folder(ref, store)


def test_what_is_no_model_elsewhere_is_refused_before_it_is_copied(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        local_folder(f"file://{folder}")
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        local_folder(f"file://{folder}")
    assert not (folder.parent / "cache").exists()


def test_a_model_that_the_disk_has_no_room_for_is_refused_before_it_is_fetched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearly_full = shutil.disk_usage(folder)._replace(free=20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: nearly_full)
    with pytest.raises(
        ArtifactError, match=r"takes 0\.00 GiB .*free some space, or name another folder with IFRL_CACHE"
    ):
        local_folder(f"file://{folder}")
    assert not list(folder.parent.glob("cache/models/*/*.safetensors"))


def test_a_registered_model_where_nothing_is_registered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ModelError, match=r"there is no .*home/mlflow\.db, so nothing is registered; set IFRL_HOME"):
        local_folder("models:/ifrl-policy@challenger")
    with pytest.raises(ModelError, match="is not models:/name@alias or models:/name/version"):
        local_folder("models:/ifrl/policy/3")
    assert names(folder.parent) == {"m/config.json", "m/model.safetensors"}, "asking makes no database"


@pytest.mark.model
def test_an_engine_is_not_kept_for_a_folder_that_holds_other_weights(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path, store: ArtifactStore
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(model_folder(tiny_model, model_store), folder)
    config, ref = GenerationConfig(), imported(str(folder), store)
    engine = open_engine(config, ref, store)
    assert not engine.generate([], Sampling(1))
    flip_byte(folder / "model.safetensors")
    with pytest.raises(ModelError, match="is not what was imported"):
        open_engine(config, ref, store)
    again = open_engine(config, imported(str(folder), store), store)
    assert not again.generate([], Sampling(1))
    with pytest.raises(ModelError, match="is not what was imported"):
        engine.generate([], Sampling(1))
    forget_engine()
