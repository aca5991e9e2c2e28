"""Draw the figure of docs/concepts.md: the data's way from image and class names to logits.

    pip install -e ".[lite]"
    python docs/draw_concepts.py

The small pictures are real: flower.jpg of scikit-learn (by vultilion, CC BY 2.0) seen by
LiteBackbone at 448 pixels (14 x 14 patches), for the class "flower" with four prompts written by
hand, a support of ten patches and a plan at epsilon 0.02. Nothing is trained.
"""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F

from plp.aligners import sinkhorn
from plp.backbones import LiteBackbone
from plp.prompts import TemplatePrompt
from plp.selectors import SharedTopK
from plp.transforms import ClipEval

FIGURE = Path(__file__).parent / "figures" / "concepts.png"
SIZE = 448
TEMPLATES = ("a photo of a {}.", "the petals of a {}.", "the leaves of a {}.", "behind a {}.")
WIDTH, HEIGHT = 100.0, 128.0  # units of the drawing; a unit is as wide as it is high
# Okabe and Ito's blue and orange: told apart by all kinds of colour vision, and by the line.
BOX = 7  # height of a box
STYLES: dict[str, dict[str, Any]] = {
    "frozen": dict(facecolor="#dbe9f4", edgecolor="#0072b2", linestyle="--", linewidth=1.2),
    "learned": dict(facecolor="#fdebc8", edgecolor="#d55e00", linestyle="-", linewidth=2.0),
    "fixed": dict(facecolor="white", edgecolor="#444444", linestyle="-", linewidth=1.0),
}


class Seen(NamedTuple):
    """What the small pictures show."""

    photo: Tensor  # [SIZE, SIZE, 3], uint8
    cosines: Tensor  # [P, N]
    support: Tensor  # [K]
    plan: Tensor  # [K, N]


def look() -> Seen:
    """Compare the patches of the photograph with the prompts, select and align."""
    backbone = LiteBackbone(image_size=SIZE)
    photo = ClipEval(size=SIZE)(Image.fromarray(load_sample_image("flower.jpg")))
    dense = backbone.encode_image(backbone.normalise(photo[None]), ["grid"]).dense["grid"]
    prompt = TemplatePrompt(TEMPLATES, embed_words=backbone.embed_words)
    text = backbone.encode_text(prompt(backbone.embed_words(["flower"])))[0]  # [N, E]
    patches = F.normalize(backbone.project_dense(dense)[0], dim=-1)  # [P, E]
    cosines = patches @ F.normalize(text, dim=-1).T
    support = SharedTopK(k=10)(cosines[None, :, None]).indices.flatten()
    plan = sinkhorn(1 - cosines[support], epsilon=0.02, max_iterations=1000).plan
    return Seen(photo.permute(1, 2, 0), cosines, support, plan)


def box(axis: Axes, x: float, y: float, text: str, style: str, width: float) -> None:
    """Draw a component around (x, y): its name in bold, below it what it does."""
    corner, shape = (x - width / 2, y - BOX / 2), "round,pad=0,rounding_size=1"
    axis.add_patch(FancyBboxPatch(corner, width, BOX, boxstyle=shape, zorder=2, **STYLES[style]))
    name, _, rest = text.partition("\n")
    axis.text(x, y + 1.3, name, ha="center", va="center", weight="bold", zorder=3)
    axis.text(x, y - 1.3, rest, ha="center", va="center", zorder=3)


def arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], text: str, above: bool = False
) -> None:
    """Draw an arrow, with what goes along it to its right or above it."""
    line = dict(arrowstyle="-|>", color="#444444", shrinkA=0, shrinkB=0, linewidth=1.2)
    axis.annotate("", end, start, zorder=1, arrowprops=line)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if above:
        axis.text(x, y + 1.9, text, ha="center", va="center")
    else:
        axis.text(x + 1, y, text, ha="left", va="center")


def thumbnail(axis: Axes, x: float, y: float, side: float, title: str) -> Axes:
    """Make room for a small picture around (x, y), with a title below."""
    small = axis.inset_axes(
        (x - side / 2, y - side / 2, side, side), transform=axis.transData, zorder=2
    )
    small.set_xticks([])
    small.set_yticks([])
    axis.text(x, y - side / 2 - 1.9, title, ha="center", va="center")
    return small


def chain(
    axis: Axes, x: float, width: float, ends: tuple[float, float],
    boxes: list[tuple[float, str, str]], labels: list[str],
) -> None:  # fmt: skip
    """Draw boxes (y, text, style) below each other, and arrows to, between and from them."""
    edges = [ends[0]]
    for y, text, style in boxes:
        box(axis, x, y, text, style, width)
        edges += [y + BOX / 2, y - BOX / 2]
    edges.append(ends[1])
    for top, bottom, label in zip(edges[::2], edges[1::2], labels, strict=True):
        arrow(axis, (x, top), (x, bottom), label)


