"""The field's datasets: where each one lies under the data root, and what must be found there.

Folders are those of CoOp's DATASETS.md, so that a disk laid out for CoOp or its relatives serves as
it is. Whatever plp knows about a set stands in this table and nowhere else: the loaders, the
templates of the configs, `tools/data.py` and its downloads read it.

Counts: of the seven sets with a `digest` from the published split files themselves; of the others
from the table of datasets in CoOp (Zhou et al., "Learning to Prompt for Vision-Language Models",
IJCV 2022) and from the sets' own papers.
"""

from typing import NamedTuple

from plp.errors import UnknownComponentError

PLAIN_TEMPLATE = "a photo of a {}."


class Counts(NamedTuple):
    """Images by part; None where nothing is expected."""

    train: int | None
    val: int | None
    test: int | None


class SplitFile(NamedTuple):
    """CoOp's split of a set.

    Attributes:
        file: Its name, in the folder of the set.
        link: Identity of the file at Google Drive, as in CoOp's DATASETS.md.
        digest: First 16 digits of `list_digest`; None where no copy was at hand to compute it from.
    """

    file: str
    link: str
    digest: str | None = None


class Fetched(NamedTuple):
    """How torchvision downloads a set.

    Attributes:
        type: Its class in `torchvision.datasets`.
        folder: Where, below the root given to it, lies what belongs in the set's folder.
    """

    type: str
    folder: str


class Benchmark(NamedTuple):
    """What is known about a dataset.

    Attributes:
        name: As `--dataset`, recipes and result tables have it.
        folder: Its folder under the data root.
        images: Image folder in there.
        source: Registered class that lists its images.
        classes: Number of classes.
        counts: Images by part.
        page: Where it comes from.
        template: Hand-written prompt, as in CoOp's zero-shot script.
        split: CoOp's split file; None for a set with lists or folders of its own.
        fetched: How torchvision downloads it; None where it does not.
        by_hand: How to get the images, where torchvision does not.
        terms: Terms of use, where they could be sourced; '' says: see the page.
    """

    name: str
    folder: str
    images: str
    source: str
    classes: int
    counts: Counts
    page: str
    template: str = PLAIN_TEMPLATE
    split: SplitFile | None = None
    fetched: Fetched | None = None
    by_hand: str = ""
    terms: str = ""


_IMAGENET_TERMS = "non-commercial research and education, after registration"
_VGG = "https://www.robots.ox.ac.uk/~vgg/data/"

