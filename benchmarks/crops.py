"""Crops of a batch resized to 224 pixels: by PIL, image by image in torch, and together.

    python benchmarks/crops.py
    python benchmarks/crops.py --device cuda --batch 256

Regions of noise as the published augmentation draws them from images of 500 x 375. `image by image`
is `torch.nn.functional.interpolate` with antialiasing, `together` is `Crops.resized`. Variants take
turns; milliseconds an image are medians of wall clock and of processor time. `equal` is the share
of values that are PIL's, rows resized first.
"""

import argparse

import torch
from _bench import Clock, machine, print_header, print_row
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

from plp.transforms.crops import Crops
from plp.transforms.random_crop import draw_crop

HEIGHT, WIDTH, SIZE = 375, 500, 224


def draw_regions(count: int) -> list[torch.Tensor]:
    """Return cut-outs [3, h, w] of an image of noise."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator)
    crops = [draw_crop(WIDTH, HEIGHT, (0.08, 1.0), 0.5, generator) for _ in range(count)]
    return [
        image[:, one.top : one.top + one.height, one.left : one.left + one.width].clone()
        for one in crops
    ]


def by_pil(images: list[Image.Image]) -> torch.Tensor:
    """Resize along rows, then along columns, which not every version does by itself."""
    mode = Image.Resampling.BICUBIC
    return torch.stack(
        [
            TF.pil_to_tensor(one.resize((SIZE, one.height), mode).resize((SIZE, SIZE), mode))
            for one in images
        ]
    )


def one_by_one(crops: Crops) -> torch.Tensor:
    """Resize each by itself."""
    made = [
        F.interpolate(region[None].float(), (SIZE, SIZE), mode="bicubic", antialias=True)[0]
        for region in crops.regions()
    ]
    return torch.stack(made).round_().clamp_(0, 255).to(torch.uint8)


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    print(machine(1, args.device))
    regions = draw_regions(args.batch)
    images = [TF.to_pil_image(region) for region in regions]
    crops = Crops.of(regions, torch.zeros(args.batch, dtype=torch.bool))
    crops = Crops(crops.pixels.to(args.device), crops.sizes, crops.flips.to(args.device))
    variants = {
        "PIL": lambda: by_pil(images),
        "image by image": lambda: one_by_one(crops),
        "together": lambda: crops.resized(SIZE, "bicubic"),
    }
    clock, expected = Clock(args.device), by_pil(images)
    equal = {name: (make().cpu() == expected).float().mean() for name, make in variants.items()}
    for _ in range(args.repeats):
        for name, make in variants.items():
            with clock(name):
                make()
    print_header([f"B={args.batch}", "ms per image", "cpu ms per image", "equal"])
    for name, spent in clock.medians().items():
        milliseconds = (1000 * one / args.batch for one in (spent.wall, spent.cpu))
        print_row([name, *milliseconds, f"{equal[name]:.4f}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    main(parser.parse_args())
