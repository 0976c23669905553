"""Checkpoints in the layout of the code that trained Stable Diffusion, made from diffusers' modules by renaming.

The inverse of diffusers' own conversion.  `checkpoint` gives small ones; `real` the names and shapes of full size.
"""

import re

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
NETWORK_ENDS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
OPEN_CLIP = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def unet(version, channels, cross, depths, pooled=0, in_channels=4):
    """The network of Stable Diffusion "1", "2" or "XL", `depths` transformer blocks by level."""
    attends = [bool(depth) for depth in depths]
    more = {}
    if version == "XL":
        more = {
            "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": pooled + 6 * 256,
        }  # fmt: skip
    return UNet2DConditionModel(
        sample_size=64, in_channels=in_channels, block_out_channels=channels, cross_attention_dim=cross,
        layers_per_block=2 if len(channels) > 2 else 1,
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        transformer_layers_per_block=[max(d, 1) for d in depths],
        attention_head_dim=8 if version == "1" else [c // 64 for c in channels],
        use_linear_projection=version != "1", **more,
    )  # fmt: skip


def vae(channels, layers):
    return AutoencoderKL(
        block_out_channels=channels, layers_per_block=layers, down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels),
    )  # fmt: skip


def clip(width, layers, act="quick_gelu", projected=None):
    config = CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, hidden_act=act,
        num_attention_heads=max(1, width // 64), projection_dim=projected or width, eos_token_id=49407,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def parts(version, tiny=True):
    """The modules of one checkpoint by component; full ones belong under torch.device("meta")."""
    if tiny:
        torch.manual_seed(0)
        channels, vae_channels, vae_layers = ((32, 64) if version == "1" else (64, 128)), (32, 32), 1
        depths = {"1": (1, 0), "2": (1, 0), "XL": (0, 2)}[version]
    else:
        vae_channels, vae_layers = (128, 256, 512, 512), 2
        channels = (320, 640, 1280) if version == "XL" else (320, 640, 1280, 1280)
        depths = (0, 2, 10) if version == "XL" else (1, 1, 1, 0)
    first = clip(64, 2) if tiny else clip(768, 12)
    if version == "1":
        texts = {"text_encoder": first}
    elif version == "2":
        texts = {"text_encoder": clip(64, 2, "gelu") if tiny else clip(1024, 23, "gelu")}
    else:
        second = clip(128, 2, "gelu", 128) if tiny else clip(1280, 32, "gelu", 1280)
        texts = {"text_encoder": first, "text_encoder_2": second}
    width = sum(text.config.hidden_size for text in texts.values())
    pooled = texts["text_encoder_2"].config.projection_dim if version == "XL" else 0
    return {"unet": unet(version, channels, width, depths, pooled), "vae": vae(vae_channels, vae_layers), **texts}


def original(version, modules):
    """Original name -> tensor of a whole checkpoint."""
    network, autoencoder = modules["unet"], modules["vae"]
    tensors = {f"model.diffusion_model.{k}": v for k, v in network_tensors(network).items()}
    tensors |= {f"first_stage_model.{k}": v for k, v in autoencoder_tensors(autoencoder).items()}
    if version == "1":
        tensors |= {f"cond_stage_model.transformer.{k}": v for k, v in clip_tensors(modules["text_encoder"]).items()}
    elif version == "2":
        tensors |= {f"cond_stage_model.model.{k}": v for k, v in open_clip(modules["text_encoder"], spare=1).items()}
    else:
        tensors |= {
            f"conditioner.embedders.0.transformer.{k}": v for k, v in clip_tensors(modules["text_encoder"]).items()
        }
        tensors |= {f"conditioner.embedders.1.model.{k}": v for k, v in open_clip(modules["text_encoder_2"]).items()}
    return tensors


def network_tensors(network):
    return {_network_name(network, name): tensor for name, tensor in network.state_dict().items()}


def _network_name(network, name):
    where, _, kind = name.rpartition(".")
    if where in NETWORK_ENDS:
        return f"{NETWORK_ENDS[where]}.{kind}"
    per_level = network.config.layers_per_block + 1
    match = re.fullmatch(r"(down_blocks|up_blocks)\.(\d+)\.(\w+)\.(\d+)\.(.+)", name)
    if not match:
        resnet = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}", name)
        return _resnet(resnet.replace("mid_block.attentions.0", "middle_block.1"))
    level, part, number, rest = int(match[2]), match[3], int(match[4]), match[5]
    if part == "downsamplers":
        return f"input_blocks.{(level + 1) * per_level}.0.{rest.replace('conv', 'op')}"
    if part == "upsamplers":
        attends = hasattr(network.up_blocks[level], "attentions")
        return f"output_blocks.{(level + 1) * per_level - 1}.{2 if attends else 1}.{rest}"
    block = level * per_level + number
    where = f"output_blocks.{block}" if match[1] == "up_blocks" else f"input_blocks.{1 + block}"
    return _resnet(f"{where}.{0 if part == 'resnets' else 1}.{rest}")


