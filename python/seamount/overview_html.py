"""A group in a notebook: its arrays, how they are chunked, and a look at a field."""

from __future__ import annotations

import base64
import html
import math
import struct
import zlib
import numpy as np

from .areas import latitude_of
from .errors import SeamountError
from .overview import Array, Group, line_of, splits_of

# What is read for a picture nobody asked for by name.
_MOST_BYTES = 64 << 20
_WIDTH = 240


def html_of(group: Group, url: str) -> str:
    """The group's ``_repr_html_``; every text is escaped."""
    overview = group.overview()
    facts = [("dimensions", ", ".join(f"{dim} {size}" for dim, size in overview.dims.items()))]
    facts += [("times", _times(group))]
    facts += [(f"split {name}", f"{where} of {group.sample_dim}") for name, where in splits_of(group)]
    facts += [("groups", ", ".join(group.groups()))]
    facts += [(f"not readable: {name}", why) for name, why in overview.unreadable.items()]
    rows = "".join(_row(html.escape(name), html.escape(value)) for name, value in facts if value)
    sections = []
    for title, arrays in (("variables", overview.variables), ("coordinates", overview.coordinates)):
        lines = "".join(_row(html.escape(name), html.escape(line_of(array)), chunk_picture(array) if title == "variables" else "")
                        for name, array in arrays.items())  # fmt: skip
        if lines:
            sections.append(f"<details{' open' if title == 'variables' else ''}><summary>{len(arrays)} {title}</summary>"
                            f"<table>{lines}</table></details>")  # fmt: skip
    return (f"<div><b>seamount.Group</b> {html.escape(repr(url))}<table>{rows}</table>{''.join(sections)}"
            f"{_preview(overview.variables, overview.coordinates)}</div>")  # fmt: skip


def _times(group: Group) -> str:
    """The first and the last."""
    dim = group.sample_dim or "time"
    if dim not in group.overview().coordinates:
        return ""
    try:
        times = group.times(dim)
    except SeamountError:
        return ""  # it tells no times
    return f"{_shown(times[0])} to {_shown(times[-1])}" if len(times) else ""


def _shown(time: np.datetime64 | str) -> str:
    """Without a time of day that is nothing, or seconds."""
    return str(time).partition(".")[0].removesuffix("T00:00:00").removesuffix(":00").replace("T", " ")


def array_html(array: Array) -> str:
    """The same of one array."""
    sizes = ", ".join(f"{dim} {size}" for dim, size in zip(array.dims, array.shape)) or str(array.shape)
    facts = {"": sizes, "type": str(array.dtype)} | {key: str(value) for key, value in array.attributes.items() if key != "seamount"}
    rows = "".join(_row(html.escape(key), html.escape(value)) for key, value in facts.items())
    return f"<div><b>seamount.Array</b> {html.escape(repr(array.name))}<table>{rows}</table>{chunk_picture(array)}</div>"


def _row(name: str, *values: str) -> str:
    cells = "".join(f"<td style='text-align:left'>{value}</td>" for value in values)
    return f"<tr><th style='text-align:left'>{name}</th>{cells}</tr>"


def chunk_picture(array: Array) -> str:
    """The last two dimensions as a grid of chunks, those before as sheets behind it: an SVG."""
    if not array.ndim or 0 in array.shape:
        return ""
    shape, chunks = ((1, *array.shape), (1, *array.chunks)) if array.ndim == 1 else (array.shape, array.chunks)
    (rows, columns), (height, width) = shape[-2:], chunks[-2:]
    scale = 96 / max(rows, columns)
    high, wide = max(rows * scale, 10), max(columns * scale, 10)
    sheets = math.prod(-(-size // chunk) for size, chunk in zip(shape[:-2], chunks[:-2]))
    shown = min(sheets, 6)
    depth = 4 * (shown - 1)
    parts = []
    for sheet in range(shown):
        offset = 4 * (shown - 1 - sheet)
        parts.append(f"<rect x='{offset + 1}' y='{offset + 1}' width='{wide:.1f}' height='{high:.1f}'/>")
    for along, count in ((0, -(-columns // width)), (1, -(-rows // height))):
        extent, size, chunk = ((wide, columns, width), (high, rows, height))[along]
        if count > 48:  # finer lines would be a grey field
            continue
        for number in range(1, count):
            at = 1 + extent * number * chunk / size
            ends = (at, 1, at, high + 1) if along == 0 else (1, at, wide + 1, at)
            parts.append("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}'/>".format(*ends))
    total = sheets * -(-columns // width) * -(-rows // height)
    size = math.prod(array.chunks) * array.dtype.itemsize
    return (
        f"<svg width='{wide + depth + 2:.0f}' height='{high + depth + 2:.0f}' role='img' style='fill:#cfe2f3;stroke:#33688e'>"
        f"<title>{total} chunks of {_bytes(size)}</title>{''.join(parts)}</svg> <small>{total} × {_bytes(size)}</small>"
    )


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _preview(variables: dict[str, Array], coordinates: dict[str, Array]) -> str:
    """The first field that is cheap to read."""
    for name, array in variables.items():
        if array.ndim < 2 or array.dtype.kind not in "iuf" or min(array.shape[-2:]) < 2 or 0 in array.shape:
            continue
        touched = math.prod(array.chunks[:-2]) * math.prod(array.shape[-2:]) * array.dtype.itemsize
        if touched > _MOST_BYTES:
            continue
        try:
            field = array[(0,) * (array.ndim - 2)].astype("f8")
            if _begins_south(array.dims[-2:], coordinates):
                field = field[::-1]
        except SeamountError as error:
            return f"<div>{html.escape(name)} could not be shown: {html.escape(str(error))}</div>"
        if not np.isfinite(field).any():
            continue
        low, high = np.nanmin(field), np.nanmax(field)
        where = ", ".join(f"{dim} 0" for dim in array.dims[:-2])
        data = base64.b64encode(png_of(field, low, high)).decode()
        units = html.escape(str(array.attributes.get("units", "")))
        return (f"<figure style='margin:0'><img width='{_WIDTH * 2}' style='image-rendering:pixelated' alt='' "
                f"src='data:image/png;base64,{data}'><figcaption>{html.escape(name)}{' at ' + html.escape(where) if where else ''}: "
                f"{low:.4g} to {high:.4g} {units}</figcaption></figure>")  # fmt: skip
    return ""


def _begins_south(dims: tuple[str, ...], coordinates: dict[str, Array]) -> bool:
    """Whether the first row is the southernmost one: pictures begin at the top."""
    rows = coordinates.get(dims[0]) if dims else None
    if rows is None or rows.ndim != 1 or latitude_of({dims[0]: np.empty(0)}, {dims[0]: rows.attributes}) is None:
        return False
    return bool(rows[0] < rows[-1])


def png_of(field: np.ndarray, low: float, high: float) -> bytes:
    """A picture of at most _WIDTH points along each side, dark for low and yellow for high; what is missing is grey."""
    step = [max(1, -(-size // _WIDTH)) for size in field.shape]
    field = field[:: step[0], :: step[1]]
    share = np.clip((field - low) / ((high - low) or 1.0), 0, 1)
    known = np.isfinite(field)
    anchors = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]])
    pixels = np.stack([np.interp(np.where(known, share, 0), np.linspace(0, 1, 5), part) for part in anchors.T], axis=-1)
    pixels[~known] = 200
    rows = b"".join(b"\0" + row.tobytes() for row in np.round(pixels).astype("u1"))
    height, width = field.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
