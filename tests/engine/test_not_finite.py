"""NaN that no training loss sees ends the run, before a result or a checkpoint claims numbers."""

import json
import os

import pytest
import torch
from tiny_runs import make_photos

import plp
from plp.branches.cache_branch import CacheBranch
from plp.branches.global_branch import GlobalBranch
from plp.branches.linear_probe import LinearProbe
from plp.branches.local_branch import LocalBranch
from plp.engine import train as training
from plp.engine.runner import PlpRunner
from plp.errors import NotFiniteError
from plp.evaluation import classification_report, outcomes
from plp.evaluation.finite import check_logits, check_scores, check_state
from plp.scores.mcm import MCM
from plp.sweeps.compare.worker import LOG

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def spoil(monkeypatch):
    """Let a branch say NaN, or infinity, of every third image; never where a loss sees it."""

    def of(branch, value=NAN, when=lambda: True):
        forward = branch.forward

        def spoiled(self, *inputs, **keywords):
            evidence = forward(self, *inputs, **keywords)
            if torch.is_grad_enabled() or not when():
                return evidence
            scores = evidence.scores.clone()
            scores[::3, 0] = value
            return evidence._replace(scores=scores)

        monkeypatch.setattr(branch, "forward", spoiled)

    return of


def finished(folder):
    return [name for name in ("result.json", "model.safetensors") if (folder / name).exists()]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_validation_of_an_epoch(spoil, train_tool, tmp_path, value):
    spoil(LocalBranch, value)
    told = train_tool().told()
    assert "validation: logits are NaN or infinite" in told
    assert "branch 'local': 2 of 6" in told
    assert "'global'" not in told
    assert finished(tmp_path / "work") == []


def test_the_test_alone(spoil, train_tool, tmp_path, monkeypatch):
    testing = []
    test = PlpRunner.test
    monkeypatch.setattr(PlpRunner, "test", lambda self: (testing.append(1), test(self)))
    spoil(GlobalBranch, when=lambda: testing)
    told = train_tool().told()
    assert "test: logits are NaN or infinite" in told
    assert "branch 'global': 7 of 18, branch 'zero_shot': 7 of 18" in told  # batches of 16 and 2
    assert finished(tmp_path / "work") == []


def test_scores_of_validation_images(train_tool, tmp_path, monkeypatch):
    score = MCM.forward
    monkeypatch.setattr(MCM, "forward", lambda self, evidence: score(self, evidence).log())
    monkeypatch.setattr(MCM, "of_logits", lambda self, logits: logits[:, 0], raising=False)
    told = train_tool().told()
    assert "validation: scores are NaN or infinite. Images by score: MCM: 6 of 6" in told
    assert finished(tmp_path / "work") == []


def test_test_ood_and_prediction_of_a_finished_run(
    spoil, tool, tiny_config, photos, trained, tmp_path
):
    spoil(LocalBranch)
    data = (tiny_config, trained, "--dataset", "folder", "--data-root", photos, "--device", "cpu")
    told = tool("test", *data, "--out", tmp_path / "test.json").told()
    assert "test: logits are NaN or infinite. Images by branch: branch 'local': 7 of 18" in told
    assert not (tmp_path / "test.json").exists()
    other = make_photos(tmp_path / "other", {"x": 4})
    told = tool("ood", *data, "--ood", f"other={other}", "--out", tmp_path / "ood").told()
    assert "images of id: logits are NaN or infinite" in told
    assert not list(tmp_path.glob("ood/*.json"))
    classifier = plp.load(trained)
    with pytest.raises(NotFiniteError, match=r"prediction: .* 'local': 1 of 1 \(first: .*000.png"):
        classifier.predict(photos / "ant" / "000.png")
    with pytest.raises(NotFiniteError, match=r"explanation: logits .* branch 'local': 1 of 1"):
        classifier.explain(photos / "ant" / "000.png")
    before = classifier.rejection
    with pytest.raises(NotFiniteError, match=r"calibration: scores .* MSP: \d+ of \d+"):
        classifier.calibrate(photos)
    assert classifier.rejection == before


