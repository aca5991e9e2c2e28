"""Draw the pictures of README.md and docs/pictures.md from two trained runs.

    plp train configs/sotglp/lite_16shot.py --work-dir textile
    plp train configs/sotglp/lite_16shot.py --dataset coop --data-root data/dtd --work-dir dtd
    python docs/draw_pictures.py textile dtd --data-root data/dtd

Nothing is picked by hand: of each class it is the first test image by name. Textile comes with the
package conformal-clip-data (MIT licence); DTD (Cimpoi et al., CVPR 2014) is "made available to the
computer vision community for research purposes".
"""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import plp
from plp.cli.visualize import explain_image
from plp.datasets import Splits, build_source
from plp.files import write_atomically
from plp.visualization import (
    Explained,
    draw_class_comparison,
    draw_explanation,
    draw_plan_matrices,
    draw_sheet,
)

FIGURES = Path(__file__).parent / "figures"
DEFECTS = ("textile with a local defect",) * 2 + ("textile with a global defect",)
TEXTURES = ("bubbly", "cobwebbed", "cracked")


def first_images(splits: Splits, class_names: tuple[str, ...]) -> list[Path]:
    """Return the first test images of classes by name; the second where a class comes again."""
    found: list[Path] = []
    for place, name in enumerate(class_names):
        label = splits.class_names.index(name)
        paths = sorted(item.path for item in splits.test if item.label == label)
        found.append(splits.root / paths[class_names[:place].count(name)])
    return found


def explained(run: str, splits: Splits, class_names: tuple[str, ...]) -> list[list[Explained]]:
    """Explain each image for its true class, and for the strongest other one."""
    classifier = plp.load(run)
    shown = []
    for path, name in zip(first_images(splits, class_names), class_names, strict=True):
        shown.append(explain_image(classifier, path, name))
        (said,) = classifier.predict(path, top_k=1)
        print(f"{path.name}: {name}; predicted {said.label} ({said.probability:.0%})")
    return shown


def save(figure: Any, name: str) -> None:
    """Write a figure as a small PNG: each channel rounded to a multiple of 8, half the size."""
    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    pixels = np.asarray(Image.open(raw).convert("RGB")).astype(int)
    picture = Image.fromarray(np.clip((pixels + 4) // 8 * 8, 0, 255).astype(np.uint8))
    path = FIGURES / name
    write_atomically(path, lambda file: picture.save(file, format="png", optimize=True))
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Draw all."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("textile", help="run on textile")
    flags.add_argument("dtd", help="run on DTD")
    flags.add_argument("--data-root", required=True, help="DTD in CoOp's layout")
    arguments = flags.parse_args()
    FIGURES.mkdir(exist_ok=True)
    defects = explained(arguments.textile, build_source("textile").splits(), DEFECTS)
    save(draw_sheet([true for true, _ in defects]), "textile_defects.png")
    coop = build_source("coop", arguments.data_root).splits()
    textures = explained(arguments.dtd, coop, TEXTURES)
    save(draw_sheet([true for true, _ in textures]), "dtd_textures.png")
    true, rival = textures[0]
    save(draw_explanation(true), "explanation.png")
    save(draw_class_comparison([true, rival]), "explanation_classes.png")
    save(draw_plan_matrices([true, rival]), "explanation_plans.png")


if __name__ == "__main__":
    main()
