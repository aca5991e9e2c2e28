"""Which config a word means: a file, or a method by its name."""

import logging
from pathlib import Path

import pytest

from plp.checkpoints.run_places import find_checkpoint
from plp.config import paths as config_paths
from plp.config.load import load_config
from plp.config.paths import (
    check_config,
    check_file,
    config_folder,
    config_path,
    known_methods,
    nearest,
)
from plp.errors import ConfigError


def test_a_method_is_named_as_in_compare(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert config_folder() == root / "configs"
    assert config_path("sotglp") == root / "configs/sotglp/lite_16shot.py"
    assert config_path("sotglp/vitb16_16shot") == root / "configs/sotglp/vitb16_16shot.py"
    assert load_config("coop").filename == str(root / "configs/coop/lite_16shot.py")


def test_a_method_without_the_usual_config_takes_its_standard_one(monkeypatch, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, "plp"):
        check_config("sotglp")
        assert not caplog.text
        check_config("maple")
    assert config_path("maple").stem == "vitb16_16shot"
    assert "maple has no config lite_16shot: taking maple/vitb16_16shot" in caplog.text
    with pytest.raises(ConfigError, match="maple is a config"):
        find_checkpoint("maple")


def test_several_configs_without_a_standard_one_are_listed(monkeypatch, tmp_path):
    for name in ("mine/a.py", "mine/b.py", "one/c.py", "_base_/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(config_paths, "config_folder", lambda: tmp_path)
    assert config_path("one") == tmp_path / "one" / "c.py"
    with pytest.raises(ConfigError, match="name one of them: mine/a, mine/b"):
        config_path("mine")


def test_every_method_runs_by_its_name(root):
    for method in known_methods(root / "configs"):
        assert config_path(method).parent.name == method


def test_a_file_is_taken_before_a_method(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sotglp").mkdir()
    assert config_path("sotglp").name == "lite_16shot.py"  # a folder is no config
    (tmp_path / "mine.py").touch()
    assert config_path("mine.py") == Path("mine.py")
    (tmp_path / "coop").touch()
    assert config_path("coop") == Path("coop")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("sotgpl", "Did you mean 'sotglp'"),
        ("zero-shot", "Did you mean 'zeroshot'"),
        ("xyz", "Methods that need no path: clap, clip_adapter, "),
        ("configs/sotglp/lite_16shot.py", "Did you mean the method 'sotglp/lite_16shot'"),
        ("sotglp/lite_61shot", "Available: lite_16shot, "),
        ("maple/vitb16_61shot", "Did you mean 'maple/vitb16_16shot'"),
    ],
)
def test_what_is_not_there_is_reported_with_the_nearest(asked, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        check_file(config_path(asked))
    assert said in nearest(Path(asked)) or "/" in asked
