"""Methods that compute from images before training (`fit`) and choose after it (`tune`)."""

import pytest
import torch
from representatives import slow_but
from stop_hook import StoppedError
from tiny_runs import read_result

from plp.checkpoints.checkpoint import load_checkpoint
from plp.config.data_options import DataOptions
from plp.config.load import Choices, load_config
from plp.engine import checkpoint, fitting
from plp.engine import train as training
from plp.engine.build import build_learner
from plp.engine.data import build_loaders
from plp.engine.evaluate import evaluate_checkpoint
from plp.engine.setup import set_up
from plp.engine.train import train
from plp.errors import ConfigError
from plp.learners.prompt_learner import PromptLearner

KEYS = "branches.cache.keys"
SMALL = {
    "data.num_workers": 0,
    "data.views": 2,
    "data.batch_size": 3,
    "save_seconds": 0.0,
    "model.branches.cache.alpha_grid": (3.0, 3),
    "model.branches.cache.beta_grid": (7.0, 4),
}
STOP = {
    "custom_imports": dict(imports=["stop_hook"]),
    "custom_hooks": [dict(type="StopHook", epoch=1)],
}


@pytest.fixture
def run(root, tiny_options, photos, tmp_path):
    """Train a method of the tree on the photos."""

    def of(method, folder="work", resume=False, shots=2, data=photos, **options):
        path = root / "configs" / method / "vitb16_16shot.py"
        given = {key.replace("__", "."): value for key, value in options.items()}
        settings = tiny_options | (SMALL if method.startswith("tip") else {"data.num_workers": 0})
        choices = Choices("folder", str(data), shots=shots, options=settings | given)
        return train(path, choices, work_dir=tmp_path / folder, resume=resume, device="cpu")

    return of


@pytest.fixture
def two_epochs():
    """Keywords of a training run of two epochs."""
    return dict(train_cfg__max_epochs=2, train_cfg__val_interval=1)


@pytest.fixture
def log(monkeypatch):
    """Note what a run does, in order."""
    seen = []

    def note(owner, name, describe=lambda *_: ""):
        plain = getattr(owner, name)

        def noted(self, *args, **keywords):
            seen.append((name, describe(self, *args)))
            return plain(self, *args, **keywords)

        monkeypatch.setattr(owner, name, noted)

    note(PromptLearner, "fit", lambda _, shots, val: (tuple(shots.pooled.shape), val is not None))
    note(PromptLearner, "tune", lambda _, val: tuple(val.pooled.shape))
    note(PromptLearner, "loss")
    note(PromptLearner, "predict")
    return seen


def order(log):
    """What was done, repetitions left out."""
    names = [name for name, _ in log]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def test_fit_comes_before_training_and_tune_between_training_and_test(run, log, two_epochs):
    run("tip_adapter_f", **two_epochs)
    epochs = ["loss", "predict"] * 2  # predict: validation
    assert order(log) == ["fit", *epochs, "tune", "predict"]


def test_fit_sees_every_view_of_the_shots_and_one_of_the_validation_images(run, log):
    result = run("tip_adapter")
    images = result.result["images"]
    assert images["train"] == 6
    assert log[0] == ("fit", ((2, 6, 64), True))
    assert ("tune", (1, images["val"], 64)) in log
    assert order(log) == ["fit", "tune", "predict"], "no epoch: nothing is trained"


def test_what_was_fitted_and_tuned_is_told(run, caplog):
    with caplog.at_level("INFO", logger="plp"):
        result = run("tip_adapter").result
    fitted, tuned = result["fitted"]
    assert fitted == "cache: cache of 6 keys, 2 views each"
    assert tuned.startswith("cache: alpha ")
    assert {fitted, tuned} <= {record.message for record in caplog.records}
    assert (result["epochs"], result["steps"]) == (0, 0)
    for said in (
        "batch size",
        "steps per epoch",
    ):  # six images are few for it, but no step is taken
        assert not any(said in note for note in result["notes"])


def test_views_are_those_of_training(root, tiny_options, photos):
    """Each view is the one that training's epoch of the same number sees."""
    path = root / "configs/tip_adapter_f/vitb16_16shot.py"
    choices = Choices("folder", str(photos), shots=2, options=tiny_options | SMALL)
    setup = set_up(load_config(path), choices, "cpu")
    learner = build_learner(setup.config, setup.few.class_names)
    loaders = build_loaders(setup.few, setup.options, learner, setup.seed)
    shots = fitting.collect(learner, loaders.train)
    assert shots.labels.tolist() == [item.label for item in setup.few.train]
    assert not torch.equal(shots.pooled[0], shots.pooled[1])
    for epoch in (0, 1, 2):
        loaders.train.sampler.set_epoch(epoch)
        seen = list(loaders.train.sampler)
        pooled = [
            learner.encode_image(learner.data_preprocessor(batch)["images"]).pooled
            for batch in loaders.train
        ]
        places = [view.item for view in seen]
        torch.testing.assert_close(torch.cat(pooled), shots.pooled[epoch % 2, places])


def test_new_views_each_epoch_are_fitted_as_one(root, tiny_options, photos):
    path = root / "configs/tip_adapter/vitb16_16shot.py"
    options = tiny_options | SMALL | {"data.views": "epoch"}
    setup = set_up(path, Choices("folder", str(photos), shots=2, options=options), "cpu")
    learner = build_learner(setup.config, setup.few.class_names)
    loaders = build_loaders(setup.few, DataOptions.of(setup.config), learner, setup.seed)
    assert fitting.collect(learner, loaders.train).pooled.shape == (1, 6, 64)


