"""The embedded model's parts, made of ordinary library classes, and the folder they are saved in."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from training import lamp, world
from training.pictures import MEAN_SHADE, PRIOR, SIZE
from training.prompts import FILLERS

MAX_WORDS = 24
WIDTH = 128  # of the text encoder and of the cross-attention
CONDITION = 256  # of the time embedding, which also carries the pooled text
VIEW_WORDS = ["view", "front", "side", "backside", "overhead", "azimuth", "elevation"]
DEGREES = [str(a) for a in range(0, 360, 10)] + ["-10", "-20", "-30"]


def words(lamps: bool = False) -> dict[str, list[str]]:
    """The vocabulary by kind; what the out-of-vocabulary line lists.

    New kinds stand last, so that words keep their numbers.
    """
    slots = sorted({slot for thing in world.THINGS.values() for slot in thing.slots})
    synonyms = list(world.SYNONYMS)
    return {
        "objects": [*world.THINGS, *(w for w in synonyms if world.SYNONYMS[w] in world.THINGS)],
        "colors": [*world.COLORS, *(w for w in synonyms if world.SYNONYMS[w] in world.COLORS)],
        "parts": slots,
        "fillers": sorted(FILLERS),
        "views": VIEW_WORDS + DEGREES,
        **({"lamps": lamp.WORDS} if lamps else {}),
    }


def make_tokenizer(lamps: bool = False) -> PreTrainedTokenizerFast:
    """Word-level, lower-casing, ASCII punctuation dropped, `</s>` at the end; unknown words become `<unk>`."""
    vocabulary = ["<pad>", "</s>", "<unk>"]
    for group in words(lamps).values():
        vocabulary += [w for w in group if w not in vocabulary]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="<unk>"))
    core.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[,.;:!?'\"()]"), " ")]
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=MAX_WORDS
    )


def make_text_encoder(tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    """Two T5 layers. Numbers start as points on circles: angles that are equal on the circle start equal."""
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=24,
        is_encoder_decoder=False,
        use_cache=False,
    )
    encoder = T5EncoderModel(config)
    table = encoder.get_input_embeddings().weight.data
    k = torch.arange(1, 5)  # few harmonics: with 16, neighbouring angles start as strangers
    # Left and right are the first harmonic's sine alone, and most objects hardly show them. With equal amplitudes the
    # text stayed blind to them for thousands of steps (measured): every side view was two, mirrored and mixed.
    amplitude = torch.tensor([8.0, 2.0, 2.0, 2.0])
    for word in DEGREES:
        angle = torch.deg2rad(torch.tensor(float(word))) * k
        index = tokenizer.convert_tokens_to_ids(word)
        table[index, :8] = torch.cat([amplitude * angle.sin(), amplitude * angle.cos()])
        table[index, 8:] *= 0.2
    return encoder


def make_unet() -> UNet2DConditionModel:
    """Small UNet: plain convolutions at 32 and 16 pixels, cross-attention at 8 and 4."""
    return UNet2DConditionModel(
        sample_size=SIZE,
        in_channels=3,
        out_channels=3,
        block_out_channels=(32, 64, 128, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        # Text attention-pooled into the time embedding beside cross-attention, as DeepFloyd IF has it: without it, 1500
        # steps of 32 pictures left the model blind to the sentence (measured).
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        time_embedding_dim=CONDITION,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=8,
    )


def make_latent_unet() -> UNet2DConditionModel:
    """Less than half as large, for 4 channels of latents: plain convolutions at 32 and 16, cross-attention at 8.

    It exists to measure the colours of latent models (`training.codec`), not to make the best shapes.
    """
    return UNet2DConditionModel(
        sample_size=SIZE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        time_embedding_dim=CONDITION,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=8,
    )


def make_scheduler() -> DDPMScheduler:
    """Cosine noise levels with v-prediction: sigma is spread evenly in its logarithm around 1."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False
    )


def card_json(lamps: bool = False) -> dict[str, object]:
    """What the optimiser reads beside the weights: cameras, view words, shading constant, vocabulary."""
    return {
        "camera": {k: getattr(PRIOR, k) for k in ("radius", "fov_min", "fov_max", "elevation_min", "elevation_max")},
        "view_words": "fine",
        "mean_shade": MEAN_SHADE,
        "max_words": MAX_WORDS,
        "words": words(lamps),
        **({"lamps": lamp.card_json()} if lamps else {}),
    }


