"""Out-of-distribution scores."""

from plp.scores.base import Score
from plp.scores.logits import MSP, Energy, Entropy, MaxLogit
from plp.scores.mcm import MCM, GlobalLocalMCM, LocalMCM

__all__ = [
    "MCM",
    "MSP",
    "Energy",
    "Entropy",
    "GlobalLocalMCM",
    "LocalMCM",
    "MaxLogit",
    "Score",
]