@pytest.mark.parametrize(
    ("method", "branch", "part"),
    [
        ("tip_adapter", CacheBranch, "tuning"),
        ("linear_probe", LinearProbe, "fitting"),
    ],
)
def test_what_fitting_and_tuning_see(
    root, tiny_options, photos, tmp_path, monkeypatch, method, branch, part
):
    """Features of one shot, then texts or weights, that are not finite."""
    work = tmp_path / "work"
    options = tiny_options | {"data.num_workers": 0, "data.shots": 4}
    choices = training.Choices(dataset="folder", data_root=photos, options=options)
    config = root / "configs" / method / "vitb16_16shot.py"

    def run():
        return training.train(config, choices, work_dir=work, device="cpu")

    if branch is CacheBranch:
        inner = CacheBranch._of_texts

        def of_texts(self, pooled, text):
            found = inner(self, pooled, text)
            found[:2] = NAN
            return found

        monkeypatch.setattr(CacheBranch, "_of_texts", of_texts)
        expected = r"tuning: logits .* the prediction: 2 of 6"
    else:
        fit = LinearProbe.fit

        def spoiled(self, shots, val, text):
            told = fit(self, shots, val, text)
            self.bias[1] = INF
            return told

        monkeypatch.setattr(LinearProbe, "fit", spoiled)
        expected = r"fitting: 1 of 3 values of \w+\.bias are NaN or infinite"
    with pytest.raises(NotFiniteError, match=expected):
        run()
    assert finished(work) == []
    encode = training.PromptLearner.encode_image

    def blind(self, *inputs, **keywords):
        found = encode(self, *inputs, **keywords)
        found.pooled[0] = NAN
        return found

    monkeypatch.setattr(training.PromptLearner, "encode_image", blind)
    with pytest.raises(NotFiniteError, match=r"features are NaN or infinite \(images: 1 of \d+\)"):
        run()


SPOILT = """
import torch
from plp.branches.local_branch import LocalBranch

forward = LocalBranch.forward


def spoilt(self, *inputs, **keywords):
    evidence = forward(self, *inputs, **keywords)
    return evidence if torch.is_grad_enabled() else evidence._replace(scores=evidence.scores.log())


LocalBranch.forward = spoilt
"""


@pytest.mark.slow
def test_a_job_of_a_comparison_fails_alone(
    tool, config_with, tiny_config, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(LocalBranch, "forward", LocalBranch.forward)  # restored at the end
    (tmp_path / "spoilt_logits.py").write_text(SPOILT)
    monkeypatch.syspath_prepend(tmp_path)
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    spoilt = config_with("custom_imports = dict(imports=['spoilt_logits'])\n")
    arguments = (
        "--methods", spoilt, tiny_config, "--datasets", f"mine={photos}", "--shots", 4,
        "--seeds", 1, "--out", tmp_path / "out", "--device", "cpu",
    )  # fmt: skip
    with pytest.raises(SystemExit):
        tool("compare", *arguments)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(results["runs"]) == 1
    logs = [path.read_text() for path in (tmp_path / "out").rglob(LOG)]
    assert sum("branch 'local': " in log for log in logs) == 1


def test_reports_of_logits_and_scores():
    labels = torch.tensor([0, 1, 1])
    logits = {"fused": torch.eye(2)[labels], "local": torch.eye(2)[labels]}
    logits["local"][2, 0] = NAN
    with pytest.raises(NotFiniteError, match=r"test: .* branch 'local': 1 of 3\."):
        classification_report(outcomes(logits, labels), ["a", "b"])
    logits["local"][2, 0] = 0
    logits["fused"][:, 0] = -INF
    with pytest.raises(NotFiniteError, match=r"validation: .* the prediction: 3 of 3\."):
        classification_report(outcomes(logits, labels), ["a", "b"], "validation")
    logits["fused"][:, 0] = 0
    with pytest.raises(NotFiniteError, match=r"score: top: 3 of 3\."):
        classification_report(
            outcomes(logits, labels, {"top": lambda one: one[:, 0].log()}), ["a", "b"]
        )


def test_what_is_finite_passes():
    check_logits({"fused": torch.zeros(3, dtype=torch.bool)}, "test")
    check_scores({"MCM": torch.zeros(3)}, "test")
    check_state({"a": torch.zeros(3), "b": torch.zeros(3, dtype=torch.long)}, "fitting")