_BENCHMARKS = (
    Benchmark(
        "caltech101", "caltech-101", "101_ObjectCategories", "PublishedSplit", 100,
        Counts(4128, 1649, 2465), "https://data.caltech.edu/records/mzrjq-6wc02",
        split=SplitFile("split_zhou_Caltech101.json", "1hyarUivQE36mY6jSomru6Fjd-JzwcCzN",
                        "679a17963fa84c11"),
        fetched=Fetched("Caltech101", "caltech101"), terms="CC BY 4.0 (by its dataset cards)",
    ),
    Benchmark(
        "oxford_pets", "oxford_pets", "images", "PublishedSplit", 37,
        Counts(2944, 736, 3669), _VGG + "pets/", "a photo of a {}, a type of pet.",
        SplitFile("split_zhou_OxfordPets.json", "1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs",
                  "61ac95c003a0a8de"),
        Fetched("OxfordIIITPet", "oxford-iiit-pet"), terms="CC BY-SA 4.0 (by its dataset cards)",
    ),
    Benchmark(
        "stanford_cars", "stanford_cars", ".", "PublishedSplit", 196,
        Counts(6509, 1635, 8041), "https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
        split=SplitFile("split_zhou_StanfordCars.json", "1ObCFbaAgVu0I-k_Au-gIUcefirdAuizT",
                        "3a29f7f491502930"),
        by_hand="the authors' page and its links are dead, which is why torchvision downloads it "
                "no more: get cars_train/ and cars_test/ from a copy",
    ),
    Benchmark(
        "oxford_flowers", "oxford_flowers", "jpg", "PublishedSplit", 102,
        Counts(4093, 1633, 2463), _VGG + "flowers/102/", "a photo of a {}, a type of flower.",
        SplitFile("split_zhou_OxfordFlowers.json", "1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT",
                  "922785eb2d596393"),
        Fetched("Flowers102", "flowers-102"),
    ),
    Benchmark(
        "food101", "food-101", "images", "PublishedSplit", 101,
        Counts(50500, 20200, 30300), "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        "a photo of {}, a type of food.",
        SplitFile("split_zhou_Food101.json", "1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl"),
        Fetched("Food101", "food-101"), terms="license_agreement.txt beside the images",
    ),
    Benchmark(
        "fgvc_aircraft", "fgvc_aircraft", "images", "FGVCAircraft", 100,
        Counts(3334, 3333, 3333), _VGG + "fgvc-aircraft/", "a photo of a {}, a type of aircraft.",
        fetched=Fetched("FGVCAircraft", "fgvc-aircraft-2013b/data"),
        terms="non-commercial research",
    ),
    Benchmark(
        "sun397", "sun397", "SUN397", "PublishedSplit", 397,
        Counts(15880, 3970, 19850), "https://vision.princeton.edu/projects/2010/SUN/",
        split=SplitFile("split_zhou_SUN397.json", "1y2RD81BYuiyvebdN-JymPfyWYcd8_MUq"),
        fetched=Fetched("SUN397", "."),
    ),
    Benchmark(
        "dtd", "dtd", "images", "PublishedSplit", 47,
        Counts(2820, 1128, 1692), _VGG + "dtd/", "{} texture.",
        SplitFile("split_zhou_DescribableTextures.json", "1u3_QfB467jqHgNXC00UIzbLZRQCg2S7x",
                  "a76b671593f784f6"),
        Fetched("DTD", "dtd/dtd"), terms="research",
    ),
    Benchmark(
        "eurosat", "eurosat", "2750", "PublishedSplit", 10,
        Counts(13500, 5400, 8100), "https://github.com/phelber/EuroSAT",
        "a centered satellite photo of {}.",
        SplitFile("split_zhou_EuroSAT.json", "1Ip7yaCWFi0eaOFUGga0lUdVi_DDQth1o",
                  "ccab396b0782f21b"),
        Fetched("EuroSAT", "eurosat"), terms="MIT (by its dataset cards)",
    ),
    Benchmark(
        "ucf101", "ucf101", "UCF-101-midframes", "PublishedSplit", 101,
        Counts(7639, 1898, 3783), "https://www.crcv.ucf.edu/data/UCF101.php",
        "a photo of a person doing {}.",
        SplitFile("split_zhou_UCF101.json", "1I0S0q91hJfsV9Gf4xDIjgDq4AqBNJb1y",
                  "dd3f2613f96766da"),
        by_hand="CoOp took the middle frame of each video: UCF-101-midframes.zip, "
                "https://drive.google.com/file/d/10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O",
    ),
    Benchmark(
        "imagenet", "imagenet", "images", "ImageNet", 1000,
        Counts(1281167, None, 50000), "https://image-net.org",
        by_hand="it needs an account: extract ILSVRC2012's training images to images/train, one "
                "folder per class, and the validation images to images/val",
        terms=_IMAGENET_TERMS,
    ),
    Benchmark(
        "imagenetv2", "imagenetv2", "imagenetv2-matched-frequency-format-val", "ImageNetShift",
        1000, Counts(None, None, 10000), "https://github.com/modestyachts/ImageNetV2",
        by_hand="extract imagenetv2-matched-frequency.tar.gz, "
                "https://huggingface.co/datasets/vaishaal/ImageNetV2",
    ),
    Benchmark(
        "imagenet_sketch", "imagenet-sketch", "images", "ImageNetShift", 1000,
        Counts(None, None, 50889), "https://github.com/HaohanWang/ImageNet-Sketch",
        by_hand="the page links the zip at Google Drive and at Kaggle",
    ),
    Benchmark(
        "imagenet_a", "imagenet-adversarial", "imagenet-a", "ImageNetShift", 200,
        Counts(None, None, 7500), "https://github.com/hendrycks/natural-adv-examples",
        by_hand="extract https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
    ),
    Benchmark(
        "imagenet_r", "imagenet-rendition", "imagenet-r", "ImageNetShift", 200,
        Counts(None, None, 30000), "https://github.com/hendrycks/imagenet-r",
        by_hand="extract https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
    ),
)  # fmt: skip

BENCHMARKS: dict[str, Benchmark] = {one.name: one for one in _BENCHMARKS}


def templates() -> dict[str, list[str]]:
    """Return the hand-written templates of the sets that have another than the plain one.

    Example:
        >>> templates()["dtd"], "caltech101" in templates()
        (['{} texture.'], False)
    """
    return {
        name: [one.template] for name, one in BENCHMARKS.items() if one.template != PLAIN_TEMPLATE
    }


def find_benchmark(name: str, source: str) -> Benchmark:
    """Return the facts about a set that a registered source lists.

    Raises:
        UnknownComponentError: for a set that is not the source's, with those that are.

    Example:
        >>> find_benchmark("dtd", "PublishedSplit").folder
        'dtd'
    """
    found = BENCHMARKS.get(name)
    if found is None or found.source != source:
        known = [one.name for one in BENCHMARKS.values() if one.source == source]
        raise UnknownComponentError(f"expected a dataset among {', '.join(known)}, got {name!r}")
    return found
