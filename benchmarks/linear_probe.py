"""Logistic regression on the frozen features of a config's backbone: the yardstick of few shots.

The inverse regularisation C is chosen on the validation images, among powers of ten.

    python benchmarks/linear_probe.py configs/sotglp/lite_16shot.py --dataset folder --data-root DIR
"""

import argparse

import torch
from sklearn.linear_model import LogisticRegression

from plp.cli.options import add_choices, choices_of
from plp.engine.build import build_learner
from plp.engine.data import build_loaders
from plp.engine.setup import set_up

STRENGTHS = (0.1, 1.0, 10.0, 100.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    add_choices(parser)
    arguments = parser.parse_args()
    run = set_up(arguments.config, choices_of(arguments), arguments.device)
    learner = build_learner(run.config, run.few.class_names, seed=run.seed).to(run.device)
    loaders = build_loaders(run.few, run.options, learner, run.seed).loaders
    train, val, test = (_features(learner, loaders[part]) for part in ("train", "val", "test"))
    probes = [LogisticRegression(C=c, max_iter=1000).fit(*train) for c in STRENGTHS]
    best = max(probes, key=lambda probe: probe.score(*val))
    accuracy = 100 * best.score(*test)
    print(f"{run.few.name} seed {run.seed}: linear probe {accuracy:.2f} % (C = {best.C:g})")


def _features(learner, loader):
    pooled, labels = [], []
    for batch in loader:
        images = batch["images"].to(learner.backbone.device)
        pooled.append(learner.encode_image(images).pooled.cpu())
        labels.append(batch["labels"])
    features = torch.nn.functional.normalize(torch.cat(pooled), dim=-1)
    return features.numpy(), torch.cat(labels).numpy()


if __name__ == "__main__":
    main()
