"""Contract suites, one a kind, over every registered component; a component without a row fails."""

import pytest
import torch
from cases import CASES, DENSE_DIM, EMBED_DIM, INPUTS, NUM_CLASSES, TOKEN_DIM, toy_words
from hypothesis import given, settings
from hypothesis import strategies as st
from learning import require_learning
from PIL import Image
from torch.nn import functional as F
from torch.testing import assert_close

from plp.errors import ConfigError
from plp.losses import LossInputs
from plp.registry import COMPONENTS, Registry
from plp.structures import Evidence, ImageFeatures, Shots

NAMES = ("cat", "old oak tree", "red car")
IMAGES, PATCHES, PROMPTS = 2, 7, 2


def components(kind):
    """Parametrise a test over all rows of a kind; a component without a row is a case too."""
    cases = CASES[kind]
    names = sorted({*cases, *COMPONENTS[kind].names()})
    rows = [(name, row) for name in names for row in cases.get(name, [None])]
    return pytest.mark.parametrize(
        ("name", "row"), rows, ids=[f"{name}-{i}" for i, (name, _) in enumerate(rows)]
    )


def build(kind, name, row, **inputs):
    """Build the component of a row as the assembling code does."""
    assert row is not None, f"{kind} {name} is registered and has no row in tests/cases.py"
    row = {key: value() if callable(value) else value for key, value in row.items()}
    torch.manual_seed(0)
    return COMPONENTS[kind].build({"type": name, **row}, **inputs)


@pytest.mark.parametrize("kind", CASES)
def test_rows_and_registered_components_are_the_same(kind):
    assert set(CASES[kind]) == set(COMPONENTS[kind].names())


def test_a_component_without_a_row_is_noticed(monkeypatch):
    toys = Registry("toy", locations=[])
    toys.register_module(name="Forgotten", module=dict)
    monkeypatch.setitem(COMPONENTS, "toy", toys)
    monkeypatch.setitem(CASES, "toy", {})
    (case,) = components("toy").args[1]
    with pytest.raises(AssertionError, match="toy Forgotten is registered and has no row"):
        build("toy", *case)


def test_every_component_has_its_line_in_the_docs(root):
    text = (root / "docs" / "components.md").read_text(encoding="utf-8")
    registered = [
        name
        for registry in COMPONENTS.values()
        for name in registry.names()
        if registry.module_dict[name].__module__.startswith("plp.")
    ]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    listed = [line.split("`")[1] for line in lines]
    assert sorted(listed) == sorted(registered)


# ---------------------------------------------------------------------------------------- backbone


@pytest.fixture(scope="module")
def backbone_of():
    """Each backbone is built once a module."""
    built = {}

    def get(name, row):
        if name not in built:
            built[name] = build("backbone", name, row)
        return built[name]

    return get


@components("backbone")
def test_backbone_contract(name, row, backbone_of):
    backbone = backbone_of(name, row)
    assert not any(p.requires_grad for p in backbone.parameters())
    assert not backbone.train().training, "a backbone stays in evaluation mode"
    pixels = torch.randint(0, 256, (2, 3, *backbone.image_size), dtype=torch.uint8)
    features = backbone.encode_image(backbone.normalise(pixels), backbone.streams)
    rows, columns = features.grid
    assert features.pooled.shape == (2, backbone.embed_dim)
    assert set(features.dense) == set(backbone.streams)
    for dense in features.dense.values():
        assert dense.shape == (2, rows * columns, backbone.dense_dim)
        projected = backbone.project_dense(dense.requires_grad_())
        assert projected.shape == (2, rows * columns, backbone.embed_dim)
        assert projected.requires_grad, "a projection head before it must be able to learn"
    assert not features.pooled.requires_grad
    assert len(backbone.fingerprint) >= 32


