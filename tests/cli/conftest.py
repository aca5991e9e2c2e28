from bad_world import place, world  # noqa: F401 - fixtures
from tiny_runs import (  # noqa: F401 - fixtures
    config_with,
    photos,
    tiny_backbone,
    tiny_config,
    tool,
    train_tool,
    trained,
)
