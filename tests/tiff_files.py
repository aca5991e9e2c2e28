"""TIFF files of any depth, polarity and number of channels, written tag by tag."""

import struct
from pathlib import Path

import numpy as np

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    *,
    white_is_zero: bool = False,
    bits: int | None = None,
    big_endian: bool = False,
    orientation: int = 1,
) -> Path:
    """Write pixels [H, W] or [H, W, channels] as they are; one-bit ones as booleans.

    Args:
        path: The file.
        pixels: The stored values, whatever they mean.
        white_is_zero: What the file says of them.
        bits: Bits a value; None for those of the dtype (1 for booleans). 12 packs two in three.
        big_endian: Order of bytes.
        orientation: Tag of that name.
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    bits = bits or (1 if pixels.dtype == bool else pixels.dtype.itemsize * 8)
    kind = {"i": SIGNED, "f": FLOAT}.get(pixels.dtype.kind, UNSIGNED)
    data = _packed(pixels, bits, ">" if big_endian else "<")
    photometric = 0 if white_is_zero else 2 if channels in (3, 4) else 1
    shorts = {
        258: [bits] * channels, 259: [1], 262: [photometric], 274: [orientation],
        277: [channels], 339: [kind] * channels,
    }  # fmt: skip
    longs = {256: width, 257: height, 273: 0, 278: height, 279: len(data)}
    if channels > 3 or channels == 2:
        shorts[338] = [0] * (channels - (3 if channels > 3 and photometric == 2 else 1))
    order, magic = (">", b"MM") if big_endian else ("<", b"II")
    tags = sorted({**shorts, **longs})
    behind = 8 + 2 + 12 * len(tags) + 4
    table, more = b"", b""
    start = behind + sum(2 * len(v) for v in shorts.values() if len(v) > 2)
    for tag in tags:
        if tag in longs:
            value = start if tag == 273 else longs[tag]
            table += struct.pack(f"{order}HHII", tag, 4, 1, value)
            continue
        content = struct.pack(f"{order}{len(shorts[tag])}H", *shorts[tag])
        table += struct.pack(f"{order}HHI", tag, 3, len(shorts[tag]))
        if len(content) <= 4:
            table += content.ljust(4, b"\0")
        else:
            table += struct.pack(f"{order}I", behind + len(more))
            more += content
    head = magic + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(tags))
    path.write_bytes(head + table + bytes(4) + more + data)
    return path


def _packed(pixels: np.ndarray, bits: int, order: str) -> bytes:
    if bits == 1:
        return np.packbits(pixels, axis=1).tobytes()
    if bits == 12:
        pairs = pixels.reshape(-1, 2).astype(np.uint32)
        whole = pairs[:, 0] << 12 | pairs[:, 1]
        return np.stack([whole >> 16, whole >> 8 & 255, whole & 255], -1).astype(np.uint8).tobytes()
    return pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
