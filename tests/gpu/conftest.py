"""The device under test: the CPU always, so that these tests are known to run, a GPU if there is.

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


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, _NEEDS_GPU])])
def device(request):
    """A device that float32 means float32 on."""
    return check_device(request.param, "fp32")
