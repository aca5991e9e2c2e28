"""One row of keywords, or several, for every registered component; the contract suites run them.

A new component needs a row here, or `test_components.py` fails.
"""

import atexit
import math
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from plp.prompts import SharedContext
from plp.structures import NameTokens
from plp.transforms import Preprocessing

TOKEN_DIM, DENSE_DIM, EMBED_DIM, NUM_CLASSES = 8, 6, 5, 3


def toy_words(texts: Sequence[str]) -> NameTokens:
    """Look up token embeddings in a toy vocabulary: one token a word, drawn from its checksum."""
    rows = [[_token(word) for word in text.split()] for text in texts]
    embeddings = torch.zeros(len(rows), max(map(len, rows)), TOKEN_DIM)
    for padded, row in zip(embeddings, rows, strict=True):
        if row:
            padded[: len(row)] = torch.stack(row)
    lengths = torch.tensor([len(row) for row in rows])
    return NameTokens(embeddings, lengths, _token("<start>"), _token("<end>"))


def _token(word: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(word.encode()))
    return torch.randn(TOKEN_DIM, generator=generator)


@cache
def hub_folder() -> str:
    """Write a tiny CLIP of the transformers library; called when a test builds its backbone."""
    from backbones.hf_folders import write_model

    folder = tempfile.mkdtemp(prefix="plp_hub_folder_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_model("clip", Path(folder))
    return folder


# What a learner supplies, to prompts and to all.
PROMPT_INPUTS = dict(embed_words=toy_words, num_classes=NUM_CLASSES, token_dim=TOKEN_DIM)
_LENDER = SharedContext(2, words="a photo of a", **PROMPT_INPUTS)
INPUTS = dict(
    **PROMPT_INPUTS,
    dense_dim=DENSE_DIM,
    embed_dim=EMBED_DIM,
    logit_scale=10.0,
    prompts={"lender": _LENDER},
)
_TOWER = dict(width=64, layers=2, head_width=64)
_PROMPT = dict(type="SharedContext", num_prompts=2, words="a photo of a")
_TEMPLATES = dict(type="TemplatePrompt", templates=["a photo of a {}.", "one {}"])
_LOCAL = dict(
    prompt=dict(type="ClassContext", num_prompts=2, num_tokens=2),
    stream="toy",
    selector=dict(type="SharedTopK", k=3),
    aligner=dict(type="SinkhornAligner", epsilon=0.1),
)

CASES: dict[str, dict[str, list[dict]]] = {
    "backbone": {
        "ImageOnlyBackbone": [dict(arch="timm:test_vit", pretrained=None, image_size=32)],
        "LiteBackbone": [{}],
        "OpenCLIPBackbone": [
            dict(
                arch="tiny",
                pretrained=None,
                model_config=dict(
                    embed_dim=32,
                    vision_cfg=dict(**_TOWER, image_size=32, patch_size=16),
                    text_cfg=dict(width=64, layers=2, heads=1),
                ),
            )
        ],
        "TransformersBackbone": [dict(name_or_folder=hub_folder)],
    },
    "prompt": {
        "BorrowedPrompt": [dict(branch="lender")],
        "ImageContext": [
            dict(words="a photo of a", reduction=1),
            dict(num_tokens=2, reduction=2, suffix="."),
        ],
        "SharedContext": [
            dict(words="a photo of a"),
            dict(num_prompts=3, words="a photo of a", suffix=".", position="middle"),
            dict(num_prompts=2, num_tokens=5, position="front"),
            dict(num_prompts=2, words=["one view of", "a picture of"]),
            dict(num_prompts=3, words="a photo of a", prompts_a_step=3),
        ],
        "ClassContext": [
            dict(num_prompts=2, num_tokens=4, init="xavier_uniform"),
            dict(num_tokens=3, std=0.1, position="middle", suffix=". end"),
            dict(num_prompts=2, words="a photo of a", position="front"),
        ],
        "TemplatePrompt": [{}, dict(templates=["a {} .", "{}", "{} seen from far away"])],
    },
    "projection": {
        "ClassResidual": [{}, dict(scale=1.0)],
        "IdentityProjection": [{}],
        "LinearProjection": [{}],
        "ResidualAdapter": [dict(reduction=2), dict(reduction=1, ratio=0.6)],
    },
    "selector": {
        "AllPatches": [{}],
        "SharedTopK": [{}, dict(k=1), dict(k=3)],
        "PromptTopK": [dict(k=2), dict(k=(1, 3)), dict(k=(4, 100))],
    },
    "aligner": {
        "MaxSimAligner": [{}],
        "MeanAligner": [{}],
        "PartialAligner": [{}, dict(mass=1.0), dict(mass=0.7, gradient="implicit")],
        "SinkhornAligner": [
            {},
            dict(epsilon=0.02, max_iterations=300),
            dict(gradient="implicit"),
            dict(gradient="unroll", max_iterations=30),
        ],
        "UnbalancedSinkhornAligner": [
            {},
            dict(rho_patches=0.5, rho_prompts=0.5, gradient="implicit"),
            dict(rho_patches=0.0, rho_prompts=math.inf),
            dict(rho_patches=0.2, gradient="unroll", max_iterations=30),
        ],
        "UniformAligner": [{}],
    },
    "branch": {
        "BlendedProbe": [dict(prompt=_TEMPLATES), dict(prompt=_TEMPLATES, steps=7)],
        "CacheBranch": [
            {},
            dict(prompt=_TEMPLATES),
            dict(prompt=_TEMPLATES, learn_keys=True, alpha_grid=(2.0, 4), beta_grid=(3.0, 5)),
        ],
        "StagedClassifier": [dict(prompt=_TEMPLATES), dict(prompt=_TEMPLATES, stage=2)],
        "GlobalBranch": [
            dict(prompt=_PROMPT),
            dict(prompt=_PROMPT, stream="toy", ensemble="texts"),
            dict(prompt=_TEMPLATES, ensemble="raw_texts"),
            dict(
                prompt=_TEMPLATES,
                image_head=dict(type="ResidualAdapter", reduction=2),
                text_head=dict(type="ClassResidual"),
            ),
            dict(prompt=_PROMPT, dropout=0.5),
            dict(prompt=_PROMPT, loss="per_prompt"),
        ],
        "LinearProbe": [{}],
        "PassBranch": [
            dict(prompt=_PROMPT, aligner=dict(type="SinkhornAligner", epsilon=0.1)),
            dict(prompt=_PROMPT, aligner=dict(type="MeanAligner"), add_global=True),
            dict(prompt=_PROMPT, aligner=dict(type="MaxSimAligner"), freeze_prompt=True),
        ],
        "LocalBranch": [
            _LOCAL,
            _LOCAL | dict(score_scale="published_code", projection=dict(type="LinearProjection")),
            _LOCAL
            | dict(
                selector=dict(type="PromptTopK", k=(1, 3)),
                aligner=dict(type="MeanAligner"),
                loss="per_prompt",
            ),
        ],
        "TextStartedProbe": [
            dict(prompt=_TEMPLATES),
            dict(prompt=_TEMPLATES, normalised=True),
            dict(prompt=_TEMPLATES, penalty=2.0),
        ],
        "TokenBranch": [
            dict(prompt=_PROMPT, tokens="tuner.tokens"),
            dict(prompt=_TEMPLATES, tokens="tuner.tokens", trained_classes_only=False),
        ],
    },
    "loss term": {
        "BackgroundEntropy": [{}, dict(top=1, weight=1.0, temperature=2.0)],
        "SoftTargets": [{}, dict(temperature=2.0, weight=0.5)],
        "ImageAnchor": [{}, dict(weight=1.0, distance="l1")],
        "TeacherDivergence": [{}, dict(temperature=2.0, mean_over="images_and_classes")],
        "TextAnchor": [{}, dict(weight=1.0, distance="l1", templates="raw")],
    },
    "score": {
        "MCM": [{}, dict(temperature=0.1)],
        "LocalMCM": [{}],
        "GlobalLocalMCM": [{}, dict(temperature=2.0)],
        "MSP": [
            dict(logit_scale=10.0),
            dict(logit_scale=10.0, temperature=2.0),
            dict(logit_scale=100.0, branch="global"),
        ],
        "MaxLogit": [dict(logit_scale=10.0), dict(logit_scale=1.0, branch="global")],
        "MaxSigmoid": [dict(logit_scale=10.0, logit_bias=-5.0)],
        "JointEnergy": [dict(logit_scale=10.0, logit_bias=-3.0, branch="global")],
        "Energy": [
            dict(logit_scale=10.0),
            dict(logit_scale=10.0, temperature=2.0),
            dict(logit_scale=10.0, logit_bias=-3.0),
        ],
        "Entropy": [dict(logit_scale=10.0), dict(logit_scale=10.0, temperature=2.0)],
    },
    "transform": {
        "BackboneEval": [
            dict(preprocessing=Preprocessing((24, 24), (0.5,) * 3, (0.5,) * 3, mode))
            for mode in ("shortest", "squash", "longest")
        ],
        "ClipEval": [dict(size=24)],
        "FewShotTrain": [dict(size=24), dict(size=24, scale=(0.5, 1.0), flip=0.0)],
        "Letterbox": [dict(size=24), dict(size=24, fill=(1, 2, 3))],
        "ResizedCenterCrop": [dict(size=24), dict(size=24, resize=40)],
        "Squash": [dict(size=24, interpolation="bilinear"), dict(size=24, resize=(30, 24))],
    },
}
