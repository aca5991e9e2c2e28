"""Aligners: transport plans between the patches and the prompts of a class.

The pure functions stand on their own: `from plp.aligners import sinkhorn` serves anywhere.
"""

from plp.aligners._entropic import SinkhornResult
from plp.aligners.base import Aligner
from plp.aligners.max_sim import MaxSimAligner, max_sim_plan
from plp.aligners.mean import MeanAligner, mean_plan
from plp.aligners.sinkhorn import SinkhornAligner, sinkhorn
from plp.aligners.uniform import UniformAligner, uniform_plan

__all__ = [
    "Aligner",
    "MaxSimAligner",
    "MeanAligner",
    "SinkhornAligner",
    "SinkhornResult",
    "UniformAligner",
    "max_sim_plan",
    "mean_plan",
    "sinkhorn",
    "uniform_plan",
]
