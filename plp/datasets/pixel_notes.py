"""What is to be said about images that plp may read otherwise than they were meant."""

from collections.abc import Collection, Sequence

from plp.datasets.base import Item
from plp.datasets.decoding import Traits
from plp.datasets.readable import Inspection
from plp.transforms.pixels import Reading
from plp.wording import count

_DEPTHS = (8, 10, 12, 14)  # bits that 16-bit files hold in practice

Found = Collection[Traits]
_UPRIGHT = "data.exif=True turns them upright"
_WHAT_TO_DO = "If so, add --cfg-options {option}"
_LATER = "So it was in training; train again with {option} if such images matter"
_COARSE = (
    ". Of such colours PIL keeps the upper 8 bits only, so that few levels are left: better "
    "convert the files to 8 bits"
)


def pixel_notes(inspection: Inspection, shots: Sequence[Item], reading: Reading) -> tuple[str, ...]:
    """Return what is to be said about the images of a run.

    Args:
        inspection: What decoding them has shown.
        shots: The training images: whether deep images use all of their bits is told by all of
            these together. None where nothing is trained.
        reading: How they are read.
    """
    found, looked_at = inspection.traits, inspection.looked_at
    of_shots = [found[item] for item in shots if item in found]
    notes = orientation_notes(found.values(), looked_at, reading, _UPRIGHT)
    notes += depth_notes(of_shots, "shots", reading) if shots else []
    return (*notes, *page_notes(found.values(), looked_at))


def later_notes(found: Found, looked_at: int, reading: Reading) -> tuple[str, ...]:
    """Return what is to be said about images that a trained classifier is given.

    Args:
        found: Traits of the images; those without any may be left out.
        looked_at: Number of images.
        reading: How they are read, as in training.
    """
    deep = any(one.depth for one in found)
    return (
        *orientation_notes(found, looked_at, reading, _LATER.format(option="data.exif=True")),
        *(depth_notes(found, "images", reading, _LATER) if deep else ()),
        *page_notes(found, looked_at),
    )


def orientation_notes(found: Found, looked_at: int, reading: Reading, what_to_do: str) -> list[str]:
    """Say which images are turned by their EXIF orientation, where that is ignored.

    Args:
        found: Traits of the images; those without any may be left out.
        looked_at: Number of images.
        reading: How they are read.
        what_to_do: Ends the warning.
    """
    notes = []
    turned = sum(one.orientation > 1 for one in found)
    if turned and not reading.exif:
        notes.append(
            f"{turned} of {count(looked_at, 'image')} carry an EXIF orientation that turns or "
            "mirrors them, and it is ignored (data.exif=False): they are seen as the camera "
            f"stored them. {what_to_do}"
        )
    lost = sum(one.lost_exif for one in found)
    if lost and reading.exif:
        notes.append(
            f"{lost} of {count(looked_at, 'image')} have EXIF data that cannot be read, and are "
            "taken to be upright"
        )
    return notes


def depth_notes(
    found: Found, what: str, reading: Reading, what_to_do: str = _WHAT_TO_DO
) -> list[str]:
    """Say how many bits deep images seem to hold, and what a range of values leaves of them.

    Args:
        found: Traits of the images; those without any may be left out.
        what: What they are called, such as 'shots'.
        reading: How they are read.
        what_to_do: Ends the warning; {option} stands for the setting.
    """
    deep = [one for one in found if one.depth]
    if reading.value_range is None:
        return _seeming_depth(deep, what, what_to_do)
    low, high = reading.value_range
    asked = f"data.value_range=[{low:g},{high:g}]"
    if not deep:
        return [f"{asked} applies to none of the {what}: they have 8 bits, or say their own range"]
    beyond = [one for one in deep if one.low < low or one.high > high + 255 * (one.depth != "grey")]
    if not beyond:
        return []
    seen = f"{min(one.low for one in beyond):g} to {max(one.high for one in beyond):g}"
    return [
        f"{len(beyond)} of the {len(deep)} {what} of more than 8 bits have values beyond {asked} "
        f"(seen: {seen}), which are clipped"
    ]


def page_notes(found: Found, looked_at: int) -> list[str]:
    """Say how many images have pages that are not read."""
    pages = sum(one.pages > 1 for one in found)
    if not pages:
        return []
    return [f"{pages} of {count(looked_at, 'image')} have several pages; the first one is read"]


def _seeming_depth(deep: Found, what: str, what_to_do: str) -> list[str]:
    notes = []
    for depth, named in (("grey", "16-bit"), ("colour", "16-bit colour")):
        alike = [one for one in deep if one.depth == depth]
        low, high = (pick([v for one in alike for v in (one.low, one.high)]) if alike else 0
                     for pick in (min, max))  # fmt: skip
        bits = next((bits for bits in _DEPTHS if high < 2**bits), None)
        if not alike or bits is None:
            continue
        white = 2**bits - 1
        notes.append(
            f"the {len(alike)} {named} {what} never exceed {white} (values seen: {low:g} to "
            f"{high:g}): they seem to hold {bits} bits, and are read as nearly black, for white is "
            "65535. "
            + what_to_do.format(option=f"data.value_range=[0,{white}]")
            + (_COARSE if depth == "colour" else "")
        )
    return notes
