"""Errors that a user can cause and mend.

Every tool prints a `PlpError` as one message without a traceback and exits with status 2. Anything
else that escapes a tool is a bug in plp or in a user's component, and keeps its traceback.
"""


class PlpError(ValueError):
    """Base of all errors that name what was expected, what came, and what to do."""


class ConfigError(PlpError):
    """A config, a flag, or the keywords of a component do not fit."""


class UnknownComponentError(ConfigError):
    """A registry was asked for a name it does not hold."""


class DataError(PlpError):
    """A folder, a split file or an image is missing or unreadable."""


class WeightsError(PlpError):
    """Pretrained weights cannot be had or do not fit the architecture."""


class CheckpointError(PlpError):
    """A checkpoint is missing, damaged, or belongs to another model or other classes."""
