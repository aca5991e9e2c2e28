"""Which config a word means: a file, or a method by its name."""

from pathlib import Path

import pytest

from plp.engine.config import load_config
from plp.engine.config_paths import check_file, config_folder, config_path, nearest
from plp.errors import ConfigError


def test_a_method_is_named_as_in_compare(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert config_folder() == root / "configs"
    assert config_path("sotglp") == root / "configs/sotglp/lite_16shot.py"
    assert config_path("sotglp/vitb16_16shot") == root / "configs/sotglp/vitb16_16shot.py"
    assert load_config("coop").filename == str(root / "configs/coop/lite_16shot.py")


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
    ],
)
def test_what_is_not_there_is_reported_with_the_nearest(asked, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        check_file(config_path(asked))
    assert said in nearest(Path(asked)) or "/" in asked