@components("backbone")
def test_backbone_text_contract(name, row, backbone_of):
    backbone = backbone_of(name, row)
    if not backbone.has_text:
        assert backbone.token_dim == backbone.context_length == 0
        with pytest.raises(ConfigError, match="has no text tower"):
            backbone.embed_words(["cat"])
        return
    names = backbone.embed_words(["cat", "an old oak tree"])
    assert names.embeddings.shape[::2] == (2, backbone.token_dim)
    assert 0 < names.lengths[0] < names.lengths[1] == names.embeddings.shape[1]
    assert_close(names.embeddings[0, names.lengths[0] :].sum(), torch.tensor(0.0))
    prompt = COMPONENTS["prompt"].build(
        dict(type="SharedContext", num_prompts=2, words="a photo of"),
        embed_words=backbone.embed_words,
        num_classes=2,
        token_dim=backbone.token_dim,
    )
    text = backbone.encode_text(prompt(names))
    assert text.shape == (2, 2, backbone.embed_dim)
    text.square().sum().backward()
    assert prompt.context.grad.abs().max() > 0
    assert all(p.grad is None for p in backbone.parameters())


# ------------------------------------------------------------------------------------------ prompt


def texts_of(prompt, names):
    """Assemble the prompts; of one that sees images, for one image."""
    pooled = F.normalize(torch.ones(1, EMBED_DIM).cumsum(1), dim=-1)
    return prompt(names, pooled) if prompt.sees_images else prompt(names)


@components("prompt")
def test_prompt_contract(name, row):
    prompt = build("prompt", name, row, **INPUTS)
    names = toy_words(NAMES)
    embeddings, end, shared, *_ = texts_of(prompt, names)
    assert embeddings.shape[:2] == end.shape == (NUM_CLASSES, prompt.num_prompts)
    assert embeddings.shape[-1] == TOKEN_DIM
    beginning = embeddings[:, :, :shared]
    assert torch.equal(beginning, beginning[:1].expand_as(beginning)), "shared by all classes"
    for c, length in enumerate(names.lengths.tolist()):
        for text, last in zip(embeddings[c], end[c].tolist(), strict=True):
            assert_close(text[0], names.start)
            assert_close(text[last], names.end)
            assert not text[last + 1 :].any(), "what follows the end token is zero"
            windows = text[:last].unfold(0, length, 1).transpose(1, 2)  # [places, S, D]
            found = (windows == names.embeddings[c, :length]).all(2).all(1)
            assert found.sum() == 1, "the class name stands in the text once, unbroken"


@components("prompt")
def test_prompt_texts_and_state(name, row):
    prompt = build("prompt", name, row, **INPUTS)
    texts = prompt.describe()
    assert len(texts) == prompt.num_prompts
    assert all(text.count("{}") == 1 for text in texts)
    assert set(prompt.state_dict()) == {key for key, _ in prompt.named_parameters()}
    require_learning(
        prompt.named_parameters(),
        lambda: texts_of(prompt, toy_words(NAMES)).embeddings.sum(),
        every_entry=not prompt.sees_images,
    )


@components("prompt")
def test_prompt_takes_new_classes_or_says_so(name, row):
    prompt = build("prompt", name, row, **INPUTS)
    others = toy_words(("cat", "dog", "bird", "old boat"))
    if prompt.supports_new_classes:
        assert texts_of(prompt, others).embeddings.shape[0] == 4
    else:
        with pytest.raises(ValueError, match=r"expected the 3 classes .* got 4"):
            prompt(others)


# -------------------------------------------------------------------------------------- projection


@components("projection")
def test_projection_contract(name, row):
    projection = build("projection", name, row, width=DENSE_DIM, **INPUTS)
    of_texts = not projection.supports_new_classes
    features = torch.randn(NUM_CLASSES if of_texts else IMAGES, PATCHES, DENSE_DIM)
    features.requires_grad_()
    projected = projection(features)
    assert projected.shape == features.shape
    if name != "ResidualAdapter":  # published with a random start
        assert_close(projected, features)  # starts as the identity: training departs from CLIP
    (gradient,) = torch.autograd.grad(projected.sum(), features)
    assert gradient.abs().min() > 0
    require_learning(projection.named_parameters(), lambda: projection(features).sum())
    if of_texts:
        with pytest.raises(ValueError, match="expected texts of the 3 classes"):
            projection(torch.randn(NUM_CLASSES + 1, PATCHES, DENSE_DIM))


