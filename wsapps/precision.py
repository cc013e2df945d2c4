"""What a device can compute in."""

from __future__ import annotations

import torch


def widest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no more."""
    return torch.float32 if device.type == "mps" else torch.float64
