"""Out-of-distribution scores."""

from plp.scores.base import Score
from plp.scores.logits import MSP, Energy, Entropy, MaxLogit
from plp.scores.mcm import MCM, GlobalLocalMCM, LocalMCM
from plp.scores.sigmoid import JointEnergy, MaxSigmoid

__all__ = [
    "MCM",
    "MSP",
    "Energy",
    "Entropy",
    "GlobalLocalMCM",
    "JointEnergy",
    "LocalMCM",
    "MaxLogit",
    "MaxSigmoid",
    "Score",
]