def components(axis: Axes) -> None:
    """Draw boxes and arrows."""
    box(axis, 50, 106, "image tower\nof the backbone: one pass, no graph", "frozen", 98)
    arrow(axis, (50, 113.5), (50, 109.5), "images [B,3,H,W]")
    box(axis, 50, 18, "learner\nfuses the branches' scores, times the logit scale", "fixed", 98)
    arrow(axis, (28, 14.5), (28, 9), "in training: losses")
    arrow(axis, (65.5, 14.5), (65.5, 9), "logits [B,C]")
    texts(axis)
    shade(axis, 1, 27, (2, "global\nbranch"))
    cosine, mean = "cosine\nimage and texts", "mean\nover the prompts"
    ways = [(73, cosine, "fixed"), (43.5, mean, "fixed")]
    chain(axis, 14, 22, (102.5, 21.5), ways, ["pooled\n[B,E]", "[B,C,N]", "scores\n[B,C]"])
    local_branch(axis)


def texts(axis: Axes) -> None:
    """Draw the way of the class names, in the middle."""
    axis.text(43.5, 97.5, "C class names", ha="center", va="center", weight="bold")
    arrow(axis, (43.5, 96), (43.5, 90), "tokens\n[C,S,D]")
    box(axis, 43.5, 86.5, "prompt\nN texts per class", "learned", 24)
    arrow(axis, (43.5, 83), (43.5, 76.5), "[C,N,L,D]")
    box(axis, 43.5, 73, "text tower\nof the backbone", "frozen", 20)
    arrow(axis, (33.5, 73), (25, 73), "[C,N,E]", above=True)
    arrow(axis, (53.5, 73), (61, 73), "[C,N,E]", above=True)
    note = "Each branch has a prompt\nof its own, or borrows\nthat of another branch."
    axis.text(43.5, 63.5, note, ha="center", va="center", color="#444444")


def local_branch(axis: Axes) -> None:
    """Draw the patches' way, on the right."""
    shade(axis, 59, 40, (86, "local\nbranch"))
    boxes = [
        (94, "projection\nof patches", "learned"),
        (83.5, "project_dense\nof the backbone", "frozen"),
        (73, "cosine\npatches and texts", "fixed"),
        (58.5, "selector\nK patches per class", "fixed"),
        (43.5, "aligner\nmass for each pair", "fixed"),
        (30, "weighted sum\nΣ plan · cosine", "fixed"),
    ]
    shapes = "[B,P,W]", "[B,P,E]", "[B,P,C,N]", "[B,C,K,N]", "plan\n[B,C,K,N]"
    chain(axis, 72, 22, (102.5, 21.5), boxes, ["dense [B,P,W]", *shapes, "scores [B,C]"])


def shade(axis: Axes, x: float, width: float, name: tuple[float, str]) -> None:
    """Shade a branch and name it."""
    axis.add_patch(Rectangle((x, 23.5), width, 77, color="#f1f1f1", zorder=0))
    axis.text(name[0], 96.5, name[1], style="italic", va="center")


def pictures(axis: Axes, seen: Seen) -> None:
    """Draw what an image becomes on its way."""
    rows = SIZE // 32
    thumbnail(axis, 50, 120.5, 13, "").imshow(seen.photo)
    mean = seen.cosines.mean(-1).view(rows, rows)
    thumbnail(axis, 91.5, 73.5, 10.5, "their mean").imshow(mean, cmap="cividis")
    framed = thumbnail(axis, 91.5, 59, 10.5, "support")
    framed.imshow(seen.photo)
    for patch in seen.support.tolist():
        row, column = divmod(patch, rows)
        framed.add_patch(
            Rectangle((32 * column, 32 * row), 32, 32, fill=False, color="white", linewidth=1.2)
        )
    plan = thumbnail(axis, 91.5, 44, 10.5, "plan, K × N")
    plan.imshow(seen.plan, cmap="cividis", aspect="auto")


def legend(axis: Axes) -> None:
    """Say what the three kinds of boxes are."""
    for x, style, text in (
        (4, "frozen", "frozen"),
        (23, "learned", "learned"),
        (43, "fixed", "nothing to learn"),
    ):
        axis.add_patch(Rectangle((x, 2.2), 4, 3, **STYLES[style]))
        axis.text(x + 5.5, 3.7, text, va="center")


def main() -> None:
    """Draw and save."""
    mpl.use("Agg")
    plt.rcParams.update({"font.size": 10})
    figure = plt.figure(figsize=(8.4, 8.4 * HEIGHT / WIDTH))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axis.set_axis_off()
    components(axis)
    pictures(axis, look())
    legend(axis)
    figure.savefig(FIGURE, dpi=120)


if __name__ == "__main__":
    main()
