"""Registries: what they build, and what they say when they cannot."""

import sys
import types

import pytest
from torch import nn
from unchecked import as_installed

from plp.errors import ConfigError, DataError, UnknownComponentError
from plp.registry import (
    ALIGNERS,
    COMPONENTS,
    HOOKS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    PROJECTIONS,
    PROMPTS,
    SELECTORS,
    Registry,
)
from plp.selectors import SharedTopK


class Toy:
    """A component with every kind of keyword."""

    def __init__(self, size, *, width, mode="plain"):
        if mode == "missing":
            raise DataError("no such folder")
        if mode == "wrong type":
            raise TypeError("expected a list")
        if size < 0:
            raise ValueError(f"expected size >= 0, got {size}")
        self.size, self.width, self.mode = size, width, mode


@pytest.fixture
def toys():
    """A registry with one component."""
    registry = Registry("toy", locations=[])
    registry.register_module(name="Toy", module=Toy)
    return registry


def test_an_unknown_name_lists_the_known_ones_and_the_nearest():
    with pytest.raises(UnknownComponentError) as error:
        SELECTORS.build(dict(type="SharedTopk"))
    message = str(error.value)
    assert "selector 'SharedTopk' is not registered. Did you mean 'SharedTopK'?" in message
    assert "Known: AllPatches, PromptTopK, SharedTopK" in message
    assert "custom_imports" in message


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownComponentError, match=r"not registered\. Known: AllPatches"):
        SELECTORS.build(dict(type="Zebra"))


def test_an_empty_registry_says_so():
    with pytest.raises(UnknownComponentError, match="Known: none"):
        Registry("toy", locations=[]).build(dict(type="Toy"))


@pytest.mark.parametrize("name", ["json", "os", "sharedtopk", "torch.nn.functional", "os.nothing"])
def test_lower_case_names_and_modules_are_no_components(name):
    with pytest.raises(UnknownComponentError, match=f"selector '{name}' is not registered"):
        SELECTORS.build(dict(type=name))


@pytest.mark.parametrize("name", [None, 3, ("SharedTopK",)])
def test_a_type_is_a_string(name):
    with as_installed(), pytest.raises(ConfigError, match="type of a selector must be a string"):
        SELECTORS.build(dict(type=name))


@pytest.mark.parametrize("cfg", [None, "SharedTopK", {}, dict(k=3), 5])
def test_a_config_is_a_dict_with_a_type(cfg):
    with pytest.raises(ConfigError, match="a selector is configured by a dict with the key 'type'"):
        SELECTORS.build(cfg)


def test_a_wrong_keyword_names_the_component_and_what_it_takes():
    with pytest.raises(ConfigError) as error:
        ALIGNERS.build(dict(type="SinkhornAligner", epsilom=0.1))
    message = str(error.value)
    assert "aligner SinkhornAligner takes no keyword 'epsilom'" in message
    assert "Did you mean 'epsilon'?" in message
    assert "It takes: epsilon=" in message
    with pytest.raises(
        ConfigError, match=r"MaxSimAligner takes no keyword 'k'\. It takes: nothing"
    ):
        ALIGNERS.build(dict(type="MaxSimAligner", k=3))


def test_a_missing_keyword_is_named(toys):
    with pytest.raises(ConfigError, match=r"toy Toy needs 'size', 'width'. It takes: size, width"):
        toys.build(dict(type="Toy"))
    with pytest.raises(ConfigError, match="toy Toy needs 'width'"):
        toys.build(dict(type="Toy", size=1))


def test_inputs_are_given_only_where_they_are_taken_and_left_out(toys):
    built = toys.build(dict(type="Toy", size=1), width=5, token_dim=7)
    assert (built.size, built.width, built.mode) == (1, 5, "plain")
    assert toys.build(dict(type="Toy", size=1, width=2), width=5).width == 2


def test_a_refused_value_keeps_the_message_of_the_component(toys):
    with pytest.raises(ConfigError, match=r"^toy Toy: expected size >= 0, got -1$") as error:
        toys.build(dict(type="Toy", size=-1, width=1))
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(ConfigError, match=r"^toy Toy: expected a list$"):
        toys.build(dict(type="Toy", size=1, width=1, mode="wrong type"))
    with pytest.raises(
        ConfigError, match=r"^selector SharedTopK: expected k to be an integer >= 1, got 0$"
    ):
        SELECTORS.build(dict(type="SharedTopK", k=0))


def test_errors_that_are_no_config_errors_keep_their_kind(toys):
    with pytest.raises(DataError, match=r"^no such folder$"):
        toys.build(dict(type="Toy", size=1, width=1, mode="missing"))


def test_the_config_is_left_as_it_is():
    cfg = dict(type="SharedTopK", k=4)
    SELECTORS.build(cfg)
    assert cfg == dict(type="SharedTopK", k=4)


def test_a_dotted_path_to_a_users_class(monkeypatch):
    module = types.ModuleType("users_file")
    module.Toy = Toy
    monkeypatch.setitem(sys.modules, "users_file", module)
    assert isinstance(SELECTORS.build(dict(type="users_file.Toy", size=1, width=2)), Toy)
    assert "Toy" not in SELECTORS.names()
    with pytest.raises(UnknownComponentError, match=r"'users_file.Tox' is not registered"):
        SELECTORS.build(dict(type="users_file.Tox"))


def test_a_class_or_a_built_component_is_taken_as_it_is():
    assert SELECTORS.build(dict(type=SharedTopK, k=3)).k == 3
    built = SharedTopK(3)
    assert SELECTORS.build_if_config(built) is built
    assert SELECTORS.build_if_config(dict(type="SharedTopK", k=2)).k == 2


def test_two_components_cannot_share_a_name(toys):
    with pytest.raises(KeyError, match="Toy is already registered"):
        toys.register_module(name="Toy", module=dict)


def test_what_plp_lacks_comes_from_mmengine():
    from mmengine.hooks import EMAHook
    from mmengine.optim import CosineAnnealingLR

    assert HOOKS.get("EMAHook") is EMAHook
    assert isinstance(HOOKS.build(dict(type="EMAHook")), EMAHook)
    assert PARAM_SCHEDULERS.get("CosineAnnealingLR") is CosineAnnealingLR
    weight = nn.Linear(2, 2).weight
    assert OPTIMIZERS.build(dict(type="SGD", params=[weight], lr=0.1)).defaults["lr"] == 0.1


def test_a_parents_names_are_known_too():
    with pytest.raises(UnknownComponentError, match=r"Did you mean 'EMAHook'.*EpochSeedHook"):
        HOOKS.build(dict(type="EMAHok"))


def test_kinds_of_plps_own_have_no_parent():
    with pytest.raises(UnknownComponentError, match="aligner 'EMAHook' is not registered"):
        ALIGNERS.build(dict(type="EMAHook"))


@pytest.mark.parametrize("kind", COMPONENTS)
def test_names_are_camel_case(kind):
    for name in COMPONENTS[kind].names():
        assert name.isidentifier()
        assert name[0].isupper()
        assert "_" not in name


def test_prompts_and_projections_take_what_the_learner_supplies():
    with pytest.raises(ConfigError, match="projection LinearProjection needs 'width'"):
        PROJECTIONS.build(dict(type="LinearProjection"))
    supplied = dict(width=3, num_classes=2, token_dim=4, embed_words=None)
    assert PROJECTIONS.build(dict(type="LinearProjection"), **supplied).weight.shape == (3, 3)
    with pytest.raises(ConfigError, match="prompt SharedContext needs 'embed_words'"):
        PROMPTS.build(dict(type="SharedContext", words="a"))
