"""The learner whose step is counted."""

import plp

CLASSES = ["cat", "old oak tree", "red car", "golden retriever", "dog"]
BATCH = 3  # images of a step


def learner_of(root, options, names=CLASSES, **more):
    """SOT-GLP of its config, in training; `more` are entries of `model`."""
    changed = {f"model.{key}": value for key, value in more.items()}
    config = root / "configs/sotglp/vitb16_16shot.py"
    return plp.build_learner(config, names, options | changed).train()
