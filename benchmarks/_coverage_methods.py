"""One step of each method on a backbone that is built already."""

import contextlib
import ctypes
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from _bench import ROOT, forget_peak, peak_mib, sgd
from torch import Tensor

CLASSES = ("golden retriever", "ox")
FIRST = "vitb16_16shot"
GLOBAL, LOCAL = "model.branches.global.", "model.branches.local."
SHORT, FEW = 32, 4  # places of a text below which so few tokens are learned


class Method(NamedTuple):
    """A method of the table.

    Attributes:
        config: Of `configs`, without its suffix.
        stream: Key of the stream it reads, if it reads one.
        tokens: Key of its number of learned tokens, if that is the 16 of most configs.
        options: Fewer prompts than the config has, where many would only take longer.
    """

    config: str
    stream: str | None = None
    tokens: str | None = None
    options: Mapping[str, Any] = {}


CLASS_CONTEXT = Method(f"coop/{FIRST}_class_context", tokens=GLOBAL + "prompt.num_tokens")
METHODS = {
    "SOT-GLP": Method(f"sotglp/{FIRST}", LOCAL + "stream"),
    "GalLoP": Method(
        f"gallop/{FIRST}", LOCAL + "stream", None,
        {GLOBAL + "prompt.num_prompts": 1, LOCAL + "prompt.num_prompts": 2,
         LOCAL + "selector.k": (5, 10)},
    ),
    "PLOT": Method(
        f"plot/{FIRST}", LOCAL + "stream", LOCAL + "prompt.num_tokens",
        {LOCAL + "prompt.num_prompts": 2},
    ),
    "LoCoOp": Method(f"locoop/{FIRST}", GLOBAL + "stream", GLOBAL + "prompt.num_tokens"),
    "CoOp": Method(f"coop/{FIRST}", tokens=GLOBAL + "prompt.num_tokens"),
    "KgCoOp": Method(f"kgcoop/{FIRST}"),
    "CoCoOp": Method(f"cocoop/{FIRST}"),
    "CLIP-Adapter": Method(f"clip_adapter/{FIRST}"),
    "Tip-Adapter": Method(f"tip_adapter/{FIRST}"),
    "Tip-Adapter-F": Method(f"tip_adapter_f/{FIRST}"),
    "TaskRes": Method(f"taskres/{FIRST}"),
    "linear probe": Method(f"linear_probe/{FIRST}"),
}  # fmt: skip


class Cost(NamedTuple):
    """What one step takes.

    Attributes:
        seconds: Of processor time.
        memory: MiB of resident memory at its peak, above what is held before it.
    """

    seconds: float
    memory: float


def learner_of(backbone: Any, config: str, options: Mapping[str, Any] | None = None) -> Any:
    """Build a method around a backbone."""
    from plp.config.load import load_config, merge_options
    from plp.engine.build import local_seed
    from plp.registry import MODELS

    loaded = load_config(ROOT / "configs" / f"{config}.py")
    merge_options(loaded, dict(options or {}))
    model = loaded.model.to_dict()
    model["backbone"] = backbone
    with local_seed(0):
        return MODELS.build(model, class_names=CLASSES)


def remember_texts(backbone: Any) -> None:
    """Encode fixed texts once for all methods; learned ones are encoded as always."""
    whole: Callable[[Any], Tensor] = backbone.encode_text
    known: dict[bytes, Tensor] = {}

    def encode(prompts: Any) -> Tensor:
        if prompts.embeddings.requires_grad:
            return whole(prompts)
        key = prompts.embeddings.numpy().tobytes()
        if key not in known:
            known[key] = whole(prompts)
        return known[key]

    backbone.encode_text = encode


def stream_of(backbone: Any, method: Method) -> str | None:
    """Return the stream that a method reads on a backbone: its config's, or the nearest one."""
    if method.stream is None:
        return None
    usual = {"sotglp": "vv", "plot": "tokens"}.get(method.config.partition("/")[0], "value")
    order = (usual, "value", "tokens")
    return next((name for name in order if name in backbone.streams), None)


def run_method(backbone: Any, method: Method, features: Any) -> str:
    """Make one step of a method; return what it ran on: a stream's name, or 'yes'.

    Raises:
        ValueError: for a loss or gradient that is not a number, or no gradient at all.
    """
    stream = stream_of(backbone, method)
    if method.stream is not None and stream is None:
        return f"no: {why_no_stream(backbone)}"
    options = dict(method.options) | ({method.stream: stream} if method.stream else {})
    if method.tokens and backbone.has_text and backbone.context_length < SHORT:
        options[method.tokens] = FEW
    learner = learner_of(backbone, method.config, options)
    if learner.needs_shots:
        learner.fit(shots_of(features), shots_of(features, seed=1))
    if learner.needs_tuning:
        learner.tune(shots_of(features, seed=1))
    if any(p.requires_grad for p in learner.parameters()):
        step(learner, features)
    else:
        with torch.no_grad():
            check({"logits": learner.eval()(features)["logits"]})
    return stream or "yes"


def timed_step(backbone: Any, images: Tensor) -> tuple[str, str | None, Cost]:
    """Measure a whole step of SOT-GLP, of CoOp where there is no stream: images to optimiser."""
    method = METHODS["SOT-GLP"]
    stream = stream_of(backbone, method)
    options = {method.stream: stream}
    config = method.config if stream else METHODS["CoOp"].config
    learner = learner_of(backbone, config, options if stream else {})
    return_free_memory()
    forget_peak()
    held, begin = peak_mib(), time.process_time()
    step(learner, images)
    cost = Cost(time.process_time() - begin, peak_mib() - held)
    return "SOT-GLP" if stream else "CoOp", stream, cost


def return_free_memory() -> None:
    """Give freed pages back, so that a step that takes them again is seen to take them."""
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def step(learner: Any, images: Any) -> None:
    """Make a training step on one image; raise where something is not a number, or not trained."""
    learner.train()
    optimiser = sgd(learner.parameters())
    losses = learner(images, torch.tensor([1]), mode="loss")
    check(losses)
    sum(losses.values()).backward()
    gradients = {
        name: p.grad
        for name, p in learner.named_parameters()
        if p.requires_grad and p.grad is not None
    }
    check(gradients)
    if not any(bool((gradient != 0).any()) for gradient in gradients.values()):
        raise ValueError("nothing has a gradient")
    optimiser.step()


def check(tensors: Mapping[str, Tensor]) -> None:
    """Raise where a number is NaN or infinite."""
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} is not finite")


def shots_of(features: Any, seed: int = 0) -> Any:
    """Return four made-up shots around an image's feature."""
    from plp.structures import Shots

    labels = torch.tensor([0, 1, 0, 1])
    generator = torch.Generator().manual_seed(seed)
    pooled = features.pooled
    noise = torch.randn(4, pooled.shape[-1], generator=generator) * pooled.std()
    return Shots((pooled + noise)[None], labels)


def why_no_stream(backbone: Any) -> str:
    """Return a backbone's reason for having no stream."""
    refusals = getattr(getattr(backbone, "_vision", None), "refusals", {})
    return next(iter(refusals.values()), "the tower has no stream")


def attempt(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or 'no: ' and the first line of why it failed."""
    try:
        return call()
    except Exception as error:  # a failure is a cell of the table
        return f"no: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
