"""One row of keywords, or several, for every registered aligner."""

import math

ALIGNER_CASES = {
    "SinkhornAligner": [
        {},
        {"epsilon": 0.02, "max_iterations": 300},
        {"gradient": "implicit"},
        {"gradient": "unroll", "max_iterations": 30},
    ],
    "UnbalancedSinkhornAligner": [
        {},
        {"rho_patches": 0.5, "rho_prompts": 0.5, "gradient": "implicit"},
        {"rho_patches": 0.0, "rho_prompts": math.inf},
        {"rho_patches": 0.2, "gradient": "unroll", "max_iterations": 30},
    ],
    "PartialAligner": [{}, {"mass": 1.0}, {"mass": 0.7, "gradient": "implicit"}],
    "MaxSimAligner": [{}],
    "MeanAligner": [{}],
    "UniformAligner": [{}],
}

ROWS = [(name, keywords) for name, rows in ALIGNER_CASES.items() for keywords in rows]
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in keywords.items())}" for name, keywords in ROWS]
