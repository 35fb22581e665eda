"""A stage's training, from its job in the work folder to `final/`: started, shown, kept in the store, gone on with."""

from collections.abc import Callable

from ifrl_core.records import Row
from ifrl_core.stages.stage import Work
from ifrl_core.training.checkpoint_upload import kept_in_store
from ifrl_core.training.checkpoints import remove_half_written
from ifrl_core.training.job import CHECKPOINTS, FINAL, read_provenance
from ifrl_core.training.launch import Launch, run_training


def train_in_child(launch: Launch, stage: str, work: Work, on_row: Callable[[Row], None]) -> None:
    """Run the job in the scratch folder of `work` until FINAL is there, from the last whole checkpoint, here or in the
    store. What the process says of itself joins the provenance of `work`.

    Raises:
        ConfigError: when this machine cannot run the processes.
        TrainingError: when they fail; an error of ours arrives as its type.
    """
    if not (work.scratch / FINAL).exists():
        _run(launch, stage, work, on_row)
    work.provenance["training"] = read_provenance(work.scratch)


def _run(launch: Launch, stage: str, work: Work, on_row: Callable[[Row], None]) -> None:
    remove_half_written(work.scratch / CHECKPOINTS)
    remote = work.store.checkpoints(stage, work.fingerprint)
    with kept_in_store(work.store, remote, work.scratch / CHECKPOINTS) as uploads:

        def report(row: Row) -> None:
            on_row(row)
            if uploads:
                uploads.look(int(row["step"]))

        run_training(work.scratch.resolve(), launch, report)
