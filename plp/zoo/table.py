"""All short names."""

from plp.zoo.entry import Entry
from plp.zoo.image_text import OTHERS, TRANSFORMERS
from plp.zoo.special import DOMAINS, IMAGE_ONLY, LITE

ENTRIES: dict[str, Entry] = {
    entry.name: entry for entry in (*LITE, *TRANSFORMERS, *OTHERS, *DOMAINS, *IMAGE_ONLY)
}