# ---------------------------------------------------------------------------------------- selector


@components("selector")
def test_selector_contract(name, row):
    selector = build("selector", name, row)
    similarity = torch.randn(IMAGES, PATCHES, NUM_CLASSES, PROMPTS, requires_grad=True)
    indices, kept = selector(similarity)
    images, classes, most, last = indices.shape
    assert (images, classes) == (IMAGES, NUM_CLASSES)
    assert last in (1, PROMPTS)
    assert 1 <= most <= PATCHES
    assert indices.dtype == torch.int64
    assert not indices.requires_grad
    assert indices.min() >= 0
    assert indices.max() < PATCHES
    ordered = indices.sort(2).values
    assert (ordered.diff(dim=2) > 0).all(), "no patch twice in one support"
    if kept is not None:
        assert last == len(kept) == PROMPTS
        assert max(kept) == most
        assert min(kept) >= 1
    assert list(selector.state_dict()) == []


@components("selector")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), order=st.permutations(range(PATCHES)))
def test_permuting_patches_permutes_the_support(name, row, seed, order):
    selector = build("selector", name, row)
    order = torch.tensor(order)
    generator = torch.Generator().manual_seed(seed)  # no ties: they may break either way
    similarity = torch.randn(IMAGES, PATCHES, NUM_CLASSES, PROMPTS, generator=generator)
    plain, shuffled = selector(similarity), selector(similarity[:, order])
    assert shuffled.kept == plain.kept
    for n in range(plain.indices.shape[-1]):
        k = plain.kept[n] if plain.kept else plain.indices.shape[2]
        expected = plain.indices[:, :, :k, n].sort(2).values
        assert_close(order[shuffled.indices[:, :, :k, n]].sort(2).values, expected)


# ----------------------------------------------------------------------------------------- aligner


@components("aligner")
def test_aligner_contract(name, row):
    """The laws of aligners are in tests/aligners; this is what a branch relies on."""
    aligner = build("aligner", name, row)
    similarity = torch.rand(IMAGES, NUM_CLASSES, 4, PROMPTS) * 2 - 1
    mask = torch.arange(4)[:, None] < torch.tensor([2, 4])
    for given_mask in (None, mask):
        plan = aligner(similarity, given_mask)
        assert plan.shape == similarity.shape
        assert (plan >= 0).all()
        assert_close(plan.sum((-2, -1)), torch.ones(IMAGES, NUM_CLASSES))
    assert not plan[..., ~mask].any()


# ------------------------------------------------------------------------------------------ branch


def branch_inputs():
    """Return random features, a text per prompt and a map into the joint space."""
    generator = torch.Generator().manual_seed(1)
    dense = {"toy": torch.randn(IMAGES, PATCHES, DENSE_DIM, generator=generator)}
    extra = {"tuner.tokens": torch.randn(IMAGES, 4, DENSE_DIM, generator=generator.clone_state())}
    features = ImageFeatures(
        torch.randn(IMAGES, EMBED_DIM, generator=generator), dense, (1, PATCHES), extra
    )
    text = torch.randn(NUM_CLASSES, PROMPTS, EMBED_DIM, generator=generator)
    weight = torch.randn(EMBED_DIM, DENSE_DIM, generator=generator)
    return features, F.normalize(text, dim=-1), lambda x: F.linear(x, weight)


def build_branch(name, row):
    """Build a branch and fit it, if it wants that, to two random images per class."""
    branch = build("branch", name, row, inputs=INPUTS, **INPUTS)
    if branch.needs_shots:
        pooled = torch.randn(1, 2 * NUM_CLASSES, EMBED_DIM)
        labels = torch.arange(NUM_CLASSES).repeat(2)
        text = None if branch.prompt is None else branch_inputs()[1]
        assert branch.fit(Shots(pooled, labels), Shots(pooled + 0.1, labels), text)
    return branch


