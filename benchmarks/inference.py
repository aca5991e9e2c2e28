"""Images a second: plp's `learner.predict` against open_clip's bare `encode_image`.

    python benchmarks/inference.py                          # 100 classes, batches of 16
    python benchmarks/inference.py --threads 2 --repeats 9
    python benchmarks/inference.py --device cuda --batch 256

The same seeded random ViT-B/16 weights on both sides. plp's side is SOT-GLP: the dense V-V stream,
both branches over all classes, transport; texts are encoded once, before the clock starts, in the
round that warms up. The two take turns in one process; medians. On a GPU each call is waited for,
and only the columns of the wall say something.
"""

import argparse
from typing import Any

import torch
from _bench import Clock, build_learner, measure_apart, pixels, print_header, print_row, run_script


def measure(classes: int, batch: int, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """Measure both in this process."""
    import open_clip

    from plp.engine.runner import check_device

    check_device(device, "fp32")
    learner = build_learner(classes).to(device).eval()
    torch.manual_seed(0)
    bare = open_clip.create_model("ViT-B-16", pretrained=None, force_quick_gelu=True)
    bare = bare.to(device).eval()
    images, clock = pixels(batch).to(device), Clock(device)
    prepared = learner.backbone.normalise(images)
    with torch.no_grad():
        pooled = learner.encode_image(images).pooled
        error = float((bare.encode_image(prepared) - pooled).abs().max())
        learner.predict(images)
        for _ in range(repeats):
            with clock("bare"):
                bare.encode_image(prepared)
            with clock("tower"):
                learner.encode_image(images)
            with clock("predict"):
                learner.predict(images)
    medians = {name: list(spent) for name, spent in clock.medians().items()}
    return {"medians": medians, "difference": error}


def main(args: argparse.Namespace) -> None:
    print(f"Median of {args.repeats}, images per second, C = {args.classes}, B = {args.batch}")
    job = dict(classes=args.classes, batch=args.batch, repeats=args.repeats, device=args.device)
    found = measure_apart(__file__, job | {"threads": args.threads})
    if "error" in found:
        print(found["error"])
        return
    rows = {
        "open_clip encode_image": "bare",
        "plp encode_image, with the V-V stream": "tower",
        "plp predict": "predict",
    }
    print_header(["", "by processor time", "by the wall", "to bare, processor", "to bare, wall"])
    bare = found["medians"]["bare"]
    for title, name in rows.items():
        wall, cpu = found["medians"][name]
        cells = [args.batch / cpu, args.batch / wall]
        print_row([title, *cells, f"{bare[1] / cpu:.2f}x", f"{bare[0] / wall:.2f}x"])
    print(f"\nlargest difference of the pooled features: {found['difference']:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    run_script(parser, measure, main)
