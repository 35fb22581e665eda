"""What `ifrl store diff` says: what matters first, and the first cause in what the two are made of."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.store import app
from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig, RolloutsConfig
from ifrl_core.labels.stage import make_labels
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.stages.differences import Difference, compared
from ifrl_core.stages.stage import Inputs, Stage


def put(
    store: ArtifactStore, stage: Stage, config: RolloutsConfig | LabelsConfig, inputs: Inputs, made_by: str
) -> ArtifactRef:
    """An artifact of a stage, without its work."""
    work = stage.work(config, inputs, store, lambda *_, **__: None, seed=0)
    work.writer.write_json("out.json", [config.model_dump(mode="json"), sorted(inputs)])
    content = {"verdict": "v"} if stage.content else {}
    provenance = {"libraries": {"torch": made_by}, "shards": [{"dtype": "float32", "threads": str(len(made_by))}]}
    return work.writer.commit({"count": len(made_by)}, content=content, provenance=provenance)


@pytest.fixture
def two(store: ArtifactStore) -> tuple[ArtifactRef, ArtifactRef]:
    """Labels of rollouts that differ in a field that says what and in one that says how, made with other libraries."""
    made = []
    for samples, batch_size, torch in ((1, 8, "2.1"), (2, 16, "2.10")):
        config = RolloutsConfig(samples=samples, batch_size=batch_size)
        rollouts = put(store, make_rollouts, config, {}, torch)
        made.append(put(store, make_labels, LabelsConfig(), {"rollouts": rollouts}, torch))
    return made[0], made[1]


def test_what_matters_comes_first_and_the_cause_below(
    store: ArtifactStore, two: tuple[ArtifactRef, ArtifactRef]
) -> None:
    labels, rollouts = compared(store, *two)
    assert [(item.part, item.name) for item in labels.differences] == [
        ("inputs", "rollouts"),
        ("provenance", "libraries.torch"),
        ("provenance", "shards.1.threads"),
        ("figures", "count"),
    ]
    assert (rollouts.depth, rollouts.differences[:3]) == (
        1,
        [
            Difference("config", "samples", 1, 2),
            Difference("how", "batch_size", 8, 16),
            Difference("provenance", "libraries.torch", "2.1", "2.10"),
        ],
    )
    assert [pair.differences for pair in compared(store, two[0], two[0])] == [[]]


def test_the_command_prints_it(
    store: ArtifactStore, two: tuple[ArtifactRef, ArtifactRef], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IFRL_ROOT", store.root)
    names = [f"labels/{ref.fingerprint[:20]}" for ref in two]
    said = CliRunner().invoke(app, ["diff", *names]).stdout
    assert "made of rollouts/" in said
    assert said.index("inputs ") < said.index("provenance ") < said.index("config ") < said.index("how ")
    assert "samples                                  1 -> 2" in said
    assert CliRunner().invoke(app, ["diff", names[0], names[0]]).stdout.endswith("no difference\n")
