"""Engines that turn messages into text."""

from ifrl_core.inference.engine import Completion, Engine, Request, Sampling, request_seed

__all__ = ["Completion", "Engine", "Request", "Sampling", "request_seed"]