@pytest.mark.parametrize("method", ["tip_adapter", "linear_probe"])
def test_without_validation_images(run, method, log, monkeypatch, tmp_path):
    plain = training.build_loaders

    def without(few, *args, **keywords):
        return plain(few._replace(val=()), *args, **keywords)

    monkeypatch.setattr(training, "build_loaders", without)
    result = run(method).result
    (_, (_, saw_val)), *_ = log
    assert not saw_val
    if method == "tip_adapter":
        assert "nothing was tuned: the dataset has no validation images" in result["fitted"]
        saved = load_checkpoint(tmp_path / "work").state
        assert (saved["branches.cache.alpha"], saved["branches.cache.beta"]) == (1.0, 5.5)
    else:
        assert result["fitted"] == [
            "probe: logistic regression on 6 images, C = 1 (no validation images)"
        ]


def test_nothing_to_train_for_an_epoch_is_refused(run):
    for method in ("zeroshot", "tip_adapter", "linear_probe"):
        with pytest.raises(ConfigError, match=r"nothing .* is learned by gradient.*set it to 0"):
            run(method, folder=method, train_cfg__max_epochs=1)


@pytest.mark.parametrize("epochs", [-1, 1.5, "two", True])
def test_epochs_that_are_none_are_refused(run, epochs):
    with pytest.raises(ConfigError, match="max_epochs to be an integer >= 0"):
        run("zeroshot", train_cfg__max_epochs=epochs)


def test_a_method_that_could_learn_may_run_without_an_epoch(run, tmp_path):
    """No epoch of CoOp is its start, tested."""
    result = run("coop", train_cfg__max_epochs=0).result
    assert (result["epochs"], result["steps"]) == (0, 0)
    start = build_learner(result["config"], result["class_names"], seed=1)
    saved = load_checkpoint(tmp_path / "work")
    for name, value in start.state_dict().items():
        assert torch.equal(saved.state[name], value), name


# -------------------------------------------------------------------------------------- checkpoint


@pytest.mark.parametrize(
    "method", slow_but(("linear_probe",), ("tip_adapter", "tip_adapter_f", "linear_probe"))
)
def test_a_checkpoint_fits_a_learner_that_saw_no_shots(
    run, root, tiny_options, photos, tmp_path, two_epochs, method
):
    epochs = two_epochs if method == "tip_adapter_f" else {}
    trained = run(method, **epochs)
    path = root / "configs" / method / "vitb16_16shot.py"
    saved = load_checkpoint(tmp_path / "work")
    learner = build_learner(path, saved.class_names, tiny_options)
    checkpoint.restore(learner, saved)
    for name, value in learner.state_dict().items():
        assert torch.equal(value, saved.state[name]), name
    if method != "linear_probe":
        assert learner.state_dict()[KEYS].shape == (6, 64)
    choices = Choices("folder", str(photos), shots=2, options=tiny_options)
    _, again = evaluate_checkpoint(path, tmp_path / "work", choices, device="cpu")
    for key in ("accuracy", "per_class_accuracy", "split_hash"):
        assert again[key] == trained.result[key]


@pytest.mark.slow
def test_constants_that_were_searched_come_back(run, tmp_path, root, tiny_options):
    run("tip_adapter")
    saved = load_checkpoint(tmp_path / "work")
    saved.state["branches.cache.alpha"].fill_(2.5)
    learner = build_learner(
        root / "configs/tip_adapter/vitb16_16shot.py", saved.class_names, tiny_options
    )
    checkpoint.restore(learner, saved)
    assert float(learner.branches["cache"].alpha) == 2.5


# ------------------------------------------------------------------------------------------ resume


@pytest.mark.slow
def test_keys_that_are_resumed_go_on_learning(run, tmp_path, two_epochs):
    run("tip_adapter_f", folder="whole", **two_epochs)
    with pytest.raises(StoppedError):
        run("tip_adapter_f", folder="cut", **two_epochs, **STOP)
    assert not (tmp_path / "cut/result.json").exists()
    run("tip_adapter_f", folder="cut", resume=True, **two_epochs)
    whole, cut = (load_checkpoint(tmp_path / name) for name in ("whole", "cut"))
    assert whole.state.keys() == cut.state.keys()
    for name, value in whole.state.items():
        assert torch.equal(cut.state[name], value), name
    one, other = (read_result(tmp_path / name) for name in ("whole", "cut"))
    for key in ("accuracy", "per_class_accuracy", "fitted", "epochs", "steps", "split_hash"):
        assert one[key] == other[key], key
    assert (one["resumed"], other["resumed"]) == (False, True)


def test_keys_learn(run, tmp_path, two_epochs):
    run("tip_adapter", folder="fixed")
    run("tip_adapter_f", folder="learned", **two_epochs)
    fixed, learned = (load_checkpoint(tmp_path / name).state for name in ("fixed", "learned"))
    assert fixed[KEYS].norm(dim=-1).tolist() == pytest.approx([1.0] * 6)
    assert (fixed[KEYS] != learned[KEYS]).all()


@pytest.mark.slow
def test_the_best_epoch_is_tuned_and_tested(run, tmp_path, two_epochs):
    """Selection restores the keys of the best epoch; alpha and beta are then searched for them."""
    result = run("tip_adapter_f", selection="val", **two_epochs).result
    best, last = (
        load_checkpoint(tmp_path / "work/best.safetensors"),
        load_checkpoint(tmp_path / "work"),
    )
    assert torch.equal(best.state[KEYS], last.state[KEYS])
    assert best.info["epoch"] == last.info["epoch"]
    assert result["fitted"][1].startswith("cache: alpha ")
