"""Where the network runs."""

from __future__ import annotations

import torch


class DeviceUnavailable(ValueError):
    """The device that was asked for is not here."""


def choose_device(name: str) -> torch.device:
    """``auto`` (CUDA if there is any), ``cpu`` or ``cuda[:N]`` as a device.

    Raises:
        DeviceUnavailable: no such device on this machine.
        ValueError: not one of these names.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise ValueError(f"device is {name!r}; it must be auto, cpu, cuda or cuda:N")
    if kind == "cuda" and not (torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count()):
        raise DeviceUnavailable(f"device {name} is not available: {torch.cuda.device_count()} CUDA devices here")
    return torch.device(name)
