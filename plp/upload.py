"""Small tensors of the host on their way to a device."""

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to a device without waiting for what is queued there; what is there already stays.

    Args:
        tensor: Such as indices, made on the CPU.
        device: Where it is needed.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # from other memory the copy may wait after all
    return tensor.to(device, non_blocking=True)
