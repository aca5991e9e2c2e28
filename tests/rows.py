"""Rows and result files for the tests of tables."""

import json
from pathlib import Path

from plp.results import Run
from plp.results.schema import VERSION


def rows(method, dataset, shots, values, **more):
    """Return a row for each seed: {seed: accuracy}."""
    more = {"seconds": {"train": 10.0, "test": 1.0}, "learned": 1000} | more
    return [
        Run(method, dataset, shots, seed, {"fused": value}, **more)
        for seed, value in values.items()
    ]


def result_of(**entries):
    """Return a whole result of a run, as it stands in a file."""
    result = {
        "schema_version": VERSION, "kind": "run", "config_file": "configs/coop/lite_16shot.py",
        "config": {"data": {"shots": 4}, "randomness": {"seed": 1},
                   "optim_wrapper": {"optimizer": {"lr": 0.1}}},
        "recipe": {}, "dataset": "dtd", "class_names": ["banded", "dotted"], "shots": 4,
        "sampler": "exact", "split_hash": "ab12", "images": {"train": 8, "val": 8, "test": 20},
        "seed": 1, "transforms": {"eval": "ClipEval()"}, "prompts": [],
        "learned_parameters": {"a": [2, 3], "b": [4]}, "backbone_fingerprint": "cd34",
        "precision": "fp32", "device": "cpu", "versions": {"plp": "0"}, "git_commit": "abc",
        "notes": [], "seconds": {"train": 2.0, "test": 1.0}, "peak_memory": {"process_mib": 1},
        "selection": "last", "epochs": 3, "steps": 9, "fitted": [], "resumed": False,
        "validation": {"accuracy": {"fused": 55.0}, "num_images": 8},
        "accuracy": {"fused": 50.0, "zero_shot": 20.0}, "per_class_accuracy": {"banded": 50.0},
        "num_test_images": 20,
    }  # fmt: skip
    return result | entries


def write_result(folder, **entries):
    """Write a result.json with all that is needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result_of(**entries)), encoding="utf-8")
    return folder


def metrics_of(fpr95, auroc):
    """Return the metrics of a score on a set; the two meanings of FPR95 differ."""
    return {"auroc": auroc, "aupr_in": 70.0, "aupr_out": 60.0, "fpr95_id": fpr95,
            "fpr95_ood": fpr95 + 7.0}  # fmt: skip


def ood_result(scores=("GlobalLocalMCM", "MCM"), near=(40.0, 80.0), far=(20.0, 90.0), **entries):
    """Return a whole result of OOD detection, with a near and a far set."""
    mean = tuple((a + b) / 2 for a, b in zip(near, far, strict=True))
    score = {
        "score": "MCM",
        "sets": {"dogs": metrics_of(*near), "textures": metrics_of(*far)},
        "average": {"near": metrics_of(*near), "far": metrics_of(*far), "all": metrics_of(*mean)},
    }
    result = result_of() | {
        "kind": "ood", "checkpoint": "run", "trained_on": "dtd", "on_error": "stop",
        "in_distribution": {"images": 20, "accuracy": {"fused": 50.0}, "calibration": {}},
        "ood_sets": {"dogs": {"group": "near"}, "textures": {"group": "far"}},
        "scores": dict.fromkeys(scores, score),
    }  # fmt: skip
    return result | entries


def write_ood_result(folder, **entries):
    """Write an ood.json with all that is needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ood.json").write_text(json.dumps(ood_result(**entries)), encoding="utf-8")
    return folder
