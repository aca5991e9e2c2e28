"""Rows and result files for the tests of tables."""

import json
from pathlib import Path

from plp.results import Run


def rows(method, dataset, shots, values, **more):
    """Return a row for each seed: {seed: accuracy}."""
    more = {"seconds": {"train": 10.0, "test": 1.0}, "learned": 1000} | more
    return [
        Run(method, dataset, shots, seed, {"fused": value}, **more)
        for seed, value in values.items()
    ]


def write_result(folder, **entries):
    """Write a result.json with all that is needed."""
    result = {
        "schema": 1, "config_file": "configs/coop/lite_16shot.py", "dataset": "dtd", "shots": 4,
        "seed": 1, "accuracy": {"fused": 50.0, "zero_shot": 20.0}, "selection": "last",
        "epochs": 3, "seconds": {"train": 2.0, "test": 1.0},
        "learned_parameters": {"a": [2, 3], "b": [4]}, "device": "cpu", "git_commit": "abc",
        "config": {"data": {"shots": 4}, "randomness": {"seed": 1},
                   "optim_wrapper": {"optimizer": {"lr": 0.1}}},
    }  # fmt: skip
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result | entries), encoding="utf-8")
    return folder
