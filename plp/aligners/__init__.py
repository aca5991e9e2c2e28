"""Aligners: transport plans between the patches and the prompts of a class.

The pure functions stand on their own: `from plp.aligners import sinkhorn` serves anywhere.
"""

from plp.aligners._solution import SinkhornResult
from plp.aligners.base import Aligner
from plp.aligners.diagnostics import PlanDiagnostics, interaction, plan_diagnostics
from plp.aligners.max_sim import MaxSimAligner, max_sim_plan
from plp.aligners.mean import MeanAligner, mean_plan
from plp.aligners.partial import PartialAligner, partial_sinkhorn
from plp.aligners.sinkhorn import SinkhornAligner, sinkhorn
from plp.aligners.solver import Sinkhorn
from plp.aligners.unbalanced import UnbalancedSinkhornAligner, unbalanced_sinkhorn
from plp.aligners.uniform import UniformAligner, uniform_plan

__all__ = [
    "Aligner",
    "MaxSimAligner",
    "MeanAligner",
    "PartialAligner",
    "PlanDiagnostics",
    "Sinkhorn",
    "SinkhornAligner",
    "SinkhornResult",
    "UnbalancedSinkhornAligner",
    "UniformAligner",
    "interaction",
    "max_sim_plan",
    "mean_plan",
    "partial_sinkhorn",
    "plan_diagnostics",
    "sinkhorn",
    "unbalanced_sinkhorn",
    "uniform_plan",
]
