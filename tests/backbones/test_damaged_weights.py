"""Mutated weights files give plp's own message, whatever the readers below raise."""

import io
import random
import warnings

import pytest
import torch
from safetensors.torch import save_file

from plp.backbones import OpenCLIPBackbone
from plp.errors import PlpError
from plp.testing.clip_weights import ClipSize, clip_weights, state_dict

SMALL = ClipSize(embed=32, image=32, patch=16, vision_width=64, vision_layers=1, text_width=64,
                 text_layers=1)  # fmt: skip
CONFIG = SMALL.model_config()
CONFIG["text_cfg"]["vocab_size"] = 50
KINDS = ("state.pt", "state.safetensors", "archive.pt", "legacy.pt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a good file of each kind."""
    folder, state = tmp_path_factory.mktemp("whole"), state_dict(clip_weights(SMALL, 0))
    state["token_embedding.weight"] = state["token_embedding.weight"][:50].clone()
    torch.save(state, folder / "state.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file(state, folder / "state.safetensors")
    module = torch.nn.Module()
    module.scale = torch.nn.Parameter(torch.ones(3))
    torch.jit.save(torch.jit.script(module), buffer := io.BytesIO())
    contents = {name: (folder / name).read_bytes() for name in KINDS if name != "archive.pt"}
    return contents | {"archive.pt": buffer.getvalue()}


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut, insert, repeat or zero some bytes, most often near the ends, where headers are."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        near = draw.choice((64, 2048, len(changed)))
        place = draw.randrange(max(1, min(near, len(changed))))
        place = len(changed) - 1 - place if draw.random() < 0.4 else place
        kind = draw.randrange(6)
        if kind < 2:
            changed[place] ^= 1 << draw.randrange(8)
        elif kind == 2:
            changed[place] = draw.randrange(256)
        elif kind == 3:
            del changed[place : place + draw.choice((1, 4, 100, len(changed)))]
        elif kind == 4:
            changed[place:place] = bytes(draw.randrange(256) for _ in range(draw.choice((1, 9))))
        else:
            changed[place : place + 16] = bytes(16)
        if not changed:
            break
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "draws", [range(40), pytest.param(range(40, 500), marks=pytest.mark.slow, id="many")]
)
def test_mutated_weights_give_plps_message(kind, draws, whole, tmp_path):
    path, refused = tmp_path / kind, []
    for number in draws:
        path.write_bytes(mutated(whole[kind], random.Random(f"{kind} {number}")))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                OpenCLIPBackbone("small", str(path), model_config=CONFIG, quick_gelu=True)
            except PlpError as error:
                refused.append(str(error))
    assert len(refused) > len(draws) // 4
    assert all(kind in message for message in refused)
