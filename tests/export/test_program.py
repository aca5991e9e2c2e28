"""Every method as one program: what the classifier says, for any number of images."""

import pytest
import torch
from small_clip import CLASSES, classifier_of, pixels_of
from torch.testing import assert_close

import plp
from plp.errors import ConfigError, ExportError
from plp.export import ClassifierProgram, export_onnx, export_program
from plp.export.trace import trace
from plp.scoring.validation import scores_of

METHODS = (
    "clap", "clip_adapter", "cliplora", "coop", "gallop", "ivlp", "kgcoop", "linear_probe",
    "locoop", "lpplus", "maple", "mma", "mmrl", "plot", "plotpp", "prograd", "prolip", "promptsrc",
    "sotglp", "taskres", "tcp", "tip_adapter", "tip_adapter_f", "twostage", "vpt", "zeroshot",
    "zslp",
)  # fmt: skip
REFUSED = ("cocoop",)
QUICK = (
    "sotglp",
    "tip_adapter_f",
    "linear_probe",
    "lpplus",
    "cliplora",
    "mmrl",
)  # the others with the slow tests


def program_of(clf, **keywords):
    score = scores_of(clf.learner)[clf.score]
    return ClassifierProgram(clf.learner, score, clf.rejection.threshold, **keywords)


def said_by(clf, pixels):
    with torch.no_grad():
        evidence = clf.learner.evidence(pixels, patch_scores=True)
        score = scores_of(clf.learner)[clf.score](evidence)
        probabilities = clf.learner.logits_of(evidence)["logits"].softmax(-1)
    return {
        "probabilities": probabilities,
        "ood_score": score,
        "accepted": score <= clf.rejection.threshold,
    }


def require_same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_texts_are_in_float32_whatever_the_run_predicts_in(small):
    clf = small("sotglp/vitb16_16shot")
    expected = program_of(clf)
    clf.learner.precision = "bf16"
    try:
        clf.learner.train().eval()
        rounded, found = clf.learner.encode_text(), program_of(clf)
    finally:
        clf.learner.precision = "fp32"
        clf.learner.train().eval()
    for place, name in enumerate(clf.learner.branches):
        text = f"text_{place}"
        assert_close(getattr(found, text), getattr(expected, text), rtol=0, atol=1e-6)
        assert not torch.allclose(rounded[name].float(), getattr(expected, text), atol=1e-6)


def test_every_method_is_here(root):
    folders = {path.parent.name for path in (root / "configs").glob("*/vitb16_16shot.py")}
    assert folders == {*METHODS, *REFUSED}


@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=[pytest.mark.slow] * (m not in QUICK)) for m in METHODS],
)
def test_a_method_traces_for_any_batch(small, method):
    clf = small(f"{method}/vitb16_16shot")
    traced = trace(program_of(clf))
    assert not any("plp" in str(node.target) for node in traced.graph.nodes)
    assert not any(
        "transformer.resblocks.0.attn" in n and "visual" not in n for n in traced.state_dict
    )
    program = traced.module()
    for images in (1, 2, 7):
        pixels = pixels_of(images)
        with torch.no_grad():
            require_same(program(pixels), said_by(clf, pixels))


# torch's own file holds the traced program as it is: one method of each kind says so.
TORCH_FILES = ("sotglp", "tip_adapter_f", "cliplora", "promptsrc", "plotpp", "zeroshot")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("export", "suffix", "method"),
    [(export_onnx, "onnx", method) for method in METHODS]
    + [(export_program, "pt2", method) for method in TORCH_FILES],
)
def test_a_method_is_written_and_checked(small, tmp_path, method, export, suffix):
    made = export(small(f"{method}/vitb16_16shot"), tmp_path / f"{method}.{suffix}")
    assert made.checked.images == 10
    assert made.checked.difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["maxsim", "unbalanced", "eps001", "prompt_topk", "mean"])
def test_variants_of_the_local_branch(small, root, variant):
    from plp.config.load import load_config

    own = load_config(root / f"configs/sotglp/lite_16shot_{variant}.py").model.branches.local
    parts = {key: own[key] for key in ("aligner", "selector")}
    options = {
        f"model.branches.local.{key}": {"_delete_": True, **value.to_dict()}
        for key, value in parts.items()
    }
    clf = small("sotglp/vitb16_16shot_noproj", options)
    pixels = pixels_of(3)
    require_same(trace(program_of(clf)).module()(pixels), said_by(clf, pixels))


def test_prompts_that_see_images_are_refused(small):
    with pytest.raises(ConfigError, match=r"branch global depend on the image \(CoCoOp\)"):
        program_of(small("cocoop/vitb16_16shot"))


def test_the_learner_stays_as_it_is(small):
    clf = small("sotglp/vitb16_16shot")
    before = {name: value.clone() for name, value in clf.learner.state_dict().items()}
    aligner = clf.learner.branches["local"].aligner
    solver, expected = aligner.solver, said_by(clf, pixels_of(2))
    program_of(clf)
    assert aligner.solver == solver
    assert clf.learner.branches["local"].prompt is not None
    assert_close(clf.learner.state_dict(), before, rtol=0, atol=0)
    assert_close(said_by(clf, pixels_of(2)), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("epsilon", "most", "asked", "run"),
    [(0.1, 100, None, 20), (0.02, 100, None, 50), (0.001, 100, None, 100), (0.1, 8, None, 8),
     (0.1, 100, 3, 3)],
)  # fmt: skip
def test_iterations(small, epsilon, most, asked, run):
    options = {
        "model.branches.local.aligner.epsilon": epsilon,
        "model.branches.local.aligner.max_iterations": most,
    }
    program = program_of(small("sotglp/vitb16_16shot", options), iterations=asked)
    solver = program.branches[1].aligner.solver
    assert (solver.max_iterations, solver.implementation) == (run, "fixed")


def test_a_part_that_looks_at_values_is_told(small):
    program = program_of(small("coop/vitb16_16shot"))

    def nosy(evidence):
        scores = evidence["global"].scores.amax(-1)
        return scores if float(scores.mean()) > 0 else -scores

    program.score.forward = nosy
    with pytest.raises(ExportError, match=r"cannot be traced: .* no `\.item\(\)`"):
        trace(program)


@pytest.mark.slow
def test_lite(root, tmp_path):
    clf = classifier_of(plp.build_learner(root / "configs/sotglp/lite_16shot.py", CLASSES))
    for export, suffix in ((export_onnx, "onnx"), (export_program, "pt2")):
        made = export(clf, tmp_path / f"lite.{suffix}")
        assert made.checked.difference < 1e-4
        assert made.bytes < 30e6  # without the text tower
