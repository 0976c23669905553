"""What a download of a hub model would be, asked of the hub before anybody decides: bytes, licence, gate."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SjcError
from . import gated
from .hub import check_kind, check_online, reason
from .hub_ids import is_hub_id, split_revision
from .layout import wanted_files

__all__ = ["DownloadInfo", "ask"]

_OPEN = (None, False)


@dataclass(frozen=True)
class DownloadInfo:
    """download_bytes: of the files that `sjc models fetch` takes. licence: as the card states it, "" if it does not.

    gated: whether its owners give it only to accounts that accepted their terms.
    """

    model: str
    download_bytes: int
    licence: str = ""
    gated: bool = False


def ask(model: str) -> DownloadInfo:
    """Asks the hub about an id or one of its revisions (name/model@revision): one request, no file is fetched.

    Raises SjcError for what is no hub id, without a network, and for a repository that is no pipeline.
    """
    if not is_hub_id(model):
        raise SjcError(f'"{model}" is not a hub id such as name/model; there is nothing to download.')
    from huggingface_hub import HfApi, get_token

    name, revision = split_revision(model)
    try:
        check_online()
        info = HfApi().model_info(name, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        check_kind(name, revision, sizes)
        wanted = {*wanted_files(list(sizes)), "README.md"}  # as the download takes them
    except Exception as error:  # the hub client and its transport raise many kinds
        raise SjcError(f'The hub gives no information about "{model}": {reason(error, model)}') from error
    card = info.card_data.to_dict() if info.card_data else {}
    licence = card.get("license_name") if card.get("license") == "other" else card.get("license")
    is_gated = info.gated not in _OPEN
    if is_gated and not get_token():
        gated.note(model)
    return DownloadInfo(
        model=model,
        download_bytes=sum(sizes.get(name, 0) for name in wanted),
        licence=str(licence or card.get("license") or ""),
        gated=is_gated,
    )
