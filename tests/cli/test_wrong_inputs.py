"""Whatever a user gets wrong: exit status 2, one message that says what to do, no traceback."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import CLASSES, make_photos, read_result

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")


def options(**values):
    return ("--cfg-options", *(f"{key}={value}" for key, value in values.items()))


def test_missing_config(train_tool, tmp_path):
    message = train_tool(config=tmp_path / "no.py").told()
    assert "expected a config file, nothing at" in message
    assert "no.py" in message


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.py", "model = dict(\n", "SyntaxError"),
        ("a.py", "model = dict(type=x)\n", "name 'x' is not defined"),
        ("a.py", "x = 1 / 0\n", "ZeroDivisionError"),
        ("a.py", "_base_ = 'no.py'\n", "no.py"),
        ("a.json", '{"model": ', "JSONDecodeError"),
        ("a.txt", "model", "ends in .py, .json, .yaml, .yml"),
        ("a.py", "custom_imports = dict(imports=['no_module'])\n", "no module 'no_module' beside"),
        ("a.py", "custom_imports = dict(imports=['json.no'])\n", "no module 'json.no' beside"),
        ("a.py", "custom_imports = dict(imports=[1])\n", "custom_imports=dict(imports=["),
        ("a.py", "custom_imports = ['json']\n", "got ['json']"),
        ("a.py", "data = dict()\n", "expected a key 'model'"),
    ],
)
def test_config_that_is_none(train_tool, tmp_path, name, text, part):
    config = tmp_path / name
    config.write_text(text)
    message = train_tool(config=config).told()
    assert part in message
    assert name in message


def test_a_module_that_is_misspelt_or_broken_is_told_in_a_line(train_tool, tmp_path):
    (tmp_path / "soft_gate_of_mine.py").write_text("import no_such_package_of_mine\n")
    config = tmp_path / "idea.py"
    config.write_text("custom_imports = dict(imports=['soft_gat_of_mine'])\n")
    message = train_tool(config=config).told()
    assert "no module 'soft_gat_of_mine' beside idea.py" in message
    assert message.rstrip().endswith("Did you mean 'soft_gate_of_mine'?")
    assert len(message.strip().splitlines()) == 1
    config.write_text("custom_imports = dict(imports=['soft_gate_of_mine'])\n")
    message = train_tool(config=config).told()
    assert "'soft_gate_of_mine' cannot be imported: ModuleNotFoundError: No module" in message
    assert "no_such_package_of_mine" in message
    assert len(message.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ("modle = dict()\n", ["unknown top-level key 'modle'", "Did you mean 'model'?"]),
        ("data = 3\n", ["expected 'data' to be a dict, got 3"]),
        (
            "model['branches'] = {'local': dict(aligner=dict(type='SinkhornAlignr'))}\n",
            ["aligner 'SinkhornAlignr'", "Did you mean 'SinkhornAligner'?"],
        ),
        (
            "model['branches'] = {'local': dict(selector=dict(kk=1))}\n",
            ["selector SharedTopK", "no keyword 'kk'", "Did you mean 'k'?"],
        ),
        ("model['backbone'].pop('type', 0); model['type'] = 'Promptlearner'\n",
         ["'Promptlearner'", "Did you mean 'PromptLearner'?"]),
        ("data['bach_size'] = 4\n", ["data: unknown keys ['bach_size']", "batch_size"]),
        ("save_seconds = 'often'\n", ["save_seconds", "'often'"]),
        ("selection = 'first'\n", ["'last' or 'val'", "'first'"]),
        ("custom_hooks = [dict(type='NoHook')]\n", ["NoHook"]),
        ("param_scheduler = dict(type='Cosin')\n", ["Cosin"]),
    ],
)  # fmt: skip
def test_config_with_a_mistake(train_tool, config_with, more, parts):
    message = train_tool(config=config_with(more)).told()
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--cfg-options", "data.shots"), "expected KEY=VALUE"),
        (("--cfg-options", "=3"), "expected KEY=VALUE"),
        (("--cfg-options", "data..shots=3"), "expected KEY=VALUE"),
        (options(**{"modle.x": 1}), "Did you mean 'model'?"),
        (options(model=3), "expected 'model' to be a dict, got 3"),
        (options(**{"data.shots.x": 3}), "data.shots.x"),
        (options(**{"data.batch_size": 0}), "data.batch_size"),
        (options(**{"data.num_workers": "many"}), "data.num_workers"),
        (options(**{"data.num_workers": -1}), "data.num_workers"),
        (options(**{"data.views": "twice"}), "data.views"),
        (options(**{"data.verify": "perhaps"}), "data.verify"),
        (options(**{"data.sampler": "fair"}), "'fair'"),
        (options(**{"data.views": 0}), "views"),
        (options(**{"data.cache_features": True}), "data.views"),
        (options(**{"data.eval_transform.type": "ClipEvl"}), "'ClipEval'"),
        (options(**{"optim_wrapper.optimizer.type": "SDG"}), "'SGD'"),
        (options(**{"optim_wrapper.optimizer.rate": 1}), "rate"),
        (options(**{"optim_wrapper.optimizer.lr": -1}), "lr to be a finite number >= 0"),
        (options(**{"train_cfg.max_epochs": -1}), "train_cfg.max_epochs"),
        (options(**{"train_cfg.max_epochs": 1.5}), "train_cfg.max_epochs"),
        (options(**{"train_cfg.max_epoch": 3}), "max_epoch"),
        (options(**{"model.precision": "fp8"}), "'fp8'"),
        (options(**{"model.branches.local.stream": "grid"}), "'grid'"),
        (options(**{"randomness.seed": "x"}), "'x'"),
        (("--seed", "-1"), "an integer from 0 to 4294967295, got -1"),
        (("--seed", str(2**32)), "an integer from 0 to 4294967295, got 4294967296"),
        (("--seed", str(2**70)), f"got {2**70}"),
        (options(**{"randomness.seed": 2**32}), "got 4294967296"),
        (options(**{"model.backbone.seed": 2**64}), f"the backbone's seed to be .* got {2**64}"),
        (("--shots", "0"), "integer >= 1, got 0"),
        (("--amp", "fp16"), "fp16 needs a GPU"),
        (("--device", "cuda:77"), "'cuda:77' is not there"),
        (("--device", "gpu"), "'gpu' is not there"),
        pytest.param(("--device", "cuda"), "'cuda' is not there", marks=no_gpu),
    ],
)
def test_flag_with_a_mistake(train_tool, tmp_path, flags, part):
    assert re.search(part if ".*" in part else re.escape(part), train_tool(*flags).told())
    assert not (tmp_path / "work" / "result.json").exists()


def test_argparse_refuses_what_it_knows(tool, tiny_config, capsys):
    with pytest.raises(SystemExit) as ended:
        tool("train", tiny_config, "--amp", "fp8")
    assert ended.value.code == 2
    assert "invalid choice: 'fp8'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (("--dataset", "foldr"), "Did you mean 'folder'?"),
        (("--dataset", "folder"), "--data-root DIR"),
        (("--dataset", "textile", "--data-root", "."), "takes no --data-root"),
        (("--data-root", "."), "--dataset folder"),
        (("--dataset", "folder", "--data-root", "nowhere"), "no such folder: 'nowhere'"),
        (("--dataset", "coop", "--data-root", "nowhere"), "no such folder: 'nowhere'"),
    ],
)
def test_data_set_that_is_none(train_tool, data, part):
    assert part in train_tool(data=data).told()


def test_class_without_images(train_tool, tmp_path):
    data = make_photos(tmp_path / "data", {"ant": 4, "bee": 4, "cat": 0})
    message = train_tool(data=data).told()
    assert "cat" in message
    assert "is empty" in message


def test_one_image_a_class(train_tool, tmp_path):
    data = make_photos(tmp_path / "data", {"ant": 1, "bee": 1})
    assert "is the only image of its class" in train_tool(data=data).told()


def test_one_class(train_tool, tmp_path):
    data = make_photos(tmp_path / "data", {"ant": 4})
    assert "expected 2 classes or more" in train_tool(data=data).told()


def test_unreadable_images_are_all_named(train_tool, tmp_path):
    data = make_photos(tmp_path / "data", dict.fromkeys(CLASSES, 6))
    for name in CLASSES:
        path = data / name / "003.png"
        path.write_bytes(path.read_bytes()[:200])
    (data / "ant" / "000.png").write_bytes(b"")
    message = train_tool(*options(**{"data.shots": 6}), data=data).told()
    for name in ("ant/003.png", "bee/003.png", "cat/003.png", "ant/000.png"):
        assert name in message
    assert "4 of " in message


def test_odd_images_and_names_are_fine(train_tool, tool, tiny_config, tmp_path):
    names = ("naïve café", "日本 犬", "Ωmega_класс")
    data = make_photos(tmp_path / "données", dict.fromkeys(names, 6))
    for i, mode in enumerate(("L", "CMYK", "I;16", "1", "P", "LA")):
        path = data / names[0] / f"{i:03d}.png"
        image = Image.open(path)
        path.unlink()
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        else:
            image = image.convert(mode)
        image.save(path.with_suffix(".tif"))
    ended = train_tool("--shots", 2, data=data)
    assert ended.status == 0, ended.err
    result = read_result(tmp_path / "work")
    assert result["class_names"] == sorted(name.replace("_", " ") for name in names)
    flags = ("--dataset", "folder", "--data-root", data, "--device", "cpu")
    ended = tool("test", tiny_config, tmp_path / "work", *flags)
    assert f"{result['accuracy']['fused']:6.2f} %" in ended.out
    assert "日本 犬" in ended.out


def test_more_shots_than_images_is_told(train_tool, tmp_path):
    ended = train_tool("--shots", 16)
    assert ended.status == 0, ended.err
    assert "3 of 3 classes with fewer than 16 training images" in ended.out
    assert read_result(tmp_path / "work")["images"]["train"] == 18


def test_batch_larger_than_the_data_is_told(train_tool, tmp_path):
    ended = train_tool(*options(**{"data.batch_size": 500, "data.drop_last": True}))
    assert ended.status == 0, ended.err
    assert "batch size 500 is larger than the dataset: cut down to 12" in ended.out
    assert read_result(tmp_path / "work")["steps"] == 4


def test_a_taken_work_dir_is_left_alone(train_tool, trained):
    before = {path.name: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    message = train_tool(work_dir=trained).told()
    assert "holds a run already" in message
    assert "--resume" in message
    assert before == {path.name: path.read_bytes() for path in trained.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--seed", "2"), ["seed was 1, is 2", "split_hash was"]),
        (("--shots", "3"), ["shots was 4, is 3"]),
        (
            options(**{"optim_wrapper.optimizer.lr": 1}),
            ["optim_wrapper.optimizer.lr was 0.05, is 1"],
        ),
        (("--amp", "bf16"), ["precision was 'fp32', is 'bf16'"]),
    ],
)
def test_resuming_another_run(train_tool, trained, flags, parts):
    message = train_tool("--resume", *flags, work_dir=trained).told()
    assert "holds another run" in message
    for part in parts:
        assert part in message


def test_resuming_a_damaged_state(train_tool, tmp_path):
    folder = tmp_path / "work"
    assert train_tool().status == 0
    state = (folder / "state.pth").read_bytes()
    for content in (state[: len(state) // 2], state[:-1], b"", b"\x80\x04N."):
        (folder / "state.pth").write_bytes(content)
        assert "state.pth is damaged" in train_tool("--resume").told()


def test_resuming_nothing_starts_at_the_beginning(train_tool, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".state.pth.abc.tmp").write_bytes(b"half")
    ended = train_tool("--resume")
    assert ended.status == 0, ended.err
    assert "nothing to resume" in ended.out
    assert not read_result(tmp_path / "work")["resumed"]


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_loss_that_is_not_finite_stops_the_run(train_tool, tmp_path, epochs):
    lr = {"optim_wrapper.optimizer.lr": "1e30", "train_cfg.max_epochs": epochs}
    message = train_tool(*options(**lr)).told()
    assert "Lower the learning rate" in message
    assert not (tmp_path / "work" / "model.safetensors").exists()


def test_a_last_step_that_is_not_finite_stops_the_run(train_tool, tmp_path):
    one_step = {"data.batch_size": 12, "train_cfg.max_epochs": 1}
    message = train_tool(*options(**one_step, **{"optim_wrapper.optimizer.lr": "1e38",
                         "optim_wrapper.optimizer.weight_decay": "1e38"})).told()  # fmt: skip
    assert "became NaN or infinite in epoch 1" in message
    assert not (tmp_path / "work" / "model.safetensors").exists()


def run_script(root, *argv, **environment):
    return subprocess.run(
        [sys.executable, "tools/train.py", *map(str, argv)],
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.slow
def test_the_script_shows_no_traceback(root, tiny_config, tmp_path):
    ended = run_script(root, tiny_config, "--dataset", "folder", "--data-root", tmp_path / "no")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no such folder")
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_no_network_and_no_weights(root, photos, tmp_path):
    data = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
    hub = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_CACHE": str(tmp_path / "hub"),
           "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9",
           "HTTP_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
           "http_proxy": "http://127.0.0.1:9"}  # fmt: skip
    begin = time.monotonic()
    ended = run_script(
        root, "configs/sotglp/vitb16_16shot.py", *data, "--work-dir", tmp_path / "w", **hub
    )
    assert time.monotonic() - begin < 60
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    assert "model.backbone.pretrained" in ended.stderr
    assert "lite" in ended.stderr
