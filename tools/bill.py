"""The software bill of materials of a release: CycloneDX 1.6 as JSON, https://cyclonedx.org/docs/1.6/json/.

It lists what the zip holds (the extension and the embedded models) and what its Install Backend downloads: the pins of
backend/requirements.txt. Written here, because a release is built by a Python without packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

from .common import ROOT

MODELS = "backend/sjc/embedded"
PINS = "backend/requirements.txt"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.+))?")


def bill(archive: Path, root: Path = ROOT) -> str:
    """The document's text for the extension in `archive`. The same release gives the same text."""
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text("utf-8"))
    licence = manifest["license"][0].removeprefix("SPDX:")
    extension: dict[str, Any] = {
        "type": "application",
        "bom-ref": manifest["id"],
        "name": manifest["id"],
        "version": manifest["version"],
        "description": manifest["tagline"],
        "licenses": [{"license": {"id": licence}}],
        "hashes": [_hash(archive)],
    }
    parts = [*_models(root, licence), *_packages(root)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": extension},
        "components": parts,
        "dependencies": [{"ref": manifest["id"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return json.dumps({"serialNumber": f"urn:uuid:{number}", **document}, indent=2, ensure_ascii=False) + "\n"


def _models(root: Path, licence: str) -> list[dict[str, Any]]:
    """The weights in the zip."""
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": path.relative_to(root).as_posix(),
            "name": path.relative_to(root / MODELS).as_posix(),
            "licenses": [{"license": {"id": licence}}],
            "hashes": [_hash(path)],
        }
        for path in sorted((root / MODELS).rglob("*.safetensors"))
    ]


def _packages(root: Path) -> list[dict[str, Any]]:
    """The pinned packages, each with its address in the package registry; a marker says where it is left out."""
    packages = []
    for line in (root / PINS).read_text("utf-8").splitlines() if (root / PINS).exists() else ():
        if (match := _PIN.fullmatch(line.strip())) is None:
            continue
        name, number, marker = match.groups()
        address = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{number}"
        package: dict[str, Any] = {"type": "library", "bom-ref": address, "name": name, "version": number}
        package |= {"purl": address, "scope": "required"}
        if marker:
            package |= {"scope": "optional", "properties": [{"name": "sjc:marker", "value": marker}]}
        packages.append(package)
    return packages


def _hash(path: Path) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
