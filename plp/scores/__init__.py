"""Out-of-distribution scores."""

from plp.scores.base import Score
from plp.scores.mcm import MCM, GlobalLocalMCM, LocalMCM

__all__ = ["MCM", "GlobalLocalMCM", "LocalMCM", "Score"]
