"""The flag --cfg-options: entries of the config as text."""

import argparse
from typing import Any

from plp.config.values import parse_value
from plp.errors import ConfigError


class CfgOptions(argparse.Action):
    """Collects KEY=VALUE into a dict; refuses what has no KEY, no `=` or no VALUE."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the options to those of earlier flags."""
        found = dict(getattr(namespace, self.dest, None) or {})
        for option in values:
            key, equals, value = option.partition("=")
            if not equals or not all(part.strip() for part in key.split(".")):
                raise ConfigError(
                    f"{option_string}: expected KEY=VALUE, such as data.batch_size=8, "
                    f"got {option!r}"
                )
            if not value.strip():
                raise ConfigError(
                    f"{option_string}: expected a value, got {option!r}. Is a variable of the "
                    f"shell unset? An empty text is {key}=\"''\", nothing is {key}=None"
                )
            found[key] = parse_value(value)
        setattr(namespace, self.dest, found)
