"""3MF: a zip with an XML model in millimetres, for slicers, with a colour for each vertex.

The core specification and its extension for materials (colour groups): https://3mf.io/spec/.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from .. import __version__
from .colour import linear_to_srgb, to_uint8
from .files import write_bytes
from .mesh import Mesh

MODEL = "3D/3dmodel.model"
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_TYPES = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
_RELATIONS = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Target="/{MODEL}" Id="model" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
    "</Relationships>"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same mesh gives the same file


def write_3mf(path: Path, mesh: Mesh, name: str = "sjc") -> None:
    """Write `mesh`, whose vertices are in millimetres, z up."""
    colors, index = np.unique(to_uint8(linear_to_srgb(np.clip(mesh.colors, 0, 1))), axis=0, return_inverse=True)
    corner_colors = index.reshape(-1)[mesh.faces]
    text = escape(name, {'"': "&quot;"})
    lines = [
        f'{_XML}<model unit="millimeter" xml:lang="en-US" xmlns="{CORE}" xmlns:m="{MATERIALS}">',
        f'<metadata name="Title">{text}</metadata>',
        f'<metadata name="Application">sjc_blender {__version__}</metadata>',
        '<resources><m:colorgroup id="1">',
        *(f'<m:color color="#{r:02X}{g:02X}{b:02X}FF"/>' for r, g, b in colors),
        f'</m:colorgroup><object id="2" type="model" pid="1" pindex="0" name="{text}"><mesh><vertices>',
        *(f'<vertex x="{x:.6g}" y="{y:.6g}" z="{z:.6g}"/>' for x, y, z in mesh.vertices),
        "</vertices><triangles>",
        *(
            f'<triangle v1="{a}" v2="{b}" v3="{c}" pid="1" p1="{i}" p2="{j}" p3="{k}"/>'
            for (a, b, c), (i, j, k) in zip(mesh.faces, corner_colors, strict=True)
        ),
        '</triangles></mesh></object></resources><build><item objectid="2"/></build></model>\n',
    ]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in (("[Content_Types].xml", _TYPES), ("_rels/.rels", _RELATIONS), (MODEL, "\n".join(lines))):
            archive.writestr(zipfile.ZipInfo(part, _EPOCH), content, zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())
