"""Where the matrices and norms of a tower lie in a library's modules, and what they are called."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from plp.errors import ConfigError, did_you_mean

# Where libraries keep what every block has -> its name in plp. What is not here (gates, norms of
# queries, a second matrix of a gated MLP) is called by its own path.
_IN_BLOCK = {
    "ln_1": "norm1", "layer_norm1": "norm1", "self_attn_layer_norm": "norm1",
    "ln_2": "norm2", "layer_norm2": "norm2", "final_layer_norm": "norm2",
    "attention.output.LayerNorm": "norm1", "output.LayerNorm": "norm2",
    "layer.0.layer_norm": "norm1", "layer.1.layer_norm": "norm2",
    "layernorm_before": "norm1", "layernorm_after": "norm2",
    "attention.self.query": "q", "attention.self.key": "k", "attention.self.value": "v",
    "attention.attention.query": "q", "attention.attention.key": "k",
    "attention.attention.value": "v",
    "attention.output.dense": "o", "intermediate.dense": "fc1", "output.dense": "fc2",
    "layer.1.DenseReluDense.wi": "fc1", "layer.1.DenseReluDense.wo": "fc2",
    "mlp.c_fc": "fc1", "mlp.c_proj": "fc2", "mlp.fc1": "fc1", "mlp.fc2": "fc2",
}  # fmt: skip
_OF_ATTENTION = {
    "q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "o", "o_proj": "o", "proj": "o",
    "q": "q", "k": "k", "v": "v", "o": "o",
}  # fmt: skip
_ATTENTIONS = ("attn", "self_attn", "attention", "layer.0.SelfAttention")
_AROUND = {
    "ln_pre": "norm_pre", "pre_layrnorm": "norm_pre", "ln_post": "norm_post", "norm": "norm_post",
    "ln_final": "norm_post", "post_layernorm": "norm_post", "final_layer_norm": "norm_post",
    "layernorm": "norm_post", "layer_norm": "norm_post", "embeddings.LayerNorm": "norm_pre",
    "text_projection": "projection", "visual_projection": "projection",
    "head": "projection", "proj": "projection",
}  # fmt: skip
_CONTAINERS = ("transformer.", "vision_model.", "text_model.", "encoder.")


class Matrix(NamedTuple):
    """A matrix in a library's module.

    Attributes:
        module: The module that holds it.
        weight: Its name there.
        bias: Name of what is added to its product there; None for nothing.
        part: 0 query, 1 key or 2 value, where it is a third of the rows; None for all of them.
        transposed: Whether it lies there as [in, out], and not as [out, in].
    """

    module: nn.Module
    weight: str = "weight"
    bias: str | None = "bias"
    part: int | None = None
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Width of what it yields, and of what it reads."""
        shape = getattr(self.module, self.weight).shape  # of 1 x 1 convolutions [O, I, 1, 1]
        rows, columns = shape[:2]
        if self.transposed:
            rows, columns = columns, rows
        return (rows if self.part is None else rows // 3), columns

    @property
    def is_module(self) -> bool:
        """Whether the module's output is the product: a linear layer, or a 1 x 1 convolution."""
        return self.part is None and isinstance(self.module, nn.Linear | nn.Conv2d)

    def like(self, values: Tensor) -> Tensor:
        """Return values [out, in] of the matrix, or of its part, as the library keeps them."""
        if isinstance(self.module, nn.Conv2d) and values.ndim == 2:
            return values[:, :, None, None]
        return values.T if self.transposed else values


def name_in_block(path: str) -> str:
    """Return what plp calls the matrix or norm at a path in a block.

    Example:
        >>> [name_in_block(path) for path in ('self_attn.q_proj', 'mlp.c_fc', 'attn.gate')]
        ['q', 'fc1', 'attn.gate']
    """
    attention, _, leaf = path.rpartition(".")
    if attention in _ATTENTIONS and leaf in _OF_ATTENTION:
        return _OF_ATTENTION[leaf]
    return _IN_BLOCK.get(path, path)


def name_around(path: str) -> str:
    """Return what plp calls the matrix or norm at a path outside the blocks."""
    inner = path
    for container in _CONTAINERS:
        inner = inner.removeprefix(container)
    return _AROUND.get(inner, inner)


def products(module: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Yield path and module of each linear layer."""
    for path, child in module.named_modules():
        if isinstance(child, nn.Linear):
            yield path, child


def called_products(module: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Yield those that run as modules.

    The output projection of torch's attention does not: its `forward` reads the weight.
    """
    read = {id(child.out_proj) for child in module.modules() if _is_torch_attention(child)}
    return ((path, child) for path, child in products(module) if id(child) not in read)


def norms(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield path and module of each norm with weights of its own."""
    for path, child in module.named_modules():
        weight = child._parameters.get("weight")
        if weight is not None and weight.ndim == 1 and "norm" in type(child).__name__.lower():
            yield path, child


def pointwise(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yield path and module of each convolution that is a matrix: 1 x 1, all channels together."""
    for path, child in module.named_modules():
        plain = isinstance(child, nn.Conv2d) and child.groups == 1 and child.padding == (0, 0)
        if plain and child.kernel_size == (1, 1) == child.stride:
            yield path, child


def require_matrices(names: Iterable[str], known: Collection[str]) -> None:
    """Refuse names of matrices that a tower does not have.

    Raises:
        ConfigError: with those it has.
    """
    for name in names:
        if name not in known:
            raise ConfigError(
                f"the tower has no matrix {name!r}.{did_you_mean(name, known)} "
                f"Its matrices: {listed(known)}."
            )


def _is_torch_attention(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention)


def require_plain(module: Any, *kinds: type[nn.Module]) -> Any:
    """Return a module whose matrices plp multiplies with itself, if it is what it looks like.

    Raises:
        ConfigError: for a wrapper (peft's), whose work would be skipped without a word.
    """
    kind = type(module)
    # A parametrised module's matrix is computed when it is asked for: nothing is skipped.
    if kind in kinds or is_parametrized(module):
        return module
    expected = " or ".join(known.__name__ for known in kinds)
    raise ConfigError(
        f"expected attention of the type {expected}, got {kind.__module__}.{kind.__qualname__}: "
        "plp multiplies with its matrices and would skip what was wrapped around them. Merge it "
        "into the weights (peft: merge_and_unload()), or let plp add the update (TowerPoints)."
    )


def listed(names: Iterable[str]) -> str:
    """Return names for a message, those of all blocks in one.

    Example:
        >>> listed(['blocks.0.q', 'blocks.1.q', 'blocks.0.attn.gate', 'projection'])
        'blocks.0.attn.gate, blocks.{0-1}.q, projection'
        >>> listed(['blocks.0', 'blocks.2', 'blocks.3'])
        'blocks.{0,2,3}'
    """
    blocks: dict[str, list[int]] = {}
    found = []
    for name in names:
        prefix, _, rest = name.partition(".")
        number, _, part = rest.partition(".")
        if prefix == "blocks" and number.isdecimal():
            blocks.setdefault(part, []).append(int(number))
        else:
            found.append(name)
    for part, numbers in blocks.items():
        low, high = min(numbers), max(numbers)
        together = len(set(numbers)) == high - low + 1
        several = f"{low}-{high}" if together else ",".join(map(str, sorted(set(numbers))))
        where = f"{{{several}}}" if high > low else str(low)
        found.append(f"blocks.{where}.{part}".removesuffix("."))
    return ", ".join(sorted(found))
