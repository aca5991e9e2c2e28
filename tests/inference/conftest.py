import pytest
from tiny_runs import (  # noqa: F401 - fixtures
    config_with,
    photos,
    tiny_backbone,
    tiny_config,
    trained,
)

import plp


@pytest.fixture(scope="session")
def clf(trained):  # noqa: F811
    """The classifier of the trained run; tests do not change it."""
    return plp.load(trained, device="cpu")


@pytest.fixture(scope="session")
def paths(photos):  # noqa: F811
    """All photos."""
    return sorted(photos.rglob("*.png"))
