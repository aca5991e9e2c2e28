"""`--backbone NAME` on the commands that read a config."""

import json

import pytest
from safetensors.torch import save_file
from tiny_runs import CLASSES, MAINS, make_photos, read_result

from plp.cli import main as door
from plp.sweeps.compare import Wanted, make_plan
from plp.testing.clip_weights import TINY, clip_weights, state_dict


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model in open_clip's layout; returns its name."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    stated = {"model_cfg": TINY.model_config(), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
    save_file(state_dict(clip_weights(TINY)), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def data_flags(photos):
    return ("--dataset", "folder", "--data-root", photos)


def test_every_command_that_reads_a_config_has_it(capsys):
    for name in ("train", "test", "ood", "compare", "protocol", "config"):
        with pytest.raises(SystemExit):
            door.run(name, ["--help"])
        assert "--backbone NAME" in capsys.readouterr().out


def test_a_run_on_another_backbone_has_a_folder_and_a_command_of_its_own(
    tool, photos, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flags = (
        *data_flags(photos),
        "--shots",
        "1",
        "--device",
        "cpu",
        "--cfg-options",
        "report=False",
    )
    ended = tool("train", "zeroshot/vitb16_16shot", *flags, "--backbone", model)
    assert ended.status == 0, ended.err
    (folder,) = (tmp_path / "work_dirs" / "zeroshot").iterdir()
    assert folder.name.startswith("vitb16_16shot@local-dir_tiny-")
    (run,) = folder.iterdir()
    result = read_result(run)
    assert result["config"]["model"]["backbone"] == {
        "type": "OpenCLIPBackbone", "arch": model, "pretrained": None,
    }  # fmt: skip
    assert f"--backbone {model}" in result["command"]
    assert any("chosen for vit-b16" in note for note in result["notes"])
    tested = tool("test", run)
    assert tested.status == 0, tested.err
    with_config = tool("test", "zeroshot/vitb16_16shot", run, *flags, "--backbone", model)
    assert with_config.status == 0, with_config.err


def test_a_run_is_not_resumed_on_another_backbone(tool, photos, model, tiny_config, tmp_path):
    flags = (*data_flags(photos), "--device", "cpu", "--work-dir", tmp_path / "run")
    assert tool("train", tiny_config, *flags, "--epochs", 1).status == 0
    told = tool("train", tiny_config, *flags, "--epochs", 1, "--backbone", model, "--resume").told()
    assert "holds another run, which this one cannot continue" in told
    assert "model.backbone.arch was 'tiny'" in told


@pytest.mark.slow
def test_comparisons_on_two_backbones_share_a_folder_and_no_row(tool, model, tmp_path):
    photos = make_photos(tmp_path / "insects", dict.fromkeys(CLASSES, 6))
    flags = ("--methods", "zeroshot/lite_16shot", "--datasets", f"insects={photos}", "--shots", 1,
             "--seeds", 1, "--jobs", 0, "--device", "cpu", "--out", tmp_path / "out")  # fmt: skip
    assert tool("compare", *flags).status == 0
    ended = tool("compare", *flags, "--backbone", model)
    assert ended.status == 0, ended.err
    (plain, other) = sorted((tmp_path / "out/runs/zeroshot").iterdir())
    assert plain.name == "lite_16shot"
    assert other.name.startswith("lite_16shot@local-dir_tiny-")
    table = (tmp_path / "out/table.md").read_text()
    assert "zeroshot [lite]" in table
    assert "zeroshot [local-dir:tiny]" in table
    note = "Runs are on different backbones: local-dir:tiny (zeroshot [local-dir:tiny]); lite"
    assert note in table
    again = tool("compare", *flags, "--backbone", model, "--dry-run")
    assert "1 done, 0 to run" in again.out + again.err
    assert tool("collect", tmp_path / "out/runs", "--out", tmp_path / "all").status == 0
    table = (tmp_path / "all/table.md").read_text()
    assert "zeroshot [lite]" in table
    assert "zeroshot [local-dir:tiny]" in table
    assert "Runs are on different backbones: lite (zeroshot [lite]); local-dir:tiny" in table


def test_without_the_flag_folders_and_keys_are_what_they_were(photos, tmp_path):
    def jobs(**more):
        asked = Wanted(
            ["coop/vitb16_16shot"], [f"insects={photos}"], [1], [1], out=tmp_path, **more
        )
        return make_plan(asked).jobs

    (plain,), (own,), (other,) = jobs(), jobs(backbone="vit-b16"), jobs(backbone="vit-b32")
    assert plain.path == own.path
    assert plain.parts == own.parts
    assert own.backbone is None
    assert other.path.as_posix() == "runs/coop/vitb16_16shot@vit-b32/insects/1shot_seed1"
    assert [name for name in plain.parts if plain.parts[name] != other.parts[name]] == ["config"]
    assert other.title == "coop/vitb16_16shot [vit-b32] insects 1 shot seed 1"


@pytest.mark.parametrize("command", ["train", "config", "compare", "protocol"])
def test_an_unknown_name_is_told_before_torch_is_imported(command, capsys, photos):
    place = {
        "train": ["coop"], "config": ["coop"],
        "compare": ["--methods", "coop", "--datasets", "textile", "--shots", "1"],
        "protocol": ["few-shot", "--methods", "coop", "--datasets", "textile"],
    }[command]  # fmt: skip
    assert door.run(command, [*place, "--backbone", "siglp2-b16"]) == 2
    shown = capsys.readouterr()
    assert "Did you mean 'siglip2-b16'" in shown.err
    assert "importing torch" not in shown.out + shown.err


def test_config_shows_the_backbone(tool):
    ended = tool("print_config", "coop", "--dataset", "textile", "--backbone", "siglip2-b16")
    assert json.loads(ended.out)["model"]["backbone"]["arch"] == "ViT-B-16-SigLIP2"
    assert set(MAINS) > {"print_config"}