@components("branch")
def test_branch_contract(name, row):
    branch = build_branch(name, row).eval()
    features, text, project = branch_inputs()
    evidence = branch(features, text, project, patch_scores=True)
    prompts = evidence.prompt_scores.shape[-1]
    assert evidence.scores.shape == (IMAGES, NUM_CLASSES)
    assert evidence.prompt_scores.shape == (IMAGES, NUM_CLASSES, prompts)
    assert prompts in (1, PROMPTS)
    assert evidence.scores.dtype == torch.float32
    if name in ("GlobalBranch", "LocalBranch"):
        assert evidence.scores.abs().max() <= 1
        assert evidence.similarity.abs().max() <= 1 + 1e-6
        doubled = branch(features, 2 * text, project) if "text_head" not in row else evidence
        assert_close(doubled.scores, evidence.scores)  # texts come as they are encoded
    assert branch.stream in (None, "toy")
    if branch.stream is None:
        assert evidence.patch_scores is None
    else:
        assert evidence.patch_scores.shape == (IMAGES, PATCHES, NUM_CLASSES)
        assert branch(features, text, project).patch_scores is None
    if name == "LocalBranch":
        kept = evidence.support.indices.shape[2]
        assert evidence.plan.shape == evidence.similarity.shape
        assert evidence.plan.shape == (IMAGES, NUM_CLASSES, kept, PROMPTS)
        assert_close(evidence.plan.sum((2, 3)), torch.ones(IMAGES, NUM_CLASSES))
    else:
        assert evidence.plan is evidence.support is None
    assert_close(branch(features, text, project).scores, evidence.scores)


@components("branch")
def test_branch_learns_through_text_and_its_own_parameters(name, row):
    branch = build_branch(name, row).train()
    features, text, project = branch_inputs()
    text.requires_grad_()
    features.pooled.requires_grad_()
    labels = torch.tensor([0, 2])

    def compute_loss():
        return branch.loss(branch(features, text, project), labels, torch.tensor(10.0))

    loss = compute_loss()
    assert loss.shape == ()
    assert loss.isfinite()
    loss.backward()
    if name == "TextStartedProbe":
        assert text.grad is None, "its rows have left the texts"
    elif branch.prompt is not None:
        assert text.grad.abs().max() > 0
    later = "classifier" if name == "StagedClassifier" else None  # learned in a later stage
    own = [
        (key, parameter)
        for key, parameter in branch.named_parameters()
        if parameter.requires_grad and key != later and not key.startswith("prompt.")
    ]
    require_learning(own, compute_loss)  # those of the prompt learn through `text`


@components("branch")
def test_branch_state_survives_another_number_of_shots(name, row):
    """A checkpoint fits a branch that has seen no shots yet."""
    fitted = build_branch(name, row).eval()
    fresh = build("branch", name, row, inputs=INPUTS, **INPUTS).eval()
    state = fitted.state_dict()
    fresh.accommodate({key: tuple(value.shape) for key, value in state.items()})
    fresh.load_state_dict(state)
    inputs = branch_inputs()
    assert_close(fresh(*inputs).scores, fitted(*inputs).scores)


@components("branch")
def test_branch_does_what_it_asks_for(name, row):
    branch = build_branch(name, row)
    held = Shots(torch.randn(1, 6, EMBED_DIM), torch.arange(NUM_CLASSES).repeat(2))
    if branch.needs_tuning:
        assert "validation accuracy" in branch.tune(held, branch_inputs()[1])
    else:
        with pytest.raises(NotImplementedError):
            branch.tune(held, None)
    if not branch.needs_shots:
        with pytest.raises(NotImplementedError):
            branch.fit(held, None)


# --------------------------------------------------------------------------------------- loss term


