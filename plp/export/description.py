"""What somebody without plp must know of an exported classifier, as JSON."""

from typing import Any

from plp.errors import ConfigError
from plp.export.program import ClassifierProgram
from plp.inference.classifier import Classifier
from plp.package import VERSION
from plp.transforms import ClipEval, EvalTransform, Letterbox, ResizedCenterCrop, Squash
from plp.transforms.size import Size, plain_size

# 2: sizes may be [height, width], and "sides" may be "long", with a "fill_color". A square whose
# short side or both are resized is written as in 1.
FORMAT = 2
INPUT = "pixels"


def describe(classifier: Classifier, program: ClassifierProgram) -> dict[str, Any]:
    """Describe input, preprocessing, outputs, classes and threshold; see docs/export.md."""
    transform = classifier.transform
    rejection = classifier.rejection
    outputs = {
        "probabilities": {
            "dtype": "float32",
            "shape": ["batch", len(classifier.class_names)],
            "of": program.probability,
            "sum_to_one": program.probability == "softmax",
        },
        "ood_score": {"dtype": "float32", "shape": ["batch"], "lower_is": "in_distribution"},
        "accepted": {"dtype": "bool", "shape": ["batch"], "is": "ood_score <= threshold"},
    }
    return {
        "format": FORMAT,
        "plp": VERSION,
        "class_names": list(classifier.class_names),
        "input": {
            "name": INPUT,
            "dtype": "uint8",
            "shape": ["batch", 3, *transform.size],
            "channels": "RGB",
            "range": [0, 255],
            "normalised_inside": True,
        },
        "preprocessing": {
            "exif_orientation": "applied" if classifier.reading.exif else "ignored",
            "value_range": classifier.reading.value_range,
            "transform": transform.describe(),
            "resize": resize_of(transform),
            "crop": sides_of(transform.size),
            "interpolation": transform.interpolation,
        },
        "outputs": {name: outputs[name] for name in program.output_names},
        "rejection": {
            "score": classifier.score,
            "threshold": rejection.threshold,
            "recall": rejection.recall,
            "validation_images": rejection.images,
        },
        **({"merged": list(program.merged)} if program.merged else {}),
    }


def resize_of(transform: Any) -> dict[str, Any]:
    """Say in numbers how the whole image is resized before the centre is cut out.

    Raises:
        ConfigError: for a transform that is not one of plp's, which nobody could repeat.
    """
    match transform:
        case ResizedCenterCrop():
            return {"sides": "short", "size": sides_of(transform.resize)}
        case ClipEval():
            return {"sides": "short", "size": sides_of(transform.size)}
        case Squash():
            return {"sides": "both", "size": sides_of(transform.resize)}
        case Letterbox():
            size = sides_of(transform.resize)
            return {"sides": "long", "size": size, "fill_color": transform.fill}
    kind = "" if isinstance(transform, EvalTransform) else "random "
    raise ConfigError(
        f"expected ClipEval, ResizedCenterCrop, Squash or Letterbox as the transform of the tests, "
        f"got the {kind}transform {transform!r}: the description beside the file could not say how "
        "to prepare an image"
    )


def sides_of(size: Size) -> int | list[int]:
    """Return the side of a square, else height and width, as JSON has them."""
    plain = plain_size(size)
    return plain if isinstance(plain, int) else list(plain)
