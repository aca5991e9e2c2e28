"""Drill: a flipped bit in what plp stores is noticed, or changes nothing that is read.

By default a few bits of each kind; with `-m slow` 240 of each, evenly over the file. Shards of the
feature cache have theirs in tests/datasets/test_feature_store.py.
"""

import json
import shutil
import warnings

import pytest
import torch
from safetensors import safe_open

from plp.backbones._lite_joint import TextMap, cached_text_map
from plp.checkpoints.checkpoint import load_checkpoint
from plp.checksums import value_digest
from plp.engine.result import write_result
from plp.engine.work_dir import read_state
from plp.errors import PlpError
from plp.hooks.json_lines import read_lines, rows_digest
from plp.results.run import read_result
from plp.sweeps.compare import state as compared

FEW, MANY = 12, 240


class NoticedError(Exception):
    """Something else than an error of plp's has noticed the damage."""


def checkpoint_in(path):
    """Return all that a checkpoint gives its reader."""
    found = load_checkpoint(path)
    return [found.state, found.class_names, found.info, found.validation_scores]


def state_in(path):
    """Return all that resuming reads, once `read_state` has let it through."""
    identity = torch.load(path.with_name("whole"), weights_only=True)["plp"]["identity"]
    read_state(path.parent, identity, resume=True)
    return torch.load(path, weights_only=True)


def map_in(path):
    """Return the map that the lite backbone reads; it fits a new one where it notices."""

    def fit():
        raise NoticedError

    return cached_text_map(path.parent, "0" * 32, fit)._asdict()


def compared_in(path):
    """Return what a comparison reads of a run; nothing is its word for damage."""
    found = compared._read(path)
    if not found:
        raise NoticedError
    return found


def curves_in(path):
    """Return the rows of curves; damaged lines are counted, and the state has a digest of all."""
    found = read_lines(path)
    whole = read_lines(path.with_name("whole"))
    if found.damaged or rows_digest(found.rows) != rows_digest(whole.rows):
        raise NoticedError
    return found.rows


KINDS = {
    "model.safetensors": checkpoint_in, "best.safetensors": checkpoint_in, "state.pth": state_in,
    "result.json": read_result, "ood.json": read_result, f"lite-{'0' * 32}.safetensors": map_in,
    "compare.json": compared_in, "curves.jsonl": curves_in,
}  # fmt: skip


@pytest.fixture(scope="module")
def stored(trained, tmp_path_factory):
    """A folder with a good file of each kind."""
    folder = tmp_path_factory.mktemp("stored")
    for name in ("model.safetensors", "state.pth", "result.json", "curves.jsonl"):
        shutil.copyfile(trained / name, folder / name)
    shutil.copyfile(trained / "model.safetensors", folder / "best.safetensors")
    write_result(folder / "ood.json", json.loads((trained / "result.json").read_text()))
    drawn = torch.Generator().manual_seed(0)
    fitted = TextMap(torch.randn(8, generator=drawn), torch.randn(8, 9, generator=drawn))
    cached_text_map(folder, "0" * 32, lambda: fitted)
    content = {"key": "x", "parts": {"code": "1" * 64}, "method": "coop", "dataset": "dtd"}
    text = json.dumps(compared.sealed(content), indent=1)
    (folder / "compare.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_noticed_or_without_effect(kind, count, stored, tmp_path):
    whole, read, path = (stored / kind).read_bytes(), KINDS[kind], tmp_path / kind
    for name in (kind, "whole"):
        (tmp_path / name).write_bytes(whole)
    expected, noticed = value_digest(read(path)), 0
    bits = 8 * len(whole)
    for number in range(count):
        bit = (number * bits) // count + number % 8
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = value_digest(read(path))
        except (PlpError, NoticedError):
            noticed += 1
        else:
            assert found == expected, f"bit {bit} of {kind}"
    assert noticed > count // 2


def test_a_result_may_be_laid_out_anew(stored, tmp_path):
    content = json.loads((stored / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps(content, indent=7))
    assert read_result(tmp_path) == content
    content["accuracy"]["fused"] -= 1
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(PlpError, match=r"result\.json is damaged.*remove its entry 'digest'"):
        read_result(tmp_path)
    del content["digest"]
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert read_result(tmp_path) == content


@pytest.mark.parametrize("name", ["result.json", "compare.json", "model.safetensors"])
def test_a_damaged_name_of_the_digest_is_noticed(name, stored, tmp_path):
    content = (stored / name).read_bytes().replace(b'"digest"', b'"dioest"')
    (tmp_path / name).write_bytes(content)
    with pytest.raises((PlpError, NoticedError)):
        KINDS[name](tmp_path / name)


def test_what_an_older_plp_wrote_is_noted_once(stored, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("plp.checksums._noted", set())
    content = json.loads((stored / "result.json").read_text())
    del content["digest"]
    (tmp_path / "result.json").write_text(json.dumps(content))
    for _ in range(3):
        read_result(tmp_path)
    assert caplog.text.count("has no digest, for an older plp wrote it") == 1
    with safe_open(stored / "model.safetensors", framework="pt") as file:
        assert set(file.metadata()) == {"plp", "digest"}
