"""Draw the figures of docs/transport.md.

    pip install -e ".[lite]"
    python docs/draw_transport.py

The photographs come with scikit-learn: china.jpg by danielbuechele and flower.jpg by vultilion,
both CC BY 2.0. The backbone is LiteBackbone at 448 pixels (14 x 14 patches), with the bare prompt
"a photo of a {}."; nothing is trained.
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LogNorm
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F

from plp.aligners import interaction, plan_diagnostics, sinkhorn
from plp.backbones import LiteBackbone
from plp.prompts import TemplatePrompt

FIGURES = Path(__file__).parent / "figures"
SIZE = 448
WORDS = {
    "china.jpg": ("palace", "blue sky", "tree", "lake"),
    "flower.jpg": ("flower", "leaf", "petal", "garden"),
}
EPSILONS = (0.01, 0.03, 0.1, 0.3)


def square(name: str) -> Tensor:
    """Centre crop of a sample photograph, uint8 [3, SIZE, SIZE]."""
    image = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)
    side = min(image.shape[1:])
    top, left = ((extent - side) // 2 for extent in image.shape[1:])
    crop = image[:, top : top + side, left : left + side].float()
    resized = F.interpolate(crop[None], size=(SIZE, SIZE), mode="bicubic", antialias=True)
    return resized[0].clamp(0, 255).round().to(torch.uint8)


def similarity(backbone: LiteBackbone, name: str) -> Tensor:
    """Cosines [P, N] of the patches of a photograph with the prompts of its words."""
    image = backbone.normalise(square(name)[None])
    dense = backbone.encode_image(image, streams=["grid"]).dense["grid"]
    prompt = TemplatePrompt(embed_words=backbone.embed_words)
    text = backbone.encode_text(prompt(backbone.embed_words(WORDS[name])))[:, 0]  # [N, E]
    patches = F.normalize(backbone.project_dense(dense)[0], dim=-1)  # [P, E]
    return patches @ F.normalize(text, dim=-1).T


def draw_plans(cosines: Tensor, name: str) -> None:
    """Plans at several epsilons over one photograph, as multiples of the uniform plan."""
    P, N = cosines.shape
    side = round(P**0.5)
    figure, axes = plt.subplots(
        len(EPSILONS), N + 1, figsize=(1.75 * (N + 1), 1.8 * len(EPSILONS)), layout="constrained"
    )
    norm = LogNorm(1 / 8, 8)
    for row, epsilon in zip(axes, EPSILONS, strict=True):
        plan = sinkhorn(1 - cosines, epsilon=epsilon, max_iterations=2000).plan
        numbers = plan_diagnostics(plan, cosines)
        row[0].imshow(square(name).permute(1, 2, 0))
        row[0].set_ylabel(f"ε = {epsilon}", fontsize=11)
        row[0].set_xlabel(f"moved {float(numbers.distance_to_uniform):.0%}", fontsize=9)
        for axis, mass, word in zip(row[1:], plan.T, WORDS[name], strict=True):
            shown = axis.imshow(mass.view(side, side) * P * N, norm=norm, cmap="RdBu_r")
            if epsilon == EPSILONS[0]:
                axis.set_title(word, fontsize=10)
        for axis in row:
            axis.set_xticks([])
            axis.set_yticks([])
    bar = figure.colorbar(shown, ax=axes, shrink=0.5, ticks=[1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8])
    bar.ax.set_yticklabels(["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    bar.ax.minorticks_off()
    bar.set_label("mass, as a multiple of the uniform plan", fontsize=9)
    figure.savefig(FIGURES / "plans_at_epsilons.png", dpi=110)


def supports(cosines: dict[str, Tensor]) -> dict[str, Tensor]:
    """All patches of each photograph, and the ten that are most similar to its prompts' mean."""
    found = {}
    for name, values in cosines.items():
        stem = name.removesuffix(".jpg")
        found[f"{stem}, all 196 patches"] = values
        found[f"{stem}, top 10"] = values[values.mean(-1).topk(10).indices]
    return found


def draw_choice(cosines: dict[str, Tensor]) -> None:
    """How far plans are from uniform, and what they cost to compute, against epsilon."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    epsilons = torch.logspace(-3, 0, 31).tolist()
    for index, (label, values) in enumerate(supports(cosines).items()):
        style = {"color": f"C{index // 2}", "linestyle": "--" if index % 2 else "-"}
        results = [
            sinkhorn(1 - values, epsilon=epsilon, max_iterations=5000) for epsilon in epsilons
        ]
        moved = [
            float(plan_diagnostics(result.plan, values).distance_to_uniform) for result in results
        ]
        spread = float(interaction(values))
        left.plot(epsilons, moved, label=f"{label} (interaction {spread:.3f})", **style)
        left.plot(spread, _at(spread, epsilons, moved), "o", color=style["color"])
        right.plot(epsilons, [int(result.iterations) for result in results], **style)
    left.set_ylabel("mass moved from the uniform plan")
    right.set_ylabel("iterations to an error of 1e-6")
    right.set_yscale("log")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xlabel("ε")
        axis.axvline(0.1, color="0.7", linewidth=1, zorder=0)
        axis.grid(alpha=0.25)
    left.legend(fontsize=7.5, frameon=False, loc="lower left")
    figure.savefig(FIGURES / "choosing_epsilon.png", dpi=110)


def _at(x: float, xs: list[float], ys: list[float]) -> float:
    return ys[min(range(len(xs)), key=lambda i: abs(xs[i] - x))]


def main() -> None:
    """Draw both figures and print the numbers the page quotes."""
    mpl.use("Agg")
    FIGURES.mkdir(exist_ok=True)
    backbone = LiteBackbone(image_size=SIZE)
    cosines = {name: similarity(backbone, name) for name in WORDS}
    draw_plans(cosines["china.jpg"], "china.jpg")
    draw_choice(cosines)
    for label, values in supports(cosines).items():
        result = sinkhorn(1 - values, epsilon=0.1)
        numbers = plan_diagnostics(result.plan, values)
        print(
            f"{label}: interaction {float(interaction(values)):.3f}, at epsilon 0.1 moved "
            f"{float(numbers.distance_to_uniform):.3f}, gain {float(numbers.gain):.4f}, "
            f"{int(result.iterations)} iterations"
        )


if __name__ == "__main__":
    main()
