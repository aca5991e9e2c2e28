"""Large models with seeded random weights within seconds: no initialiser runs, one fill does."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_DRAWN = {
    "normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_",
    "xavier_uniform_", "xavier_normal_", "orthogonal_", "erfinv_", "mul_", "div_", "add_", "clamp_",
}  # fmt: skip
_NOISE = 4_194_301  # numbers drawn; a prime, so that no two rows of a table are alike
_BLOCKS = (
    "visual.transformer.resblocks", "visual.trunk.blocks", "transformer.resblocks",
    "text.transformer.resblocks", "text.transformer.block", "text.transformer.encoder.layer",
    "text.transformer.layers",
)  # fmt: skip


class WithoutInit(TorchFunctionMode):
    """Leaves parameters as they were allocated: drawing them takes longer than all else."""

    def __enter__(self) -> "WithoutInit":
        """Also take torch's truncated normal away: it draws into tensors of its own."""
        self._truncated = nn.init.trunc_normal_
        nn.init.trunc_normal_ = lambda tensor, *args, **kwargs: tensor
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Give it back."""
        super().__exit__(*error)
        nn.init.trunc_normal_ = self._truncated

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        first = args[0] if args else (kwargs or {}).get("tensor")
        if name in _DRAWN and isinstance(first, Tensor) and _is_weight(first):
            return first
        if name == "randn" and args and all(isinstance(size, int) for size in args):
            return torch.empty(*args)
        return func(*args, **(kwargs or {}))


def _is_weight(tensor: Tensor) -> bool:
    """Also of a parameter's `data`, which is known by its size only."""
    return isinstance(tensor, nn.Parameter) or tensor.numel() > 1_000_000


@torch.no_grad()
def fill(model: nn.Module, seed: int = 0) -> None:
    """Draw matrices from N(0, 1 / inputs), gains near one, biases and other vectors near zero.

    Logit scale and bias stay as they are, and so do buffers.
    """
    noise = torch.randn(_NOISE, generator=torch.Generator().manual_seed(seed))
    place = 0
    for name, parameter in sorted(model.named_parameters()):
        if "logit_" in name:
            continue
        place = _copy(parameter.view(-1), noise, place)
        if parameter.ndim > 1:
            parameter.mul_(max(parameter[0].numel(), 1) ** -0.5)
            continue
        gain = name.endswith("weight") or "gamma" in name
        parameter.mul_(0.05).add_(1.0 if gain else 0.0)


def _copy(values: Tensor, noise: Tensor, place: int) -> int:
    """Fill from a place of the noise on, round and round; return where to go on."""
    begin = 0
    while begin < len(values):
        count = min(len(values) - begin, len(noise) - place)
        values[begin : begin + count] = noise[place : place + count]
        begin, place = begin + count, (place + count) % len(noise)
    return place


@torch.no_grad()
def settle(visual: Any) -> None:
    """Give batch norms the statistics of two noise images; at (0, 1) deep towers overflow."""
    norms = [part for part in visual.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    sides = visual.image_size
    sides = sides if isinstance(sides, list | tuple) else (sides, sides)
    visual(torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(1)))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.eval()
        norm.momentum = momentum


def cut(model: nn.Module, blocks: int) -> None:
    """Leave the first blocks of each transformer."""
    for path in _BLOCKS:
        parent, _, name = path.rpartition(".")
        try:
            holder = model.get_submodule(parent)
        except AttributeError:
            continue
        found = getattr(holder, name, None)
        if not isinstance(found, nn.Sequential | nn.ModuleList):
            continue
        left = list(found)[:blocks]
        kept = nn.Sequential(*left) if isinstance(found, nn.Sequential) else nn.ModuleList(left)
        setattr(holder, name, kept)


class Built:
    """Wraps plp's `build_model`: builds without initialisers, counts, cuts, fills.

    Args:
        build: `plp.backbones.openclip.build_model`.
        largest: Parameters above which towers are cut.
        blocks: Blocks that are left.

    Attributes:
        parameters: Of the model before it was cut.
        was_cut: Whether it was.
    """

    def __init__(self, build: Callable[..., nn.Module], largest: float, blocks: int) -> None:
        self._build = build
        self._largest, self._blocks = largest, blocks
        self.parameters = 0
        self.was_cut = False

    def __call__(self, *args: Any, **kwargs: Any) -> nn.Module:
        with WithoutInit():
            model = self._build(*args, **kwargs)
        self.parameters = sum(p.numel() for p in model.parameters())
        self.was_cut = self.parameters > self._largest
        if self.was_cut:
            cut(model, self._blocks)
        fill(model)
        settle(model.visual)
        return model
