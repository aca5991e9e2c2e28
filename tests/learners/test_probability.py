"""Probabilities of a softmax and of a sigmoid: the libraries' own, and refused where undefined."""

import jaxtyping
import open_clip
import pytest
import torch
from tiny_siglip import BIAS, SCALE, SIZE, write_siglip
from torch.nn import functional as F
from torch.testing import assert_close

from plp.backbones import LiteBackbone, OpenCLIPBackbone
from plp.errors import ConfigError
from plp.evaluation.calibration import calibration_report, judge
from plp.learners import PromptLearner
from plp.learners.sigmoid import check_model_probability
from plp.probability import probabilities_of
from plp.scores import JointEnergy, MaxLogit, MaxSigmoid
from plp.scoring.choose import choose_scores, settings_of
from plp.scoring.validation import scores_of, scores_of_logits, usual_score
from plp.structures import Evidence

NAMES = ("ant", "golden retriever", "red fox")
ZERO_SHOT = dict(
    type="GlobalBranch", prompt=dict(type="TemplatePrompt", templates=["a photo of a {}."])
)
LOCAL = dict(
    type="LocalBranch", stream="tokens", prompt=dict(type="TemplatePrompt", templates="one"),
    projection=dict(type="IdentityProjection"), selector=dict(type="SharedTopK", k=3),
    aligner=dict(type="MeanAligner"),
)  # fmt: skip
PROBE = dict(type="LinearProbe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def siglip(folder):
    return OpenCLIPBackbone(f"local-dir:{folder}", None)


@pytest.fixture(scope="module")
def clip(tiny_options):
    keys = {key.rpartition(".")[2]: value for key, value in tiny_options.items()}
    return OpenCLIPBackbone(**keys, quick_gelu=True)


def learner_of(backbone, branches=None, **more):
    branches = branches or {"global": ZERO_SHOT}
    return PromptLearner(backbone, branches, NAMES, **more).eval()


def images_of(backbone, count=4):
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, *backbone.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def library_logits(backbone, images, texts):
    """What open_clip's own forward makes of images and texts: features, scale and bias."""
    model = backbone.model
    tokens = open_clip.tokenize(texts, context_length=backbone.context_length)
    with torch.no_grad():
        found = model(backbone.normalise(images), tokens)
        cosines = (
            found[0] @ found[1].T
            if isinstance(found, tuple)
            else (found["image_features"] @ found["text_features"].T)
        )
        bias = model.logit_bias
        return model.logit_scale.exp() * cosines + (0 if bias is None else bias)


TEXTS = [f"a photo of a {name}." for name in NAMES]


def test_the_sigmoid_is_siglips_own(siglip):
    """1 / (1 + exp(-(s cos + b))) of Zhai et al. 2023, equation 1."""
    assert (siglip.logit_bias.item(), siglip.image_size) == (BIAS, SIZE)
    assert siglip.logit_scale.item() == pytest.approx(SCALE)
    learner, images = learner_of(siglip, probability="sigmoid"), images_of(siglip)
    expected = library_logits(siglip, images, TEXTS)
    with torch.no_grad():
        logits = learner(images)["logits"]
    assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    found = probabilities_of(logits, learner.probability)
    assert_close(found, 1 / (1 + (-expected).exp()), rtol=1e-5, atol=1e-6)
    assert (found.sum(-1) - 1).abs().min() > 0.01, "they need not add up to one"


def test_the_softmax_is_clips_own(clip):
    assert clip.logit_bias is None
    learner, images = learner_of(clip), images_of(clip)
    assert learner.probability == "softmax"
    with torch.no_grad():
        found = probabilities_of(learner(images)["logits"])
    assert_close(found, library_logits(clip, images, TEXTS).softmax(-1), rtol=1e-4, atol=1e-5)


def test_the_softmax_of_siglip_does_not_see_the_bias(siglip):
    learner, images = learner_of(siglip), images_of(siglip)
    with torch.no_grad():
        found = probabilities_of(learner(images)["logits"])
        cosines = learner.evidence(images)["global"].scores
    assert_close(found, (SCALE * cosines).softmax(-1), rtol=1e-5, atol=1e-6)
    assert_close(found.sum(-1), torch.ones(len(images)))


@pytest.mark.parametrize("fusion", ["mean", "sum"])
def test_each_branch_has_scale_and_bias_and_they_are_fused_as_scores_are(siglip, fusion):
    learner = learner_of(siglip, {"global": ZERO_SHOT, "local": LOCAL}, fusion=fusion)
    images = images_of(siglip)
    with torch.no_grad():
        found = learner(images)
        evidence = learner.evidence(images)
    for name, one in evidence.items():
        assert_close(found[name], siglip.logit_scale * one.scores + BIAS)
    parts = torch.stack([found["global"], found["local"]])
    expected = parts.mean(0) if fusion == "mean" else parts.sum(0)
    assert_close(found["logits"], expected, rtol=1e-5, atol=1e-5)
    for name, score in scores_of(learner).items():  # the same numbers from logits and evidence
        if name in (ready := scores_of_logits(learner)):
            assert_close(ready[name](found["logits"]), score(evidence), rtol=1e-5, atol=1e-5)


def test_a_step_is_the_same_with_either(siglip):
    losses = []
    for kind in ("softmax", "sigmoid"):
        torch.manual_seed(0)
        branch = dict(type="GlobalBranch", prompt=dict(type="SharedContext", num_tokens=2))
        learner = learner_of(siglip, {"global": branch}, probability=kind).train()
        loss = sum(learner(images_of(siglip, 3), torch.tensor([0, 1, 2]), mode="loss").values())
        loss.backward()
        losses.append((loss.detach(), *(p.grad for p in learner.parameters() if p.requires_grad)))
    assert len(losses[0]) > 1
    for one, other in zip(*losses, strict=True):
        assert torch.equal(one, other)


class TestRefusals:
    def test_without_a_bias(self, clip):
        with pytest.raises(ConfigError, match=r"sigmoid loss.*tiny.* has none.*'softmax'"):
            learner_of(clip, probability="sigmoid")
        learner = learner_of(clip)
        with pytest.raises(ConfigError, match="logit bias"):
            learner.set_probability("sigmoid")
        assert learner.probability == "softmax"

    def test_the_lite_backbone(self):
        with pytest.raises(ConfigError, match="lite has none"):
            learner_of(LiteBackbone(image_size=32), probability="sigmoid")

    @pytest.mark.parametrize(
        ("backbone", "name"),
        [
            (dict(type="OpenCLIPBackbone", arch="ViT-B-16", pretrained="openai"), "vit-b16"),
            (
                dict(type="OpenCLIPBackbone", model_config={"embed_dim": 1}, arch="mine"),
                "mine:openai",
            ),
            (dict(type="LiteBackbone"), "lite"),
        ],
    )
    def test_before_anything_is_built(self, backbone, name, monkeypatch):
        model = {"backbone": backbone, "probability": "sigmoid"}
        with pytest.raises(ConfigError, match=f"logit bias .*; {name} has none"):
            check_model_probability(model)
        monkeypatch.setattr("plp.registry.BACKBONES.build_if_config", None)
        with pytest.raises(ConfigError, match="logit bias"):
            learner_of(backbone, probability="sigmoid")
        check_model_probability({"backbone": backbone})
        siglip = dict(type="OpenCLIPBackbone", arch="ViT-B-16-SigLIP", pretrained="webli")
        check_model_probability(model | {"backbone": siglip})

    def test_without_texts(self, siglip):
        branches = {"global": ZERO_SHOT, "probe": PROBE}
        with pytest.raises(ConfigError, match="branch probe has no texts"):
            learner_of(siglip, branches, probability="sigmoid")

    def test_another_word(self, siglip, monkeypatch):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        with pytest.raises(ConfigError, match="'softmax' or 'sigmoid', got 'sigmod'"):
            learner_of(siglip, probability="sigmod")

    def test_scores_of_a_sigmoid(self, clip, siglip):
        with pytest.raises(ConfigError, match=r"MaxSigmoid.* no logit bias.*MaxLogit"):
            choose_scores(learner_of(clip), ["MaxSigmoid"])
        names = {"MaxSigmoid", "JointEnergy"}
        assert not names & set(choose_scores(learner_of(clip)))
        found = choose_scores(learner_of(siglip))
        assert names < set(found)
        assert settings_of(found["MaxSigmoid"])["logit_bias"] == BIAS
        assert "logit_bias" not in settings_of(choose_scores(learner_of(clip))["MSP"])


class TestScores:
    cosines = torch.tensor([[0.10, 0.05, -0.2], [0.02, 0.01, 0.0], [0.3, 0.29, 0.28]])
    logits = SCALE * cosines + BIAS

    @property
    def evidence(self):
        one = Evidence(self.cosines, self.cosines[..., None], self.cosines[..., None])
        return {"global": one}

    def test_formulas(self):
        found = MaxSigmoid(SCALE, BIAS)(self.evidence)
        assert_close(found, -(1 / (1 + (-self.logits).exp())).amax(-1))
        found = JointEnergy(SCALE, BIAS)(self.evidence)
        assert_close(found, -(1 + self.logits.exp()).log().sum(-1))

    def test_the_largest_probability_ranks_as_the_largest_logit(self):
        largest = MaxLogit(SCALE, logit_bias=BIAS)(self.evidence)
        assert torch.equal(largest.argsort(), MaxSigmoid(SCALE, BIAS)(self.evidence).argsort())
        assert_close(largest, -self.logits.amax(-1))

    def test_which_score_rejects(self, siglip, clip):
        scores = scores_of(learner_of(siglip))
        assert usual_score(scores, "sigmoid") == "MaxSigmoid"
        assert usual_score(scores) == "MCM"
        assert usual_score(scores_of(learner_of(clip))) == "MCM"


class TestCalibration:
    logits = torch.tensor([[2.0, -1.0, -3.0], [-4.0, -3.0, -5.0], [60.0, 70.0, 0.0]]).double()
    labels = torch.tensor([0, 2, 0])

    def test_against_the_formula(self):
        found = judge(self.logits, self.labels, "sigmoid")
        shares = 1 / (1 + (-self.logits).exp())
        truth = F.one_hot(self.labels, 3).double()
        assert_close(found.confidence, shares.gather(1, self.logits.argmax(-1)[:, None])[:, 0])
        assert found.correct.tolist() == [True, False, False], "also where all are 1.0"
        assert_close(found.brier, (shares - truth).square().sum(-1))
        plain = -(truth * shares.log() + (1 - truth) * (-self.logits).sigmoid().log()).sum(-1)
        assert_close(found.nll, plain)

    def test_a_report_of_it(self):
        report = calibration_report(judge(self.logits, self.labels, "sigmoid"))
        assert report.accuracy == pytest.approx(100 / 3)
        assert report.confidence < 70

    def test_the_softmax_is_as_ever(self):
        found = judge(self.logits, self.labels)
        assert torch.equal(found.confidence, self.logits.softmax(-1).amax(-1))
