"""Names of datasets: one spelling each, whatever files, folders and papers call them."""

import re

# The datasets of the field as CoOp names them, and their other spellings in papers, split files
# and folders (lower case, letters and digits only).
_SPELLINGS = {
    "caltech101": ("caltech",),
    "oxford_pets": ("pets", "oxfordiiitpets", "oxfordpet", "oxfordiiitpet"),
    "stanford_cars": ("cars",),
    "oxford_flowers": ("flowers", "flowers102", "oxfordflowers102", "oxford102flowers"),
    "food101": ("food",),
    "fgvc_aircraft": ("aircraft",),
    "sun397": (),
    "dtd": ("describabletextures", "describabletexturesdataset"),
    "eurosat": (),
    "ucf101": ("ucf",),
    "imagenet": ("imagenet1k", "ilsvrc2012"),
    "imagenetv2": (),
    "imagenet_sketch": ("imagenets",),
    "imagenet_a": ("imagenetadversarial",),
    "imagenet_r": ("imagenetrendition",),
}
_NAMES = {
    spelling: name
    for name, others in _SPELLINGS.items()
    for spelling in (name.replace("_", ""), *others)
}


def normalise_dataset_name(name: str) -> str:
    """Return the name under which recipes and results of a dataset are kept.

    Args:
        name: Any spelling: of a class, a folder, a paper.

    Returns:
        CoOp's name for one of the field's datasets, else `name` in snake case.

    Example:
        >>> [normalise_dataset_name(n) for n in ('OxfordFlowers', 'oxford-flowers', 'flowers 102')]
        ['oxford_flowers', 'oxford_flowers', 'oxford_flowers']
        >>> normalise_dataset_name('DescribableTextures'), normalise_dataset_name('MyBirds 2')
        ('dtd', 'my_birds_2')
    """
    known = _NAMES.get(re.sub(r"[\W_]", "", name.lower()))
    return _snake_case(name) if known is None else known


def folder_label(name: str) -> str:
    """Return what a dataset is called after its folder: a label, and no dataset of the field.

    A folder that has the very name of one is told from it: numbers of the two must not meet in a
    table.

    Args:
        name: The folder's name.

    Example:
        >>> [folder_label(name) for name in ('My Birds', 'flowers', 'DTD', '???')]
        ['my_birds', 'flowers', 'dtd_folder', 'folder']
    """
    label = _snake_case(name) or "folder"
    return f"{label}_folder" if label in (*_SPELLINGS, "textile") else label


def _snake_case(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[\W_]+", "_", words.lower()).strip("_")


def name_of_split_file(stem: str) -> str:
    """Return the data-set name in the name of a split file.

    Example:
        >>> name_of_split_file('split_zhou_OxfordFlowers')
        'oxford_flowers'
        >>> name_of_split_file('split_reduced_DescribableTextures')
        'dtd'
    """
    return normalise_dataset_name(re.sub(r"^split_((zhou|reduced)_)?", "", stem))
