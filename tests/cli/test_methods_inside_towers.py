"""Methods inside the towers, and heads that start at texts, beyond the protocols: in bfloat16, cut
off within an epoch, with texts in parts, with kept features, tested for other images.

`test_protocol_methods.py` has the protocols, `test_configs.py` runs cut off between epochs, and
`export/test_program.py` the exported files.
"""

import json

import numpy as np
import pytest
import torch
from small_towers import fitting, nested
from stop_hook import StoppedError
from tiny_runs import CLASSES, make_photos, read_result
from unchecked import as_installed

from plp.checkpoints.checkpoint import load_checkpoint
from plp.cli import export, ood, predict, test, train
from plp.cli.options import run_tool
from plp.testing.clip_weights import ClipSize, write_clip_weights

pytestmark = pytest.mark.slow

SIZE = ClipSize(64, 64, 16, 128, 2, 128, 2)
METHODS = (
    "clap", "cliplora", "ivlp", "lpplus", "maple", "mma", "mmrl", "plotpp", "prograd", "prolip",
    "promptsrc", "tcp", "twostage", "vpt", "zslp",
)  # fmt: skip
SETTINGS = """\
_base_ = {base!r}
_tiny = dict(arch='tiny', pretrained={weights!r}, model_config={size!r})
model = dict(backbone=dict(**_tiny), **{inside!r})
data = dict(shots=4, batch_size=5, eval_batch_size=16, num_workers=0, drop_last=False, views=2)
save_seconds = 0.0
report = True
shot_recipes = dict(_delete_=True)
"""
LEARNS = "train_cfg = dict(max_epochs=3, val_interval=1)\n"
STOP = """\
custom_imports = dict(imports=['stop_hook'])
custom_hooks = [dict(type='StopWithinEpochHook', step=4)]
"""


@pytest.fixture(autouse=True)
def unchecked():
    """Without the shape checks of the test run: comparing sizes, they tie a trace to its batch."""
    with as_installed():
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three classes to learn, and images of others."""
    root = tmp_path_factory.mktemp("images")
    make_photos(root / "insects", dict.fromkeys(CLASSES, 8))
    make_photos(root / "trees", dict.fromkeys(("oak", "elm"), 3))
    return root


@pytest.fixture(scope="module", params=METHODS)
def method(request, root, images, tmp_path_factory):
    """Commands about one method; `plain` is its unbroken run in float32."""
    return Method(request.param, root, images, tmp_path_factory.mktemp(request.param))


class Method:
    def __init__(self, name, root, images, folder):
        self.name, self.images, self.folder = name, images, folder
        weights = write_clip_weights(folder / "small.pt", SIZE)
        inside = nested(fitting(name, 2)).get("model", {})
        base = root / "configs" / name / "vitb16_16shot.py"
        settings = dict(base=str(base), weights=str(weights), size=SIZE.model_config())
        text = SETTINGS.format(inside=inside, **settings) + LEARNS * (name != "lpplus")
        self.config, self.stopping = folder / "config.py", folder / "stopping.py"
        self.config.write_text(text)
        self.stopping.write_text(text + STOP)
        self.plain = self.train("plain")

    @property
    def data(self):
        return ("--dataset", "folder", "--data-root", self.images / "insects", "--device", "cpu")

    def call(self, main, *argv):
        assert run_tool(main, [str(one) for one in argv]) == 0, (self.name, argv)

    def train(self, name, *flags):
        self.call(train.main, self.config, *self.data, "--work-dir", self.folder / name, *flags)
        return self.folder / name

    def ood(self, name, run, *flags):
        out, others = self.folder / name, f"trees={self.images / 'trees'}"
        argv = (self.config, run, *self.data, "--ood", others, "--out", out, "--export-logits")
        self.call(ood.main, *argv, *flags)
        return {path.name: dict(np.load(path)) for path in sorted(out.rglob("*.npz"))}


def assert_same(found, expected, atol):
    one, other = (load_checkpoint(run).state for run in (found, expected))
    assert one.keys() == other.keys()
    for key, value in other.items():
        torch.testing.assert_close(one[key], value, rtol=0, atol=atol, msg=key)
    for key in ("accuracy", "per_class_accuracy", "steps"):
        assert read_result(found)[key] == read_result(expected)[key], key


def test_cut_off_within_an_epoch(method):
    if method.name == "lpplus":
        assert read_result(method.plain)["steps"] == 0
        return
    cut = method.folder / "cut"
    argv = (method.stopping, *method.data, "--work-dir", cut)
    with pytest.raises(StoppedError):
        run_tool(train.main, [str(one) for one in argv])
    assert not (cut / "result.json").exists()
    method.train("cut", "--resume")
    assert read_result(cut)["resumed"]
    assert_same(cut, method.plain, atol=0)


def test_texts_in_parts(method):
    parts = ("--cfg-options", "model.text_chunk=1")
    if method.name != "cliplora":  # whose dropout draws other numbers for other parts
        assert_same(method.train("parts", *parts), method.plain, atol=1e-4)
    whole, found = method.ood("ood", method.plain), method.ood("ood in parts", method.plain, *parts)
    assert list(whole) == list(found) == ["export_id.npz", "export_trees.npz", "scores.npz"]
    for name, arrays in whole.items():
        for key, array in arrays.items():
            if array.dtype.kind == "f":
                np.testing.assert_allclose(found[name][key], array, atol=1e-4, err_msg=key)
    page = (method.plain / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in CLASSES)


@pytest.mark.parametrize("option", ["data.feature_cache={}", "data.cache_features=True"])
def test_kept_features(method, option):
    flags = ("--cfg-options", option.format(method.folder / "store"))
    for name in ("filled", "read") if "{" in option else ("memory",):
        assert_same(method.train(name, *flags), method.plain, atol=1e-5)


def test_bfloat16(method):
    run = method.train("bf16", "--amp", "bf16")
    assert read_result(run)["precision"] == "bf16"
    assert all(value.isfinite().all() for value in load_checkpoint(run).state.values())
    method.call(test.main, method.config, run, *method.data, "--amp", "bf16")
    scores = method.ood("ood bf16", run, "--amp", "bf16")
    assert all(
        np.isfinite(a).all() for d in scores.values() for a in d.values() if a.dtype.kind == "f"
    )
    image = next(method.images.rglob("*.png"))
    out = method.folder / "bf16.jsonl"
    argv = (run, image, "--device", "cpu", "--trust-header", "--format", "jsonl", "--out", out)
    method.call(predict.main, *argv)
    (row,) = (json.loads(line) for line in out.read_text().splitlines())
    assert set(row["labels"]) == set(CLASSES)
    written = method.folder / "bf16.onnx"
    method.call(export.main, run, "--device", "cpu", "--trust-header", "--out", written)
    assert written.stat().st_size > 0