def loss_inputs(patches=True):
    """Return random evidence, texts and features of a branch and of a reference."""
    features, text, project = branch_inputs()
    frozen = features._replace(pooled=features.pooled.flip(0))
    features = features._replace(pooled=features.pooled.requires_grad_(), frozen=frozen)
    row = next(row for row in CASES["branch"]["GlobalBranch"] if row.get("stream"))
    branch = build_branch("GlobalBranch", row)
    text.requires_grad_()
    evidence = {"global": branch(features, text, project, patch_scores=patches)}
    texts = {"global": text, "zero_shot": text.detach().flip(0)}
    teachers = {"zero_shot": branch(features, texts["zero_shot"], project)}
    labels, scale = torch.tensor([0, 2]), torch.tensor(10.0)
    return LossInputs(evidence, texts, labels, scale, features, teachers)


@components("loss term")
def test_loss_term_contract(name, row):
    term = build("loss term", name, row)
    inputs = loss_inputs()
    loss = term(inputs)
    assert loss.shape == ()
    assert loss.isfinite()
    loss.backward()
    reached = inputs.features.pooled if name == "ImageAnchor" else inputs.texts["global"]
    assert reached.grad.abs().max() > 0
    doubled = build("loss term", name, row | dict(weight=2 * term.weight))
    assert_close(doubled(inputs), 2 * loss)


@components("loss term")
def test_loss_term_says_what_it_needs(name, row):
    term = build("loss term", name, row)
    inputs = loss_inputs(patches=False)
    if term.needs_patches:
        with pytest.raises(ValueError, match="give it a dense stream"):
            term(inputs)
        frozen = loss_inputs().evidence["global"]
        frozen = frozen._replace(patch_scores=frozen.patch_scores.detach())
        with pytest.raises(ValueError, match="would train nothing"):
            term(inputs._replace(evidence={"global": frozen}))
    if name == "ImageAnchor":
        with pytest.raises(ConfigError, match="expected image features"):
            term(inputs._replace(features=None))
        return
    with pytest.raises(ValueError, match="Available: other"):
        term(inputs._replace(evidence={"other": None}, texts={"other": None}))


# ------------------------------------------------------------------------------------------- score


def evidence_of(similarity):
    """Return global and local evidence whose patches all agree with the image."""
    scores = similarity[..., None].expand(-1, -1, PROMPTS)
    patches = similarity[:, None].expand(-1, PATCHES, -1)
    whole = Evidence(similarity, scores, scores)
    return {"global": whole, "local": whole._replace(patch_scores=patches)}


@components("score")
def test_score_contract(name, row):
    score = build("score", name, row)
    sure = torch.tensor([0.9, -0.5, -0.5])
    unsure = torch.full((3,), 0.4)
    found = score(evidence_of(torch.stack([sure, unsure, sure.roll(1)])))
    assert found.shape == (3,)
    assert found[0] < found[1], "lower means more in-distribution"
    assert_close(found[2], found[0])  # which class it is does not matter
    flipped = score(evidence_of(torch.stack([unsure, sure])))
    assert_close(flipped, found[:2].flip(0))


@components("score")
def test_score_says_what_it_needs(name, row):
    score = build("score", name, row)
    evidence = evidence_of(torch.rand(2, 3))
    evidence["local"] = evidence["local"]._replace(patch_scores=None)
    if score.needs_patches:
        with pytest.raises(ValueError, match="patch_scores=True"):
            score(evidence)
    else:
        assert score(evidence).shape == (2,)
    unnamed = {"other": evidence["global"]}
    if getattr(score, "branch", name) is None:  # it scores the mean of all branches there are
        assert score(unnamed).shape == (2,)
        unnamed = {}
    with pytest.raises(ValueError, match="expected a branch"):
        score(unnamed)


# --------------------------------------------------------------------------------------- transform


@components("transform")
@pytest.mark.parametrize("size", [(24, 24), (31, 67), (90, 25), (5, 9)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "RGBA"])
def test_transform_contract(name, row, size, mode):
    transform = build("transform", name, row)
    image = Image.new(mode, size)
    torch.manual_seed(3)
    pixels = transform(image)
    assert pixels.shape == (3, 24, 24)
    assert pixels.dtype == torch.uint8
    torch.manual_seed(3)
    assert torch.equal(transform(image), pixels), "all randomness is torch's"
    assert transform.describe().startswith(type(transform).__name__)
    assert "\n" not in transform.describe()
