"""Checkpoints of something else are refused by name; what is half written is none."""

import pytest
from tiny_runs import CLASSES, make_photos

from plp.checkpoints.checkpoint import check_class_names, load_checkpoint
from plp.errors import CheckpointError


def data_flags(folder):
    return ("--dataset", "folder", "--data-root", folder, "--device", "cpu")


@pytest.mark.parametrize(
    "cut", [lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b[:9], lambda b: b""]
)
def test_half_a_checkpoint_is_none(trained, tmp_path, cut):
    path = tmp_path / "model.safetensors"
    path.write_bytes(cut((trained / path.name).read_bytes()))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        load_checkpoint(tmp_path)


def test_strays_are_no_checkpoint(trained, tmp_path, tool, tiny_config, photos):
    (tmp_path / ".model.safetensors.x1.tmp").write_bytes(
        (trained / "model.safetensors").read_bytes()
    )
    with pytest.raises(CheckpointError, match="nothing at"):
        load_checkpoint(tmp_path)
    ended = tool("test", tiny_config, tmp_path, *data_flags(photos))
    assert "expected a checkpoint file or a work directory" in ended.told()


@pytest.mark.parametrize("name", ["state.pth", "result.json", "tiny.pt"])
def test_other_files_are_no_checkpoint(trained, tiny_file, tool, tiny_config, photos, name):
    path = tiny_file if name == "tiny.pt" else trained / name
    message = tool("test", tiny_config, path, *data_flags(photos)).told()
    assert "damaged or no safetensors file" in message
    assert name in message


def test_other_classes_are_named(trained, tool, tiny_config, tmp_path):
    data = make_photos(tmp_path / "data", dict.fromkeys(("ant", "bee", "dog"), 4))
    message = tool("test", tiny_config, trained, *data_flags(data)).told()
    assert "only in the checkpoint: ['cat']; only in the data: ['dog']" in message


def test_another_order_is_named():
    check_class_names(CLASSES, CLASSES)
    with pytest.raises(CheckpointError, match="another order, first differences: 'ant' / 'bee'"):
        check_class_names(CLASSES, ("bee", "ant", "cat"))


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("model.branches.local.prompt.num_prompts=2", "branches.local.prompt.context has shape"),
        ("model.branches.local.projection.type=IdentityProjection", "is not part of this model"),
        ("model.backbone.pretrained=None", "other backbone weights"),
    ],
)
def test_another_model_is_refused(trained, tool, tiny_config, photos, option, part):
    flags = (*data_flags(photos), "--cfg-options", option)
    assert part in tool("test", tiny_config, trained, *flags).told()


def test_newer_formats_are_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("plp.checkpoints.checkpoint.FORMAT", 0)
    with pytest.raises(CheckpointError, match="format 2, this plp reads up to 0: update plp"):
        load_checkpoint(trained)


def test_another_method_with_the_same_tensors_is_told(trained, tiny_config, photos, caplog):
    """A checkpoint fits a config with another aligner; testing says what differs."""
    from plp.config.load import Choices
    from plp.engine.evaluate import evaluate_checkpoint

    choices = Choices("folder", str(photos), options={"model.branches.local.selector.k": 3})
    with caplog.at_level("WARNING", logger="plp"):
        evaluate_checkpoint(tiny_config, trained, choices)
    assert "not as in training: model.branches.local.selector.k was" in caplog.text
