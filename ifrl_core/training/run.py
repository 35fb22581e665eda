"""A stage's training, from its job in the work folder to `final/`: started, shown, kept in the store, gone on with."""

from collections.abc import Callable

from ifrl_core.records import Row
from ifrl_core.stages.stage import Work
from ifrl_core.training.checkpoint_upload import kept_in_store
from ifrl_core.training.job import CHECKPOINTS, FINAL
from ifrl_core.training.launch import Launch, run_training


def train_in_child(launch: Launch, stage: str, work: Work, on_row: Callable[[Row], None]) -> None:
    """Run the job in the scratch folder of `work` until FINAL is there, from the last whole checkpoint, here or in the
    store.

    Raises:
        ConfigError: when this machine cannot run the processes.
        TrainingError: when they fail; an error of ours arrives as its type.
    """
    if (work.scratch / FINAL).exists():
        return
    remote = work.store.checkpoints(stage, work.fingerprint)
    with kept_in_store(work.store, remote, work.scratch / CHECKPOINTS) as uploads:

        def report(row: Row) -> None:
            on_row(row)
            if uploads:
                uploads.look()

        run_training(work.scratch.resolve(), launch, report)
