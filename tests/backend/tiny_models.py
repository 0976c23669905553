"""Tiny random diffusers models, made and saved by the libraries themselves; the tests load them as anyone's."""

import json

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel, T5Tokenizer

WORDS = ["a", "red", "blue", "mushroom", "view", "of", "azimuth", "elevation", "front", "side", "backside", "overhead"]
CARD = {
    "camera": {"radius": 3.0, "fov_min": 32, "fov_max": 38, "elevation_min": -30, "elevation_max": 85},
    "view_words": "fine",
    "max_words": 12,
    "words": {"objects": ["mushroom"], "colours": ["red", "blue"], "fillers": ["a", "of"], "views": ["view"]},
}


def word_tokenizer():
    """Like the embedded model's: words, lower case, punctuation dropped."""
    words = ["<pad>", "</s>", "<unk>", *WORDS, *(str(10 * i) for i in range(36))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>", model_max_length=24
    )


def tiny_unet(width=16, **config):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        **{
            "sample_size": 8,
            "in_channels": 3,
            "out_channels": 3,
            "block_out_channels": (8, 16),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": width,
            "norm_num_groups": 4,
            "attention_head_dim": 4,
        }
        | config
    )
    with torch.no_grad():  # the last layer starts near zero: make the text and the time count
        for parameter in unet.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return unet


def tiny_t5(vocabulary, width=16):
    torch.manual_seed(1)
    return T5EncoderModel(T5Config(vocab_size=vocabulary, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2))


def save(folder, unet, encoder, tokenizer, scheduler, pipeline="IFPipeline", variant=None):
    unet.save_pretrained(folder / "unet", variant=variant)
    encoder.save_pretrained(folder / "text_encoder", variant=variant)
    tokenizer.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    index = {"_class_name": pipeline, "safety_checker": [None, None]}
    parts = {"unet": unet, "text_encoder": encoder, "tokenizer": tokenizer, "scheduler": scheduler}
    for name, part in parts.items():
        index[name] = ["diffusers" if name in ("unet", "scheduler") else "transformers", type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def word_model(folder, prediction_type="v_prediction", card=None, unet=None):
    tokenizer = word_tokenizer()
    scheduler = DDPMScheduler(prediction_type=prediction_type)
    save(folder, unet or tiny_unet(), tiny_t5(len(tokenizer)), tokenizer, scheduler)
    if card is not None:
        (folder / "sjc.json").write_text(json.dumps(card))
    return folder


def if_like(folder, variant=None):
    """The layout of DeepFloyd IF's first stage: T5Tokenizer, wide text, projected, learned variance, added text."""
    tokenizer = T5Tokenizer(
        vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
        + [("▁" + word, -3.0 - i / 10) for i, word in enumerate(WORDS)],
        extra_ids=2,
        model_max_length=512,
    )
    unet = tiny_unet(
        width=16,
        out_channels=6,
        encoder_hid_dim=24,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        act_fn="gelu",
    )
    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon", thresholding=True
    )
    return save(folder, unet.half(), tiny_t5(len(tokenizer), 24).half(), tokenizer, scheduler, variant=variant)


def noisy(b=4, seed=0, size=8):
    return torch.randn(b, 3, size, size, generator=torch.Generator().manual_seed(seed))
