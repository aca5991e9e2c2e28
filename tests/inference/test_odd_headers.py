"""Headers with odd entries give plp's own message, whatever building the model raises."""

import copy
import random
import warnings

import pytest

import plp
from plp.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from plp.errors import PlpError

ODD = (
    None,
    True,
    -1,
    0,
    2**70,
    1e400,
    "",
    "x\x1b[31m",
    "\udce9",
    [],
    [[]],
    {},
    {"type": "x"},
    [1, {}],
)
FLAGS = dict(device="cpu", trust_header=True)


def places(value, at=()):
    """Yield where each entry of a header stands."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


def mutated(info, draw):
    """Replace, remove or add one entry anywhere."""
    changed = copy.deepcopy(info)
    *above, key = draw.choice(list(places(changed)))
    section = changed
    for one in above:
        section = section[one]
    if draw.random() < 0.2:
        del section[key]
    elif isinstance(section, dict) and draw.random() < 0.1:
        section["odd"] = draw.choice(ODD)
    else:
        section[key] = draw.choice(ODD)
    return changed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "draws", [range(40), pytest.param(range(40, 400), marks=pytest.mark.slow, id="many")]
)
def test_odd_headers_give_plps_message(draws, clf, trained, tmp_path):
    info = load_checkpoint(trained).info
    header = {k: v for k, v in info.items() if k not in ("format", "class_names", "fingerprint")}
    header = {k: header[k] for k in ("config", "transforms", "prompts", "dataset", "shots")}
    refused = 0
    for number in draws:
        change = mutated(header, random.Random(number))
        try:
            path = save_checkpoint(tmp_path / "m.safetensors", clf.learner, change)
        except (UnicodeEncodeError, ValueError):  # a header that no file can hold
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plp.load(path, **FLAGS)
            except PlpError:
                refused += 1
    assert refused > len(draws) // 20
