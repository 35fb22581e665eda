"""The accelerate config file: how the processes of a training share the model."""

from typing import Any

from ifrl_core.training.shape import Shape


def accelerate_config(shape: Shape, *, bf16: bool, offload: bool) -> dict[str, Any]:
    """The document; what differs from machine to machine is left to the command line."""
    kinds = {"single": "NO", "ddp": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": kinds[shape.strategy],
        "mixed_precision": "bf16" if bf16 else "no",
        "use_cpu": not shape.gpu,
        "num_machines": shape.machines,
        "num_processes": shape.processes,
        "rdzv_backend": "static",
        "same_network": True,
        **({"fsdp_config": _fsdp(offload)} if shape.strategy == "fsdp2" else {}),
        **({"deepspeed_config": _deepspeed(offload)} if shape.strategy == "zero3" else {}),
    }


def _fsdp(offload: bool) -> dict[str, Any]:
    return {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",  # the layer classes that the model names
        "fsdp_reshard_after_forward": True,
        "fsdp_offload_params": offload,
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
        # Every process reads the weights: trl does not send those of the reference model from one to the others.
        "fsdp_cpu_ram_efficient_loading": False,
    }


def _deepspeed(offload: bool) -> dict[str, Any]:
    where = "cpu" if offload else "none"
    return {
        "zero_stage": 3,
        "zero3_init_flag": True,
        "zero3_save_16bit_model": True,
        "offload_optimizer_device": where,
        "offload_param_device": where,
        "deepspeed_multinode_launcher": "standard",
    }
