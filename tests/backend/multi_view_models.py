"""Small random models of several views: MVDream as its folders on the hub are, MV-Adapter as its files are."""

import json
import math

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from sjc.models.layout import SISTER
from sjc.models.mvdream import converted, network_config
from tests.backend import tiny_families

WIDTH, CONTEXT, HEADS_OF, SIZE = 32, 16, 16, 8
CONFIG = {
    "_class_name": "MultiViewUNetModel", "image_size": SIZE, "in_channels": 4, "out_channels": 4,
    "model_channels": WIDTH,
    "num_res_blocks": 1, "attention_resolutions": [2, 1], "channel_mult": [1, 2], "num_head_channels": HEADS_OF,
    "transformer_depth": 1, "context_dim": CONTEXT, "camera_dim": 16, "use_checkpoint": False, "dropout": 0,
}  # fmt: skip


def linear(name, n_in, n_out, *, bias=True):
    return {f"{name}.weight": (n_out, n_in)} | ({f"{name}.bias": (n_out,)} if bias else {})


def normed(name, n):
    return {f"{name}.weight": (n,), f"{name}.bias": (n,)}


def convolved(name, n_in, n_out, edge=3):
    return {f"{name}.weight": (n_out, n_in, edge, edge), f"{name}.bias": (n_out,)}


def resblock(name, n_in, n_out):
    shapes = normed(f"{name}.in_layers.0", n_in) | convolved(f"{name}.in_layers.2", n_in, n_out)
    shapes |= linear(f"{name}.emb_layers.1", 4 * WIDTH, n_out) | normed(f"{name}.out_layers.0", n_out)
    shapes |= convolved(f"{name}.out_layers.3", n_out, n_out)
    return shapes | ({} if n_in == n_out else convolved(f"{name}.skip_connection", n_in, n_out, 1))


def transformer(name, n, text):
    block = f"{name}.transformer_blocks.0"
    shapes = normed(f"{name}.norm", n) | linear(f"{name}.proj_in", n, n) | linear(f"{name}.proj_out", n, n)
    for attention, context in (("attn1", n), ("attn2", text)):
        for part, n_in in (("q", n), ("k", context), ("v", context)):
            shapes |= linear(f"{block}.{attention}.to_{part}", n_in, n, bias=False)
        shapes |= linear(f"{block}.{attention}.to_out.0", n, n)
    for number in (1, 2, 3):
        shapes |= normed(f"{block}.norm{number}", n)
    return shapes | linear(f"{block}.ff.net.0.proj", n, 8 * n) | linear(f"{block}.ff.net.2", 4 * n, n)


def shapes(text=CONTEXT):
    """Name -> shape of every tensor of the network in CONFIG, by the names of the code that trained MVDream."""
    a, b = WIDTH, 2 * WIDTH
    made = {}

    def attended(name, n):
        return transformer(name, n, text)

    for name, n_in in (("time_embed", a), ("camera_embed", 16)):
        made |= linear(f"{name}.0", n_in, 4 * a) | linear(f"{name}.2", 4 * a, 4 * a)
    made |= convolved("input_blocks.0.0", 4, a)
    made |= resblock("input_blocks.1.0", a, a) | attended("input_blocks.1.1", a)
    made |= convolved("input_blocks.2.0.op", a, a)
    made |= resblock("input_blocks.3.0", a, b) | attended("input_blocks.3.1", b)
    made |= resblock("middle_block.0", b, b) | attended("middle_block.1", b) | resblock("middle_block.2", b, b)
    for number, (n_in, n) in enumerate([(b + b, b), (b + a, b), (b + a, a), (a + a, a)]):
        made |= resblock(f"output_blocks.{number}.0", n_in, n) | attended(f"output_blocks.{number}.1", n)
    made |= convolved("output_blocks.1.2.conv", b, b)
    return made | normed("out.0", a) | convolved("out.2", a, 4)


def weights(seed=0, text=CONTEXT):
    """Random, of a size that keeps numbers about 1."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes(text).items():
        scale = 0.2 if len(shape) == 1 else math.prod(shape[1:]) ** -0.5
        norm = name.endswith(".weight") and len(shape) == 1
        made[name] = scale * torch.randn(shape, generator=generator) + float(norm)
    return made


def mvdream(folder, *, config=None, tensors=None, index=None):
    """The folder; its weights."""
    tensors = weights() if tensors is None else tensors
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "config.json").write_text(json.dumps(CONFIG | (config or {})))
    save_file(tensors, folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    tiny_families.vae().save_pretrained(folder / "vae")
    tiny_families.clip(width=CONTEXT).save_pretrained(folder / "text_encoder")
    tiny_families.clip_tokenizer().save_pretrained(folder / "tokenizer")
    DDIMScheduler(prediction_type="epsilon", **tiny_families.SD_BETAS).save_pretrained(folder / "scheduler")
    names = {
        "_class_name": "MVDreamPipeline", "feature_extractor": [None, None], "image_encoder": [None, None],
        "requires_safety_checker": False, "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["mv_unet", "MultiViewUNetModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(names | (index or {})))
    return tensors


# -------------------------------------------------------------------------------------------------------- MV-Adapter


def base(folder):
    """A Stable Diffusion 2 in diffusers' layout with the network's tensors by their old names; those."""
    tensors = {name: tensor for name, tensor in weights().items() if not name.startswith("camera_embed")}
    config = network_config(folder, CONFIG) | {"class_embed_type": None}
    unet = UNet2DConditionModel.from_config(config)
    unet.load_state_dict(converted(tensors, config))
    StableDiffusionPipeline(
        vae=tiny_families.vae(), text_encoder=tiny_families.clip(width=CONTEXT), unet=unet.eval(),
        tokenizer=tiny_families.clip_tokenizer(), safety_checker=None, feature_extractor=None,
        scheduler=DDIMScheduler(prediction_type="epsilon", **tiny_families.SD_BETAS), requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return tensors


def adapter(path, unet, xl=False):
    """An MV-Adapter for a UNet, random, by the names of the released files; its tensors."""
    generator = torch.Generator().manual_seed(1)
    widths = [*unet.config.block_out_channels, *unet.config.block_out_channels[-1:] * xl]
    made = {}
    for name, module in unet.named_modules():
        if name.endswith(".attn1"):
            n = module.to_q.weight.shape[1]
            for part in ("q", "k", "v"):
                made |= linear(f"{name}.processor.to_{part}_mv", n, n, bias=False)
            made |= linear(f"{name}.processor.to_out_mv.0", n, n)
    made |= convolved("adapter.conv_in", 6 * (256 if xl else 64), widths[0])
    for level, n in enumerate(widths):
        name, before = f"adapter.body.{level}", widths[max(level - 1, 0)]
        if before != n:
            made |= convolved(f"{name}.in_conv", before, n, 1)
        for number in range(unet.config.layers_per_block):
            made |= convolved(f"{name}.resnets.{number}.block1", n, n)
            made |= convolved(f"{name}.resnets.{number}.block2", n, n, 1)
    tensors = {
        name: (0.3 if len(shape) == 1 else math.prod(shape[1:]) ** -0.5) * torch.randn(shape, generator=generator)
        for name, shape in made.items()
    }
    save_file(tensors, path, {"format": "pt"})
    return tensors


def sister(folder):
    """A folder that is listed as that of the embedded model's sister; no network can be made of it."""
    folder.mkdir()
    save_file({"class_embedding.0.weight": torch.zeros(64, 16)}, folder / SISTER)
