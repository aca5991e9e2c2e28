"""`--cfg-options`: what a text is read as, and back; keys and paths that are nearly right."""

import argparse

import pytest

from plp.cli.cfg_options import CfgOptions
from plp.config.values import option_words, parse_value
from plp.errors import ConfigError


def parsed(*words):
    flags = argparse.ArgumentParser()
    flags.add_argument("--cfg-options", nargs="+", action=CfgOptions)
    return flags.parse_args(["--cfg-options", *words]).cfg_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-1", -1), ("2.5", 2.5), ("1e-3", 1e-3), ("true", True), ("False", False),
        ("None", None), ("none", "none"), ("a", "a"), (" a b ", " a b "), ("1,2", [1, 2]),
        ("[1, 2]", [1, 2]), ("(1, 2)", (1, 2)), ("[(1, 2), [a, b], c]", [(1, 2), ["a", "b"], "c"]),
        ("[]", []), ("()", ()), ("1,", [1]), ("'1'", "1"), ('"a, b"', "a, b"), ("''", ""),
        ("my photos/x (1).json", "my photos/x (1).json"), ("['a, b', c]", ["a, b", "c"]),
        ("it's", "it's"), ("it's, here", ["it's", "here"]), ("100%s {x}", "100%s {x}"),
        ("a=b", "a=b"), ("/日本/Ω", "/日本/Ω"), ("(a) b", "(a) b"),
    ],
)  # fmt: skip
def test_what_a_text_is_read_as(text, value):
    assert parse_value(text) == value
    assert parsed(f"key={text}") == {"key": value}


@pytest.mark.parametrize("text", ["[1, 2", "1, 2]", "(1, (2)", "'a, b", "a), (b"])
def test_brackets_that_do_not_close(text):
    with pytest.raises(ConfigError, match="expected brackets and quotes that close"):
        parse_value(text)


@pytest.mark.parametrize("word", ["key=", "key= "])
def test_a_key_without_a_value(word):
    with pytest.raises(ConfigError, match=r"expected a value, got .key= ?.\. Is a variable"):
        parsed(word)


@pytest.mark.parametrize(
    "value",
    [1, -2.5, True, None, "a b", " a ", "1", "None", "true", "a,b", "[1", "it's", "'quoted'", "",
     [1, "2"], ("a, b", [None, "x y"]), "/pho tos/a,b (1).json", [" a "], [],
     ["it's, b"], ["(a"], ["a) b", "c"], ["'a"], [(1, 2), (3, 4)], ["a", ["b"]], "a','b"],
)  # fmt: skip
def test_the_command_of_a_report_is_read_back(value):
    (word,) = option_words({"key": value})
    assert parsed(word) == {"key": value}


def test_a_dict_is_written_as_dotted_keys():
    words = option_words({"model.backbone": {"type": "X", "sizes": [1, 2], "inner": {"a": None}}})
    found = {}
    for word in words:
        found |= parsed(word)
    assert found == {
        "model.backbone.type": "X", "model.backbone.sizes": [1, 2], "model.backbone.inner.a": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("'a','b'", ["a", "b"]),
        ("(1,2),(3,4)", [(1, 2), (3, 4)]),
        ("[1],", [[1]]),
        ("'a, b'", "a, b"),
    ],
)
def test_quotes_and_brackets_are_pairs(word, value):
    assert parsed(f"key={word}") == {"key": value}


def test_later_flags_win():
    flags = argparse.ArgumentParser()
    flags.add_argument("--cfg-options", nargs="+", action=CfgOptions)
    words = ["--cfg-options", "a=1", "b=2", "--cfg-options", "a=3"]
    assert flags.parse_args(words).cfg_options == {"a": 3, "b": 2}


def test_a_config_that_is_nearly_named(tool, tmp_path, monkeypatch, root):
    (tmp_path / "mine.py").write_text("model = dict()\ndata = dict()\n")
    (tmp_path / "configs" / "method").mkdir(parents=True)
    (tmp_path / "configs" / "method" / "lite.py").write_text("model = dict()\n")
    monkeypatch.chdir(tmp_path)
    for asked, meant in (
        ("mine", "mine.py"), ("mime.py", "mine.py"), ("method/lite", "configs/method/lite.py"),
        ("method/lite.py", "configs/method/lite.py"), ("configs/method/lit.py", "lite.py"),
        ("configs/methods/lite.py", "configs/method"),
    ):  # fmt: skip
        message = tool("print_config", asked).told()
        assert "expected a config file, nothing at" in message
        assert f"Did you mean {meant!r}?" in message


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("train_cfg.max_epoch=3", "train_cfg: unknown key 'max_epoch'. Did you mean 'max_epochs'?"),
        ("train_cfg.val_intervall=3", "Did you mean 'val_interval'?"),
        ("train_cfg.by_epoch=False", "plp trains by epochs, got False: leave it out"),
        ("optim_wrapper.optimizer.lr=nan", "lr to be a finite number >= 0, got nan"),
        ("optim_wrapper.optimizer.weight_decay=-1", "weight_decay to be a finite number >= 0"),
        ("optim_wrapper.optimizer=SGD", "optim_wrapper.optimizer to be a dict, got 'SGD'"),
    ],
)
def test_a_schedule_is_looked_at_first(tool, tiny_config, photos, tmp_path, option, part):
    data = ("--dataset", "folder", "--data-root", photos)
    message = tool("train", tiny_config, *data, "--work-dir", tmp_path / "w", "--cfg-options",
                   option).told()  # fmt: skip
    assert part in message
    assert not (tmp_path / "w").exists()


def test_a_loop_of_the_users_own_takes_what_it_likes(tool, tiny_config, photos):
    data = ("--dataset", "folder", "--data-root", photos)
    options = ("train_cfg.type=MyLoop", "train_cfg.rounds=3", "train_cfg.by_epoch=False")
    assert tool("print_config", tiny_config, *data, "--cfg-options", *options).status == 0
