"""Modules and names that have moved: the old ones work, with a warning."""

import subprocess
import sys
from importlib import import_module

import pytest

from plp._moved import MODULES, moved_name, new_name


def test_every_new_name_is_a_module_and_no_old_one_is():
    script = (
        "import importlib.util as util, sys, plp._moved as moved\n"
        "sys.meta_path.remove(next(f for f in sys.meta_path if isinstance(f, moved.MovedFinder)))\n"
        "print([n for n in moved.MODULES.values() if util.find_spec(n) is None])\n"
        "print([n for n in moved.MODULES if util.find_spec(n) is not None])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n[]\n"


@pytest.mark.parametrize("old", ["plp.engine.choices", "plp.engine.compare.job"])
def test_the_old_name_is_the_same_module(old):
    new = import_module(new_name(old))
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=rf"{old} is now {new.__name__}; .*until 0\.3"):
        assert import_module(old) is new
    assert new.__spec__.name == new.__name__


def test_from_a_folder():
    with pytest.warns(DeprecationWarning, match=r"plp\.engine\.schedule is now"):
        from plp.engine import schedule
    assert schedule.__name__ == MODULES["plp.engine.schedule"]


@pytest.mark.parametrize("name", ["Classifier", "load"])
def test_names_of_inference(name):
    import plp.api
    import plp.inference

    with pytest.warns(DeprecationWarning, match=rf"plp\.inference\.{name} is now plp\.api\.{name}"):
        assert getattr(plp.inference, name) is getattr(plp.api, name)


def test_a_name_that_never_was():
    with pytest.raises(AttributeError, match=r"module 'plp\.inference' has no attribute 'lod'"):
        moved_name("plp.inference", "lod")
    with pytest.raises(ModuleNotFoundError, match=r"plp\.engine\.nothing"):
        import_module("plp.engine.nothing")
