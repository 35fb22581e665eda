"""How `policy.launch` becomes processes: what is started, what accelerate reads, what is refused."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from pydantic import ValidationError

from ifrl_core.artifacts import canonical_json
from ifrl_core.config import LaunchConfig, PolicyConfig, ProcessesConfig
from ifrl_core.errors import CollapseError, ConfigError
from ifrl_core.policy.launch import check_launch, policy_launch
from ifrl_core.training.job import ACCELERATE, CHECKPOINTS, FINAL
from ifrl_core.training.launch import Launch, environment, launch_command, run_training, write_launch
from ifrl_core.training.shape import Place, Shape, resolve
from tests.patience import PATIENCE_S

HERE = Place(0, "127.0.0.1", "29500")
JOB = Path("/some/job.json")
MODULE = "ifrl_core.policy.process"
TRAIN = ["-m", MODULE, "/some/job.json"]


@pytest.mark.parametrize(
    ("launch", "gpus", "shape"),
    [
        ({}, 0, Shape(False, 1, 1, "single")),
        ({}, 1, Shape(True, 1, 1, "single")),
        ({}, 8, Shape(True, 8, 1, "ddp")),
        ({"strategy": "single"}, 8, Shape(True, 1, 1, "single")),
        ({"device": "cpu"}, 8, Shape(False, 1, 1, "single")),
        ({"device": "cpu", "processes_per_machine": 2}, 8, Shape(False, 2, 1, "ddp")),
        ({"strategy": "fsdp2", "processes_per_machine": 4, "machines": 3}, 8, Shape(True, 4, 3, "fsdp2")),
        ({"processes_per_machine": 1, "machines": 2}, 1, Shape(True, 1, 2, "ddp")),
    ],
)
def test_a_launch_is_resolved_on_a_machine(launch: dict[str, Any], gpus: int, shape: Shape) -> None:
    assert resolve(ProcessesConfig(**launch), gpus, "policy.launch") == shape


@pytest.mark.parametrize(
    ("launch", "gpus", "message"),
    [
        ({"device": "gpu"}, 0, "wants 1 GPUs on a machine and this one has 0"),
        ({"processes_per_machine": 8}, 4, "wants 8 GPUs on a machine and this one has 4"),
        ({"strategy": "zero3"}, 0, "zero3 needs GPUs, and this machine has none: use ddp"),
    ],
)
def test_a_machine_that_cannot_is_refused_with_the_fix(launch: dict[str, Any], gpus: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(ProcessesConfig(**launch), gpus, "policy.launch")


def test_gpus_go_through_accelerate_processes_of_the_cpu_through_torchrun_and_one_alone_through_nothing() -> None:
    alone = launch_command(JOB, MODULE, Shape(False, 1, 1, "single"), HERE)
    assert alone[1:] == TRAIN
    one = launch_command(JOB, MODULE, Shape(True, 1, 1, "single"), HERE)
    assert one[1:5] == ["-m", "accelerate.commands.launch", "--config_file", f"/some/{ACCELERATE}"]
    two = launch_command(JOB, MODULE, Shape(False, 2, 1, "ddp"), HERE)
    assert two[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    many = launch_command(JOB, MODULE, Shape(True, 8, 3, "fsdp2"), Place(2, "host-0", "29511"))
    where = ["--machine_rank", "2", "--main_process_ip", "host-0", "--main_process_port", "29511"]
    assert where == many[many.index("--machine_rank") : -3]
    assert all(command[-3:] == TRAIN for command in (one, two, many))


@pytest.mark.parametrize(
    ("strategy", "kind"), [("single", "NO"), ("ddp", "MULTI_GPU"), ("fsdp2", "FSDP"), ("zero3", "DEEPSPEED")]
)
def test_accelerate_reads_the_file_that_is_written(tmp_path: Path, strategy: Any, kind: str) -> None:
    shape = Shape(True, 1 if strategy == "single" else 8, 1, strategy)
    write_launch(tmp_path, policy_launch(PolicyConfig()), shape)
    path = tmp_path / ACCELERATE
    read = load_config_from_file(str(path))
    assert (read.distributed_type.value, read.num_processes, read.use_cpu) == (kind, shape.processes, False)
    assert read.mixed_precision == "bf16"
    written = yaml.safe_load(path.read_text())
    assert ("fsdp_config" in written, "deepspeed_config" in written) == (strategy == "fsdp2", strategy == "zero3")


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        (None, "0"),
        ("", ""),  # none stays none
        ("3", "3"),
        ("2,0", "2"),
        (" 1 , 2", "1"),
        ("GPU-8932f937-d72c,GPU-1f22a253-c329", "GPU-8932f937-d72c"),
        ("MIG-GPU-8932f937/1/0,MIG-GPU-8932f937/2/0", "MIG-GPU-8932f937/1/0"),
        ("-1", "-1"),
        ("-1,0", "-1"),  # to CUDA, what follows is not there
    ],
)
@pytest.mark.parametrize("shape", [Shape(True, 1, 1, "single"), Shape(True, 1, 2, "ddp"), Shape(False, 1, 1, "single")])
def test_one_process_sees_one_device(shape: Shape, visible: str | None, device: str) -> None:
    inherited = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert environment(shape, inherited)["CUDA_VISIBLE_DEVICES"] == device


def test_threads_of_a_training_sleep_while_they_wait_whoever_starts_it() -> None:
    shape = Shape(False, 1, 1, "single")
    assert environment(shape, {})["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment(shape, {"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


def test_processes_of_many_share_the_devices_among_themselves() -> None:
    for shape in (Shape(True, 8, 1, "ddp"), Shape(True, 2, 2, "fsdp2")):
        assert "CUDA_VISIBLE_DEVICES" not in environment(shape, {"CUDA_VISIBLE_DEVICES": "2,0"})


TOY = Launch(
    module="tests.core.training.toy_training",
    what="toy training",
    key="toy.launch",
    config=ProcessesConfig(strategy="single"),
    bf16=False,
)


def test_a_single_process_trains_on_at_most_one_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    count = torch.cuda.device_count()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(str(device) for device in range(max(2, count))))
    (tmp_path / JOB.name).write_text("{}")
    run_training(tmp_path, TOY)
    devices = json.loads((tmp_path / FINAL / "devices.json").read_text())
    assert devices == {"gpus": min(1, count), "mode": "not_parallel", "visible": "0"}
    assert {path.name for path in tmp_path.iterdir() if FINAL in path.name} == {FINAL}


def test_an_error_of_ours_arrives_as_its_type_with_the_last_whole_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / CHECKPOINTS / "checkpoint-7"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    (tmp_path / JOB.name).write_text(json.dumps({"error": "it is spoilt"}))
    with pytest.raises(CollapseError, match=r"^it is spoilt. The last whole checkpoint is .*checkpoint-7$"):
        run_training(tmp_path, TOY)
    assert not (tmp_path / FINAL).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_every_process_dies_with_the_stage(tmp_path: Path) -> None:
    (tmp_path / JOB.name).write_text(json.dumps({"seconds": 600}))
    config = ProcessesConfig(device="cpu", processes_per_machine=2)
    launch = TOY.model_copy(update={"config": config})
    code = (
        "from ifrl_core.training.launch import Launch, run_training; import pathlib, sys\n"
        "run_training(pathlib.Path(sys.argv[1]), Launch.model_validate_json(sys.argv[2]))"
    )
    stage = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), launch.model_dump_json()])

    def launched() -> list[psutil.Process]:
        """torchrun and its ranks."""
        return [
            process
            for process in psutil.Process(stage.pid).children(recursive=True)
            if TOY.module in _line(process) and str(tmp_path) in _line(process)[-1]
        ]

    while len(started := launched()) < 3:
        assert stage.poll() is None
        time.sleep(0.1)
    stage.kill()
    stage.wait()
    _, alive = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert alive == []


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline() or [""]
    except psutil.Error:
        return [""]


def test_machines_find_each_other_by_the_environment() -> None:
    assert Place.of_environment(1, {"NODE_RANK": "3"}, "k") == HERE
    assert Place.of_environment(3, {"NODE_RANK": "2", "MASTER_ADDR": "a", "MASTER_PORT": "5"}, "k") == Place(
        2, "a", "5"
    )
    with pytest.raises(ConfigError, match="MASTER_ADDR must name the machine of NODE_RANK 0"):
        Place.of_environment(2, {}, "k")
    with pytest.raises(ConfigError, match="NODE_RANK 2 is not one of 2 machines"):
        Place.of_environment(2, {"NODE_RANK": "2", "MASTER_ADDR": "a"}, "k")


@pytest.mark.parametrize("generation", ["vllm_colocate", "vllm_server"])
def test_vllm_without_a_gpu_is_refused(generation: Any) -> None:
    with pytest.raises(ValidationError, match=f"generation {generation} needs GPUs: use transformers on the CPU"):
        PolicyConfig(generation=generation, launch=LaunchConfig(device="cpu"))
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(
            ConfigError, match=f"{generation} needs CUDA, and this machine has no GPU: use transformers"
        ):
            check_launch(PolicyConfig(generation=generation))


def test_batches_that_do_not_fit_the_processes_are_refused_with_the_fix() -> None:
    with pytest.raises(ValidationError, match=r"among 24 processes; .* a multiple of 24, such as 24"):
        PolicyConfig(launch=LaunchConfig(processes_per_machine=8, machines=3))
    with pytest.raises(ValidationError, match=r"micro_batch 8 does not divide .* / 4 processes = 20; use one of"):
        PolicyConfig(launch=LaunchConfig(processes_per_machine=4))


@pytest.mark.parametrize(
    ("launch", "message"),
    [
        ({"machines": 2}, "2 machines need processes_per_machine"),
        ({"strategy": "single", "processes_per_machine": 2}, "single is one process, not 2"),
        ({"strategy": "fsdp2", "device": "cpu"}, "fsdp2 needs GPUs"),
        ({"offload": True}, "offload needs strategy fsdp2 or zero3"),
    ],
)
def test_a_launch_that_contradicts_itself_is_refused(launch: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ProcessesConfig(**launch)


def test_how_a_policy_is_trained_is_not_what_it_is() -> None:
    elsewhere = PolicyConfig(launch=LaunchConfig(processes_per_machine=8, strategy="fsdp2"), micro_batch=2)
    assert canonical_json(elsewhere) == canonical_json(PolicyConfig(micro_batch=2))
    assert canonical_json(PolicyConfig(grpo={"epsilon": 0.1})) != canonical_json(PolicyConfig())


def test_a_reward_model_service_that_nobody_named_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PolicyConfig(launch=LaunchConfig(reward_model="service"))
    monkeypatch.delenv("IFRL_REWARD_MODEL_URL", raising=False)
    with pytest.raises(ConfigError, match=r"policy.launch.reward_model service\) needs IFRL_REWARD_MODEL_URL"):
        check_launch(config)
    monkeypatch.setenv("IFRL_REWARD_MODEL_URL", "http://127.0.0.1:8100")
    assert check_launch(config).processes == 1