def _resnet(name):
    for new, old in RESNET.items():
        match = re.fullmatch(rf"(.*(?:blocks\.\d+\.0|middle_block\.\d))\.{new}\.(\w+)", name)
        if match:
            return f"{match[1]}.{old}.{match[2]}"
    return name


def autoencoder_tensors(autoencoder):
    levels = len(autoencoder.config.block_out_channels)
    tensors = {}
    for name, tensor in autoencoder.state_dict().items():
        attends = "mid_block.attentions" in name and tensor.ndim == 2
        tensors[_autoencoder_name(name, levels)] = tensor[:, :, None, None] if attends else tensor
    return tensors


def _autoencoder_name(name, levels):
    for pattern, replacement in (
        (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
        (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d+)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block"),
        (r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample"),
        (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
        (r"(mid_block\.attentions\.0)\.group_norm", r"\1.norm"),
        (r"(mid_block\.attentions\.0)\.to_([qkv])\.", r"\1.\2."),
        (r"(mid_block\.attentions\.0)\.to_out\.0", r"\1.proj_out"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def clip_tensors(text):
    return {
        name if name.startswith("text_model.") else f"text_model.{name}": tensor
        for name, tensor in text.state_dict().items()
    }


def open_clip(text, spare=0):
    """In OpenCLIP's layout, with `spare` last layers more, which Stable Diffusion 2 does not use."""
    names, tensors = clip_tensors(text), {}
    layers = text.config.num_hidden_layers
    head = "text_model."
    tensors["positional_embedding"] = names[f"{head}embeddings.position_embedding.weight"]
    tensors["token_embedding.weight"] = names[f"{head}embeddings.token_embedding.weight"]
    for kind in ("weight", "bias"):
        tensors[f"ln_final.{kind}"] = names[f"{head}final_layer_norm.{kind}"]
    for layer in range(layers + spare):
        own = f"{head}encoder.layers.{min(layer, layers - 1)}."
        block = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            for new, old in OPEN_CLIP.items():
                tensors[f"{block}{old}.{kind}"] = names[f"{own}{new}.{kind}"]
            joined = torch.cat([names[f"{own}self_attn.{part}_proj.{kind}"] for part in "qkv"])
            tensors[f"{block}attn.in_proj_{kind}"] = joined
    width = text.config.hidden_size
    projection = names.get("text_model.text_projection.weight")
    tensors["text_projection"] = torch.zeros(width, width) if projection is None else projection.T
    tensors["logit_scale"] = torch.tensor(4.6)
    return tensors


def checkpoint(path, version="1", metadata=None, more=None, dtype=torch.float32, modules=None):
    """A small checkpoint of a version, written; its modules."""
    modules = modules or parts(version)
    tensors = original(version, modules) | (more or {})
    plain = {
        k: v.detach().to(dtype if v.is_floating_point() else v.dtype).clone().contiguous() for k, v in tensors.items()
    }
    save_file(plain, path, metadata or {"format": "pt"})
    return modules
