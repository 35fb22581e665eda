"""How the training of a policy is started, and whether this machine can do what the recipe asks of it."""

import importlib.util
import os
import subprocess
import sys

from ifrl_core.config import PolicyConfig, batch_fault
from ifrl_core.errors import ConfigError
from ifrl_core.reward_model.serve.client import service_urls
from ifrl_core.training.launch import Launch, check_here
from ifrl_core.training.shape import Shape

VLLM_URL = "IFRL_VLLM_URL"


def policy_launch(config: PolicyConfig) -> Launch:
    return Launch(
        module="ifrl_core.policy.process",
        what="policy training",
        key="policy.launch",
        config=config.launch,
        bf16=config.bf16,
    )


def check_launch(config: PolicyConfig) -> Shape:
    """What the config comes to on this machine.

    Raises:
        ConfigError: when that is impossible here, with the fix.
    """
    shape = check_here(policy_launch(config))
    if fault := batch_fault(config.prompts_per_step, config.generations, config.micro_batch, shape.processes):
        raise ConfigError(f"policy: {fault}")
    if config.generation != "transformers":
        _check_vllm(config, shape)
    if config.turns == "all" and shape.gpu:
        raise ConfigError(
            "policy.turns all is answered on the CPU, and training would take this machine's GPUs: use policy.launch.device "
            "cpu, or turns last"
        )
    if config.launch.reward_model == "service":
        service_urls()
    return shape


def check_grpo(config: PolicyConfig) -> None:
    """Whether trl takes the values under `policy.grpo`, asked in a process of its own: making its configuration loads torch
    and sets variables of the environment.

    Raises:
        ConfigError: when it does not, with its words.
    """
    command = [sys.executable, "-m", "ifrl_core.policy.grpo_arguments"]
    done = subprocess.run(command, input=config.model_dump_json(), capture_output=True, text=True)
    if done.returncode:
        raise ConfigError(done.stderr.strip().splitlines()[-1])


def _check_vllm(config: PolicyConfig, shape: Shape) -> None:
    if not shape.gpu:
        raise ConfigError(
            f"policy.generation {config.generation} needs CUDA, and this machine has no GPU: use transformers here, or run "
            "the stage on a GPU pool (execution.pool)"
        )
    if importlib.util.find_spec("vllm") is None:
        raise ConfigError(f"policy.generation {config.generation} needs vLLM: pip install 'ifrl[vllm]'")
    if config.generation == "vllm_server" and not os.environ.get(VLLM_URL):
        raise ConfigError(
            f"policy.generation vllm_server needs {VLLM_URL} (http://host:8000): a vLLM server started with "
            'VLLM_SERVER_DEV_MODE=1 and --weight-transfer-config \'{"backend":"nccl"}\', on a private network'
        )