def save_folder(
    folder: Path,
    unet: UNet2DConditionModel,
    text_encoder: T5EncoderModel,
    tokenizer: PreTrainedTokenizerFast,
    codec: Path | None = None,
    lamps: bool = False,
) -> None:
    """Write a diffusers folder in float16 safetensors, laid out as IFPipeline's, with a codec as Stable Diffusion's."""
    folder.mkdir(parents=True, exist_ok=True)
    unet.half().cpu().save_pretrained(folder / "unet", safe_serialization=True)
    text_encoder.half().cpu().save_pretrained(folder / "text_encoder", safe_serialization=True)
    tokenizer.save_pretrained(folder / "tokenizer")
    make_scheduler().save_pretrained(folder / "scheduler")
    index: dict[str, object] = {
        "_class_name": "StableDiffusionPipeline" if codec else "IFPipeline",
        "_diffusers_version": "0.35.0",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDPMScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    if codec:
        shutil.copytree(codec, folder / "vae", dirs_exist_ok=True)
        index["vae"] = ["diffusers", "AutoencoderKL"]
    else:
        index["watermarker"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    (folder / "sjc.json").write_text(json.dumps(card_json(lamps), indent=1) + "\n", encoding="utf-8")


class Model(nn.Module):
    """Text encoder and UNet together, as trained: (noisy pictures, timesteps, token ids, mask) -> v."""

    run_unet: Callable[..., Any]

    def __init__(self, compiled: bool = False, latent: bool = False, lamps: bool = False) -> None:
        super().__init__()
        self.tokenizer = make_tokenizer(lamps)
        self.text_encoder = make_text_encoder(self.tokenizer)
        unet = make_latent_unet() if latent else make_unet()
        self.unet = unet.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        # An unregistered alias, so that the state dict keeps its plain names.
        object.__setattr__(self, "run_unet", torch.compile(self.unet) if compiled else self.unet)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.unet.device

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask [B, L]."""
        t = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return t.input_ids, t.attention_mask

    def forward(self, z: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """V-prediction [B, C, S, S] for pictures or latents z at timesteps t [B], tokens and mask [B, L]."""
        hidden = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.run_unet(z, t, hidden, return_dict=False)[0]


def start_from(model: Model, folder: Path, keep_text: bool) -> None:
    """Take the UNet's weights of a saved model folder where name and shape fit; from a deeper one the outer blocks.

    What reads the text (the encoder, and the UNet's pooling of its output) is taken only with `keep_text`.
    """
    own = model.unet.state_dict()
    saved = {k: v for file in (folder / "unet").glob("*.safetensors") for k, v in load_file(file).items()}
    depth = 1 + max(int(k.split(".")[1]) for k in saved if k.startswith("up_blocks."))
    deeper = depth - len(model.unet.up_blocks)  # up_blocks count from the inside
    saved = {re.sub(r"^up_blocks\.(\d+)", lambda m: f"up_blocks.{int(m[1]) - deeper}", k): v for k, v in saved.items()}
    fitting = {
        k: v.float()
        for k, v in saved.items()
        if k in own and own[k].shape == v.shape and (keep_text or not k.startswith("add_embedding."))
    }
    print(f"{len(fitting)} of {len(own)} tensors of the UNet from {folder}", flush=True)
    model.unet.load_state_dict(fitting, strict=False)
    if keep_text:
        text = load_file(folder / "text_encoder" / "model.safetensors")
        fresh = model.text_encoder.state_dict()
        if len(text["shared.weight"]) > len(fresh["shared.weight"]):
            raise SystemExit(f"{folder} knows more words than this run; if they are those of lamps, add --lamps")
        # A table with fewer words gives their rows; words that are new start as they were made.
        text = {k: torch.cat([v.float(), fresh[k][len(v) :]]) if v.dim() else v.float() for k, v in text.items()}
        model.text_encoder.load_state_dict(text, strict=False)
