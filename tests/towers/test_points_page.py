"""The example of docs/inside_towers.md, run as it stands there, and what it says of towers."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "inside_towers.md"


def test_the_example_runs_and_trains_what_it_says():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {}
    exec(code, names)
    tuner, backbone = names["tuner"], names["backbone"]
    assert all(up.grad.abs().sum() > 0 for up in tuner.up)
    assert all(parameter.grad is None for parameter in backbone.model.parameters())
    plain = backbone.encode_image(torch.zeros(1, 3, 32, 32), ["vv"])
    assert not plain.pooled.requires_grad
    assert not torch.equal(plain.pooled, names["features"].pooled)
    with torch.no_grad():
        still = backbone.encode_image(torch.zeros(1, 3, 32, 32), ["vv"], points=tuner.points())
    assert not still.pooled.requires_grad
    assert torch.equal(still.pooled, names["features"].pooled)
