import pytest

from plp.datasets import normalise_dataset_name
from plp.datasets.names import name_of_split_file

COOP = (
    "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft",
    "sun397", "dtd", "eurosat", "ucf101", "imagenet",
)  # fmt: skip


@pytest.mark.parametrize("name", COOP)
def test_coop_s_names_stay(name):
    assert normalise_dataset_name(name) == name
    assert normalise_dataset_name(name.upper().replace("_", "-")) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Caltech101", "caltech101"),
        ("caltech-101", "caltech101"),
        ("DescribableTextures", "dtd"),
        ("EuroSAT", "eurosat"),
        ("UCF101", "ucf101"),
        ("SUN397", "sun397"),
        ("FGVCAircraft", "fgvc_aircraft"),
        ("Food-101", "food101"),
        ("StanfordCars", "stanford_cars"),
        ("ImageNet", "imagenet"),
        ("Flowers102", "oxford_flowers"),
        ("OxfordPets", "oxford_pets"),
        ("Textile", "textile"),
        ("MyHTTPBirds", "my_http_birds"),
        ("größe L", "größe_l"),
        ("  odd -- name ", "odd_name"),
    ],
)
def test_other_spellings(spelling, name):
    assert normalise_dataset_name(spelling) == name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("split_zhou_Caltech101", "caltech101"),
        ("split_reduced_Imagenette", "imagenette"),
        ("split_pets", "oxford_pets"),
        ("lists", "lists"),
    ],
)
def test_split_files(stem, name):
    assert name_of_split_file(stem) == name
