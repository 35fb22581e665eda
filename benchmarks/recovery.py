"""From a cold `make stack` to a finished tiny run, and how long one takes to be Completed after a SIGKILL in its middle.

    python benchmarks/recovery.py [CASE ...]         (needs Postgres; the repository root on PYTHONPATH)

Each case kills in the middle of policy training, on one stack of `make stack`, from a policy that no run has trained before.
Nobody touches anything: the supervisor starts services again, Prefect's automations start runs again. What does not complete
within twenty minutes is retried by `prefect flow-run retry`, and the table says so. After each case the stages done before
are Cached, MLflow has one finished run of each stage, and nothing runs.
"""

import sys
import tempfile
import time
from collections.abc import Callable

from ifrl_core.artifacts import ArtifactStore
from ifrl_core.models.stage import import_model, model_source
from tests.deployments.stack_site import (
    Stack,
    changed_run,
    kill,
    nothing_is_left_or_doubled,
    running_stack,
    slots_taken,
)

LIMIT_S = 1200
AWAY_S = 150
WHOLE = ["policy.max_steps=3"]  # every weight is trained and uploaded, unlike in the tests


def kill_flow(stack: Stack, identity: str) -> None:
    process = stack.flow_process(identity)
    assert process is not None, "the run has no process"
    kill(process.pid)


def kill_worker(stack: Stack, identity: str) -> None:
    kill(stack.pid("worker"))


def kill_both(stack: Stack, identity: str) -> None:
    process = stack.flow_process(identity)
    kill_worker(stack, identity)
    assert process is not None, "the run has no process"
    kill(process.pid)


def kill_server(name: str) -> Callable[[Stack, str], None]:
    return lambda stack, identity: kill(stack.pid(name))


def away(name: str) -> Callable[[Stack, str], None]:
    """A server that is stopped for longer than a run may go without a heartbeat, counted from its stop."""

    def stop_and_start(stack: Stack, identity: str) -> None:
        stack.supervise("stop", name)
        time.sleep(AWAY_S)
        stack.supervise("start", name)

    return stop_and_start


CASES: dict[str, Callable[[Stack, str], None]] = {
    "nothing": lambda stack, identity: None,
    "flow process": kill_flow,
    "worker": kill_worker,
    "worker and flow process": kill_both,
    "prefect": kill_server("prefect"),
    "mlflow": kill_server("mlflow"),
    "postgres": kill_server("postgres"),
    "s3": kill_server("s3"),
    f"prefect, away for {AWAY_S} s": away("prefect"),
    f"mlflow, away for {AWAY_S} s": away("mlflow"),
}


def measure(stack: Stack, name: str, number: int) -> str:
    """One row: seconds from the kill to Completed and until no slot is taken, attempts, whether a hand was needed."""
    identity = changed_run(stack, WHOLE, policy__learning_rate=f"{number + 2}e-5")
    stack.wait_for(lambda: "policy" in stack.task_states(identity), "the policy stage")
    start, by_hand = time.monotonic(), "no"
    CASES[name](stack, identity)
    try:
        run = stack.wait_for_run(identity, LIMIT_S)
    except AssertionError:
        by_hand = "retried"
        done = stack.call("prefect", "flow-run", "retry", identity)
        assert done.returncode == 0, done.stderr
        run = stack.wait_for_run(identity, LIMIT_S)
    completed = time.monotonic() - start
    stack.wait_for(lambda: not slots_taken(stack), "a free slot", LIMIT_S)
    free = time.monotonic() - start
    nothing_is_left_or_doubled(stack, identity)
    return f"| {name} | {completed:.0f} | {free:.0f} | {run['run_count']} | {by_hand} |"


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        model = import_model(model_source("embedded:smollm2-135m"), {}, store)
        with running_stack(model, store) as stack:
            start = time.monotonic()
            done = stack.make("up")
            assert done.returncode == 0, done.stderr
            up = time.monotonic() - start
            first = changed_run(stack, WHOLE)
            stack.wait_for_run(first, LIMIT_S)
            print(
                f"cold `make stack`: up after {up:.0f} s, a first tiny run Completed after {time.monotonic() - start:.0f} s\n"
            )
            print(
                "| killed | s until Completed | s until all slots are free | attempts | by hand |\n|---|---|---|---|---|"
            )
            for number, name in enumerate(names):
                print(measure(stack, name, number), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
