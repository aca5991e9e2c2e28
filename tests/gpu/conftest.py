"""The device under test: a GPU if there is one, and the CPU, so that the tests are known to run.

pytest tests/gpu -m gpu        # on a machine with a GPU
"""

import pytest
import torch
from tiny_runs import (  # noqa: F401 - fixtures
    config_with,
    photos,
    tiny_backbone,
    tiny_config,
    tool,
    train_tool,
)

from plp.engine.runner import check_device

_NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


_CPU = pytest.param("cpu", marks=pytest.mark.slow)
_GPU = pytest.param("cuda", marks=[pytest.mark.gpu, _NEEDS_GPU])


@pytest.fixture(params=[_CPU, _GPU])
def device(request):
    """A device that float32 means float32 on."""
    return check_device(request.param, "fp32")
