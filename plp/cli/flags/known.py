"""Names that help and choices show, written out: what defines them takes seconds to import.

`tests/cli/test_flags.py` compares each with its definition.
"""

ROWS = ("table", "csv", "jsonl")  # plp.cli.rows.FORMATS
PROGRAMS = ("onnx", "torch")  # plp.export.write.FORMATS
PROBABILITIES = ("softmax", "sigmoid")  # plp.probability.PROBABILITIES
RECALL = 0.95  # plp.inference.rejection.RECALL
GROUPS = ("eleven", "shifts")  # plp.sweeps.compare.sources.GROUPS
OOD_SETS = ("inaturalist", "sun", "places", "textures")  # plp.datasets.OOD_BENCHMARKS
KINDS = (  # plp.registry.COMPONENTS
    "backbone", "prompt", "tuner", "projection", "selector", "aligner", "branch", "loss term",
    "score", "model", "dataset", "transform", "metric", "hook", "loop", "optimizer wrapper",
)  # fmt: skip
