"""Components of a checked model folder, read by the libraries that they were made with, from safetensors alone."""

from __future__ import annotations

import codecs
import contextlib
import inspect
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import foreign
from ..errors import SjcError
from . import mvdream
from .families import MVDREAM
from .small_files import HEADER_BYTES, first_line

if TYPE_CHECKING:
    from .control import ControlFiles
    from .model_files import ModelFiles

OWN_FILES_ONLY: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""For every from_pretrained: no network, no program of the model's, and no question whether it may run."""
_NETWORK_MODULES = {
    "UNet2DConditionModel": "unets.unet_2d_condition",
    "UNet2DModel": "unets.unet_2d",
    "SD3Transformer2DModel": "transformers.transformer_sd3",
    "FluxTransformer2DModel": "transformers.transformer_flux",
}
"""Where diffusers.models has a class, so that no other module of it is imported."""
_CONFIGS = {
    "CLIPTextModel": "CLIPTextConfig",
    "CLIPTextModelWithProjection": "CLIPTextConfig",
    "T5EncoderModel": "T5Config",
}
"""The configuration of each text encoder that families.py knows."""


def silence_libraries() -> None:
    """No progress bars and no warnings of diffusers and transformers: what goes wrong is said by SjcError.

    A library that nobody has imported yet is left alone, because importing it takes a second or more.
    """
    for library in ("diffusers", "transformers"):
        if library in sys.modules:
            logging = import_module(f"{library}.utils.logging")
            logging.disable_progress_bar()
            logging.set_verbosity_error()


def load_network_module(files: ModelFiles, dtype: torch.dtype) -> Any:
    """The denoising network as diffusers has it, on the CPU.  Raises SjcError, one line."""
    if files.family is MVDREAM:
        return _mvdream(files, dtype)
    class_name = files.family.network_class
    network_class = getattr(import_module(f"diffusers.models.{_NETWORK_MODULES[class_name]}"), class_name)
    return _from_pretrained(files, files.family.network, network_class, torch_dtype=dtype)


def load_control(files: ControlFiles, dtype: torch.dtype) -> Any:
    """A ControlNet as diffusers has it, on the CPU.  Raises SjcError, one line."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    silence_libraries()
    return _loaded(files.folder, files.config, files.variant, ControlNetModel, torch_dtype=dtype)


def _mvdream(files: ModelFiles, dtype: torch.dtype) -> Any:
    try:
        return mvdream.load_network(files, dtype)
    except SjcError:
        raise
    except Exception as error:  # the libraries raise a dozen kinds for a wrong shape or a bad config
        raise SjcError(f"{files.folder / 'unet'} cannot be loaded: {first_line(error)}.") from error


def load_text_encoder(files: ModelFiles, component: str, dtype: torch.dtype) -> Any:
    """A text encoder as transformers has it, on the CPU.  Raises SjcError, one line."""
    # Wrong shapes are let through here and reported by `_from_pretrained`; the library only points at its log.
    encoder_class = _library_class(files.class_of(component))
    return _from_pretrained(files, component, encoder_class, dtype=dtype, ignore_mismatched_sizes=True)


def load_text_config(files: ModelFiles, component: str) -> Any:
    """The configuration of a text encoder as transformers has it.  Raises SjcError, one line."""
    folder = files.folder / component
    # By name, not by the encoder's class: importing that takes two seconds.
    config_class = _library_class(_CONFIGS[files.class_of(component)])
    try:
        with without_marks(folder) as readable:
            config = config_class.from_pretrained(str(readable), **OWN_FILES_ONLY)
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error
    if not isinstance(config.model_type, str):  # the one value that the library takes as it comes
        shown = foreign.shown(config.model_type)
        raise SjcError(f"{folder / 'config.json'}: model_type is {shown}; it must be a text.")
    return config


def load_tokenizer(files: ModelFiles, component: str) -> Any:
    """A tokenizer as transformers has it.  Raises SjcError for damaged files, and where it cannot pad."""
    import transformers

    silence_libraries()
    folder = files.folder / component
    loader = getattr(transformers, files.class_of(component))  # one of known_classes.TOKENIZERS
    try:
        with without_marks(folder) as readable:
            tokenizer = loader.from_pretrained(str(readable), **OWN_FILES_ONLY)
        if tokenizer.pad_token is not None:  # what is wrong with its numbers shows when it reads
            longest = min(int(tokenizer.model_max_length), 77)
            tokenizer("a", padding="max_length", max_length=longest, truncation=True)
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded, a file is missing or damaged: {first_line(error)}.") from error
    if tokenizer.pad_token is None:
        raise SjcError(f"{folder}: the tokenizer has no padding token.")
    return tokenizer


@contextlib.contextmanager
def without_marks(folder: Path) -> Iterator[Path]:
    """A component's folder, or one like it in its place, in which no JSON file begins with a mark of byte order.

    Some editors write one, and the libraries refuse it.  The other folder has links to the weights and goes when the
    component is read.
    """
    marked = [path for path in folder.glob("*.json") if _is_marked(path)]
    if not marked:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sjc-") as name:
        for path in folder.iterdir():
            if path in marked:
                content = foreign.read_bytes(path, HEADER_BYTES).removeprefix(codecs.BOM_UTF8)
                (Path(name) / path.name).write_bytes(content)
            else:
                (Path(name) / path.name).symlink_to(path.absolute())
        yield Path(name)


def _is_marked(path: Path) -> bool:
    with foreign.opened(path, HEADER_BYTES) as file:
        return file.read(3) == codecs.BOM_UTF8


def _library_class(name: str) -> Any:
    import transformers

    silence_libraries()
    return getattr(transformers, name)


def _check_numbers(path: Path, model_class: Any, config: dict[str, Any]) -> None:
    """Raises SjcError where a class has a number by default and a configuration gives it text or an object."""
    for name, parameter in inspect.signature(model_class.__init__).parameters.items():
        usual = isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
        if usual and isinstance(config.get(name), str | dict):
            raise SjcError(f"{path}: {name} is {foreign.shown(config[name])}; it must be a number.")


def _from_pretrained(files: ModelFiles, component: str, model_class: Any, **kwargs: Any) -> Any:
    """The component in evaluation mode, without gradients.  Raises SjcError where its weights do not fit its config."""
    return _loaded(files.folder / component, files.configs[component], files.variants[component], model_class, **kwargs)


def _loaded(folder: Path, config: dict[str, Any], variant: str | None, model_class: Any, **kwargs: Any) -> Any:
    _check_numbers(folder / "config.json", model_class, config)
    silence_libraries()
    try:
        with without_marks(folder) as readable:
            model, info = model_class.from_pretrained(
                str(readable),
                variant=variant,
                use_safetensors=True,
                output_loading_info=True,
                **OWN_FILES_ONLY,
                **kwargs,
            )
    except Exception as error:  # the libraries raise a dozen kinds for a wrong shape or a bad config
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error
    wrong = sorted(
        str(key[0] if isinstance(key, tuple) else key) for key in (*info["missing_keys"], *info["mismatched_keys"])
    )
    if wrong:  # the libraries would fill these with random numbers and only warn
        raise SjcError(
            f"{folder}: the weights do not fit config.json; {wrong[0]} is missing or has another shape"
            + (f", and {len(wrong) - 1} more." if len(wrong) > 1 else ".")
        )
    return model.eval().requires_grad_(False)
