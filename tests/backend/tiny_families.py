"""Tiny random pipelines of every latent family, and of DDPM, saved by diffusers' own save_pretrained."""

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DModel,
)
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tests.backend.tiny_models import tiny_t5, tiny_unet, word_tokenizer


def clip_tokenizer():
    """Bytes spell every word."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(c + "</w>" for c in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[], model_max_length=77)


def clip(seed=2, width=16, projected=None):
    torch.manual_seed(seed)
    last = len(clip_tokenizer()) - 1
    config = CLIPTextConfig(
        vocab_size=last + 1, hidden_size=width, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=projected or width, bos_token_id=last - 1, eos_token_id=last,
        pad_token_id=last,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def vae(channels=4, **config):
    torch.manual_seed(3)
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **config,
    ).eval()


def stirred(network):
    """Random everywhere: fresh networks end in zeros."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


SD_BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
}


def stable_diffusion(prediction_type="epsilon", in_channels=4):
    return StableDiffusionPipeline(
        vae=vae(), text_encoder=clip(), tokenizer=clip_tokenizer(),
        unet=tiny_unet(in_channels=in_channels, out_channels=4).eval(),
        scheduler=DDIMScheduler(prediction_type=prediction_type, **SD_BETAS),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def sdxl(prediction_type="epsilon"):
    unet = tiny_unet(
        width=16 + 24,
        in_channels=4,
        out_channels=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=20 + 6 * 8,
    )
    return StableDiffusionXLPipeline(
        vae=vae(), text_encoder=clip(), text_encoder_2=clip(4, 24, projected=20), tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(), unet=unet.eval(),
        scheduler=DDIMScheduler(prediction_type=prediction_type, **SD_BETAS), add_watermarker=False,
    )  # fmt: skip


def sd3(t5=True, shift=3.0):
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=8, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=48, caption_projection_dim=16, pooled_projection_dim=36, pos_embed_max_size=8,
    )  # fmt: skip
    return StableDiffusion3Pipeline(
        transformer=stirred(transformer), scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=vae(4, shift_factor=0.06, scaling_factor=1.5), text_encoder=clip(5, 16, projected=16),
        text_encoder_2=clip(6, 24, projected=20), tokenizer=clip_tokenizer(), tokenizer_2=clip_tokenizer(),
        text_encoder_3=tiny_t5(len(word_tokenizer()), 48).eval() if t5 else None,
        tokenizer_3=word_tokenizer() if t5 else None,
    )  # fmt: skip


def flux(distilled=True):
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=48, pooled_projection_dim=16, guidance_embeds=distilled, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    return FluxPipeline(
        transformer=stirred(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=vae(4, shift_factor=0.1, scaling_factor=0.4), text_encoder=clip(), tokenizer=clip_tokenizer(),
        text_encoder_2=tiny_t5(len(word_tokenizer()), 48).eval(), tokenizer_2=word_tokenizer(),
    )  # fmt: skip


def ddpm():
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    return DDPMPipeline(stirred(unet), DDPMScheduler(clip_sample=False))
