"""What points must do, done to a library's own modules by forward hooks and other weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from plp.towers.low_rank import LowRankUpdate
from plp.towers.points import Update
from plp.towers.tower import NamedTower

RANK = 2


def draw(*shape: int, seed: int = 0, scale: float = 0.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * scale).requires_grad_()


def low_rank(tower: NamedTower, names: list[str] | None = None) -> dict[str, LowRankUpdate]:
    """Return an update of each of a tower's matrices."""
    found = {}
    for seed, (name, matrix) in enumerate(tower.matrices().items()):
        if names is None or name in names:
            rows, columns = matrix.shape
            down, up = draw(RANK, columns, seed=seed), draw(rows, RANK, seed=seed + 1000)
            found[name] = LowRankUpdate(down, up, scale=0.3)
    return found


def merged(
    tower: NamedTower, network: nn.Module, updates: Mapping[str, LowRankUpdate]
) -> dict[str, Tensor]:
    """Return the network's parameters with W + BA written into them, by the network's names."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found: dict[str, Tensor] = {}
    for name, update in updates.items():
        module, weight, _, part, transposed = tower.matrices()[name]
        old = module._parameters[weight]
        assert old is not None
        key = names[id(old)]
        delta = update.matrix()
        if part is not None:
            rows = len(old) // 3
            delta = nn.functional.pad(delta, (0, 0, part * rows, (2 - part) * rows))
        found[key] = found.get(key, old) + (delta.T if transposed else delta)
    return found


def other_norms(tower: NamedTower, network: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights for all norms: by plp's names, and by the network's parameters."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    given, own = {}, {}
    for name, norm in tower.norms().items():
        for kind in ("weight", "bias"):
            parameter = norm._parameters.get(kind)
            if parameter is not None:
                values = draw(*parameter.shape, seed=len(given))
                given[f"{name}.{kind}"] = own[names[id(parameter)]] = values
    return given, own


def with_parameters(network: nn.Module, parameters: Mapping[str, Tensor], *inputs: Tensor) -> Any:
    return functional_call(network, dict(parameters), inputs)


@contextmanager
def hooks(*pairs: tuple[Callable[..., Any], Callable[..., Any]], **options: bool) -> Iterator[None]:
    """Register (method of a module, hook) pairs for a while."""
    with ExitStack() as stack:
        for register, hook in pairs:
            stack.callback(register(hook, **options).remove)
        yield


def tokenwise(width: int, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a residual of x and of what the part reads of it."""
    first, second = draw(width, width, seed=seed), draw(width, width, seed=seed + 1)
    return lambda x, normed: (x @ first + normed.tanh() @ second) * 0.3


def zero(update: LowRankUpdate) -> Update:
    return LowRankUpdate(update.down, torch.zeros_like(update.up), update.scale)


@contextmanager
def residual_hooks(layer: nn.Module, place: str, residual: Callable[..., Tensor]) -> Iterator[None]:
    """Let a residual stand beside a part of a library's block, by forward hooks."""
    kept: dict[str, Tensor] = {}

    def enter(module: nn.Module, inputs: Any) -> None:
        kept["x"] = kept["normed"] = inputs[0]

    def first_norm(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kept["normed"] = output

    def second_norm(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kept["mlp x"] = inputs[0]

    def enter_mlp(module: nn.Module, inputs: Any) -> None:
        kept["mlp normed"] = inputs[0]
        kept.setdefault("mlp x", inputs[0])

    def add(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        x, normed = kept["x"], kept["normed"]
        if place == "mlp":
            x, normed = kept["mlp x"], kept["mlp normed"]
        return output + residual(x, normed)

    at = {"attention": _end_of(layer, 1), "mlp": _end_of(layer, 2), "block": layer}[place]
    pairs = [
        (layer.register_forward_pre_hook, enter),
        (layer.mlp.register_forward_pre_hook, enter_mlp),
        (at.register_forward_hook, add),
    ]
    if "PostNorm" not in type(layer).__name__ and "ResPost" not in type(layer).__name__:
        first, second = _norms(layer)
        pairs.append((first.register_forward_hook, first_norm))
        pairs.append((second.register_forward_hook, second_norm))
    with hooks(*pairs):
        yield


def _norms(layer: Any) -> tuple[nn.Module, nn.Module]:
    if hasattr(layer, "ln_1"):
        return layer.ln_1, layer.ln_2
    return layer.norm1, layer.norm2


def _end_of(layer: Any, part: int) -> nn.Module:
    """Return the module whose output a block adds to its tokens."""
    return getattr(layer, f"ls_{part}" if hasattr(layer, "ln_1") else f"drop_path{part}")
