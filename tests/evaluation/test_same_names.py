"""Two classes of one name, as ImageNet has them, are two classes."""

import torch

from plp.datasets.imagenet_classes import clip_names
from plp.engine.restore import places_of
from plp.evaluation import classification_report, outcomes

TWINS = {"missile": (657, 744), "sunglasses": (836, 837)}


def test_the_names_of_imagenet_that_stand_for_two_classes():
    names = clip_names()
    assert {n: tuple(i for i in range(1000) if names[i] == n) for n in TWINS} == TWINS
    assert len(set(names)) == 998


def test_accuracies_by_class_are_kept_apart():
    labels = torch.tensor([657, 744, 744, 3])
    logits = torch.nn.functional.one_hot(torch.tensor([657, 744, 657, 3]), 1000).float()
    report = classification_report(outcomes({"fused": logits}, labels), clip_names())
    assert report.accuracy == {"fused": 75.0}
    assert report.per_class == {"tiger shark": 100.0, "missile (657)": 100.0, "missile (744)": 50.0}


def test_a_copy_of_imagenet_has_its_classes_in_place():
    assert places_of(clip_names(), clip_names()) is None
    part = [0, 657, 836, 999]  # ImageNet-R has 657, not 744
    assert places_of([clip_names()[i] for i in part], clip_names()) == tuple(part)
