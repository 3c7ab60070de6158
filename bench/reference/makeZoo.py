"""Exports small models of many architectures with both exporters of PyTorch, and what PyTorch computes with them.

    python bench/reference/makeZoo.py [name ...]        # needs requirements-zoo.txt
    python bench/reference/makeZoo.py --fixtures        # the small ones in test/fixtures/exporters

Writes ~/.cache/backcompat/zoo/NAME-EXPORTER-OPSET/: model.onnx as the exporter writes it, reference.safetensors (inputs, the
vectors, and the gradients of mean over items of sum(vector * direction) for every parameter) and zoo.json at the end.
Models have random weights; those that are not called fresh have all parameters shaken, so that no two tensors are equal.
"""

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

ROOT = Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "test" / "fixtures" / "exporters"
OUT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "backcompat" / "zoo"
VOCABULARY = 200
warnings.filterwarnings("ignore")


class Pooled(nn.Module):
    """Mean of the tokens that the mask keeps, L2-normalised: what sentence transformers export."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, dim=1)


class Vectors(nn.Module):
    """A part of what a model returns."""

    def __init__(self, model, take):
        super().__init__()
        self.model = model
        self.take = take

    def forward(self, *inputs):
        return self.take(self.model, *inputs)


class GeM(nn.Module):
    """Generalised mean pooling with a trained exponent."""

    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.ones(1) * 3)

    def forward(self, x):
        return x.clamp(min=1e-6).pow(self.p).mean((2, 3)).pow(1 / self.p)


class FaceBlock(nn.Module):
    """A block of the iresnets of face recognition: BatchNorm before the convolution, PReLU."""

    def __init__(self, width, out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width), nn.Conv2d(width, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out), nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out),
        )
        self.short = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        return self.body(x) + self.short(x)


def iresnet():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.PReLU(16),
        FaceBlock(16, 16, 2), FaceBlock(16, 32, 2), nn.BatchNorm2d(32), nn.Flatten(), nn.Linear(32 * 49, 32), nn.BatchNorm1d(32),
    )


def mobile_face():
    def conv(width, out, kernel, stride, pad, groups=1, act=True):
        layers = [nn.Conv2d(width, out, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(out)]
        return nn.Sequential(*layers, *([nn.PReLU(out)] if act else []))

    return nn.Sequential(
        conv(3, 16, 3, 2, 1), conv(16, 16, 3, 1, 1, 16), conv(16, 32, 1, 1, 0), conv(32, 32, 3, 2, 1, 32),
        conv(32, 24, 1, 1, 0, act=False), conv(24, 48, 1, 1, 0), conv(48, 48, 7, 1, 0, 48, act=False),
        conv(48, 32, 1, 1, 0, act=False), nn.Flatten(), nn.BatchNorm1d(32),
    )


def headless(model, attribute):
    setattr(model, attribute, nn.Identity())
    return model


def gem(model):
    model.avgpool = GeM()
    return headless(model, "fc")


def small(config, **more):
    sizes = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
    return config(**{**sizes, **more})


def text(config, model, **more):
    return Pooled(model(small(config, vocab_size=VOCABULARY, max_position_embeddings=64, **more)))


def architectures():
    import timm
    import torchvision.models as tv
    import transformers as hf
    from timm.models.vision_transformer import VisionTransformer
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt
    from torchvision.models.densenet import DenseNet

    image = lambda side: ("images", (3, side, side))
    tokens = ("tokens", None)
    pooler = lambda model, images: model(pixel_values=images).pooler_output
    return {
        "resnet18": (image(64), lambda: headless(tv.resnet18(), "fc")),
        "resnet50-gem": (image(64), lambda: gem(tv.resnet50(width_per_group=32))),
        "mobilenet-v2": (image(64), lambda: headless(tv.mobilenet_v2(width_mult=0.35), "classifier")),
        "mobilenet-v3": (image(64), lambda: headless(tv.mobilenet_v3_small(width_mult=0.5), "classifier")),
        "efficientnet-b0": (image(64), lambda: headless(tv.efficientnet_b0(), "classifier")),
        "convnext": (image(64), lambda: headless(ConvNeXt([CNBlockConfig(32, 64, 2), CNBlockConfig(64, None, 2)]), "classifier")),
        "regnet-y": (image(64), lambda: headless(tv.regnet_y_400mf(), "fc")),
        "densenet": (image(64), lambda: headless(DenseNet(12, (3, 3), 24), "classifier")),
        "shufflenet-v2": (image(64), lambda: headless(tv.shufflenet_v2_x0_5(), "fc")),
        "vit": (image(32), lambda: VisionTransformer(img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=4, num_classes=0)),
        "deit": (image(32), lambda: timm.create_model("deit_tiny_distilled_patch16_224", img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=4, num_classes=0)),
        "eva02": (image(32), lambda: timm.create_model("eva02_tiny_patch14_224", img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=4, num_classes=0)),
        "dinov2": (image(42), lambda: Vectors(hf.Dinov2Model(hf.Dinov2Config(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)), pooler)),
        "swin": (image(32), lambda: Vectors(hf.SwinModel(hf.SwinConfig(image_size=32, patch_size=2, embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4)), pooler)),
        "clip-image": (image(32), lambda: Vectors(hf.CLIPVisionModelWithProjection(small(hf.CLIPVisionConfig, image_size=32, patch_size=8, projection_dim=32)), lambda model, images: model(pixel_values=images).image_embeds)),
        "clip-text": (tokens, lambda: Vectors(hf.CLIPTextModelWithProjection(small(hf.CLIPTextConfig, vocab_size=VOCABULARY, max_position_embeddings=64, projection_dim=32, eos_token_id=2)), lambda model, ids, mask: model(input_ids=ids, attention_mask=mask).text_embeds)),
        "siglip": (image(32), lambda: Vectors(hf.SiglipVisionModel(small(hf.SiglipVisionConfig, image_size=32, patch_size=8)), pooler)),
        "bert": (tokens, lambda: text(hf.BertConfig, hf.BertModel)),
        "distilbert": (tokens, lambda: Pooled(hf.DistilBertModel(hf.DistilBertConfig(vocab_size=VOCABULARY, max_position_embeddings=64, dim=64, n_layers=2, n_heads=4, hidden_dim=128)))),
        "roberta": (tokens, lambda: text(hf.RobertaConfig, hf.RobertaModel, pad_token_id=1)),
        "mpnet": (tokens, lambda: text(hf.MPNetConfig, hf.MPNetModel)),
        "albert": (tokens, lambda: text(hf.AlbertConfig, hf.AlbertModel, embedding_size=32)),
        "modernbert": (tokens, lambda: text(hf.ModernBertConfig, hf.ModernBertModel, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, global_attn_every_n_layers=2)),
        "iresnet": (image(28), iresnet),
        "mobilefacenet": (image(28), mobile_face),
    }


# Beyond the default opset of both exporters: (name, exporter, opset, fresh).
EXTRA = [
    ("resnet18", "ts", 11, False), ("vit", "ts", 11, False), ("bert", "ts", 12, False), ("mobilenet-v3", "ts", 13, False), ("swin", "ts", 14, False),
    ("convnext", "ts", 16, False), ("siglip", "dyn", 23, False), ("vit", "dyn", 23, False), ("clip-text", "dyn", 24, False),
    ("bert", "ts", 20, True), ("bert", "dyn", 20, True), ("vit", "ts", 20, True), ("vit", "dyn", 20, True), ("swin", "ts", 20, True),
]


def shake(model, generator):
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean += 0.1 * torch.randn(module.running_mean.shape, generator=generator)
            module.running_var *= 1 + 0.2 * torch.rand(module.running_var.shape, generator=generator)
    for name, parameter in model.named_parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)


def fused(model):
    """BatchNorms behind convolutions folded, as exporters do, so that folded weights have gradients to compare with."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (first, a), (second, b) in zip(children, children[1:]):
            if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d) and a.out_channels == b.num_features:
                setattr(parent, first, fuse_conv_bn_eval(a, b))
                setattr(parent, second, nn.Identity())
    return model


def inputs_of(kind, shape, generator):
    if kind == "images":
        return (torch.randn((2, *shape), generator=generator),)
    ids = torch.randint(5, VOCABULARY, (2, 7), generator=generator)
    mask = torch.ones(2, 7, dtype=torch.int64)
    ids[1, 5:] = 1
    mask[1, 5:] = 0
    ids[:, 4] = 2
    return ids, mask


def write_tokenizer(folder):
    """Words w5, w6, ... for ids 5, 6, ...: enough to be opened."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = special + [f"w{i}" for i in range(len(special), VOCABULARY)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 32, "pad_token": "[PAD]", "unk_token": "[UNK]"}))


def export(name, exporter, opset, fresh, spec, out=OUT):
    (kind, shape), make = spec
    folder = out / f"{name}-{exporter}-{opset or 'default'}{'-fresh' if fresh else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    import timm

    # Fused attention is not known to the older exporter before opset 14, nor how EVA asks for it.
    plain = exporter == "ts" and (name == "eva02" or (opset or 20) < 14)
    timm.layers.set_fused_attn(not plain)
    model = make().eval()
    if plain and hasattr(model, "encoder"):
        model.encoder.set_attn_implementation("eager")
    if not fresh:
        shake(model, generator)
    inputs = inputs_of(kind, shape, generator)
    names = ["images"] if kind == "images" else ["input_ids", "attention_mask"]
    axes = {0: "batch"} if kind == "images" else {0: "batch", 1: "tokens"}
    arguments = dict(input_names=names, output_names=["vectors"], **({"opset_version": opset} if opset else {}))
    if exporter == "ts":
        torch.onnx.export(model, inputs, str(folder / "model.onnx"), dynamo=False, dynamic_axes={**{n: axes for n in names}, "vectors": {0: "batch"}}, **arguments)
    else:
        dims = {0: torch.export.Dim("batch", min=1, max=4096)}
        if kind == "tokens":
            dims[1] = torch.export.Dim("tokens", min=2, max=64)
        shapes = tuple([dims] * len(inputs))
        # Inputs of a forward(*inputs) are one argument.
        shapes = (shapes,) if isinstance(model, Vectors) else shapes
        torch.onnx.export(model, inputs, str(folder / "model.onnx"), dynamo=True, dynamic_shapes=shapes, verbose=False, **arguments)
    if kind == "tokens":
        write_tokenizer(folder)
    model = fused(model).double().requires_grad_()
    given = [tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs]
    vectors = model(*given)
    direction = torch.randn(vectors.shape, generator=generator, dtype=torch.float64)
    loss = (vectors * direction).sum(1).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    tensors = {f"input/{n}": tensor.numpy() for n, tensor in zip(names, inputs)}
    tensors["vectors"] = vectors.detach().float().numpy()
    tensors["direction"] = direction.float().numpy()
    for (parameter, value), gradient in zip(model.named_parameters(), gradients):
        if gradient is not None:
            tensors[f"parameter/{parameter}"] = value.detach().float().numpy()
            tensors[f"gradient/{parameter}"] = gradient.float().numpy()
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, str(folder / "reference.safetensors"))
    return {"folder": folder.name, "name": name, "exporter": exporter, "fresh": fresh, "kind": kind, "parameters": sum(p.numel() for p in model.parameters())}


def small_ones():
    import transformers as hf
    from timm.models.vision_transformer import VisionTransformer

    bert = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=VOCABULARY, max_position_embeddings=16)
    return {
        "mobilefacenet": (("images", (3, 28, 28)), mobile_face),
        "bert": (("tokens", None), lambda: Pooled(hf.BertModel(hf.BertConfig(**bert)))),
        "vit": (("images", (3, 16, 16)), lambda: VisionTransformer(img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=0)),
    }


def make_fixtures():
    """Without values of parameters and gradients, and without the longest of the exporter's metadata (stack traces name folders of the machine)."""
    import onnx
    from safetensors.numpy import load_file

    shutil.rmtree(FIXTURES, ignore_errors=True)
    table = small_ones()
    jobs = [("mobilefacenet", "ts", None, False), ("mobilefacenet", "dyn", None, False), ("bert", "ts", 14, True), ("bert", "dyn", None, True), ("vit", "dyn", 23, False)]
    for name, exporter, opset, fresh in jobs:
        folder = export(name, exporter, opset, fresh, table[name], FIXTURES)["folder"]
        for file in (FIXTURES / folder).glob("tokenizer*"):
            file.unlink()
        reference = FIXTURES / folder / "reference.safetensors"
        kept = {key: value for key, value in load_file(reference).items() if key.startswith("input/") or key == "vectors"}
        save_file(kept, str(reference))
        reference.chmod(0o644)
        path = FIXTURES / folder / "model.onnx"
        model = onnx.load(path, load_external_data=False)
        for holder in [*model.graph.node, *model.graph.value_info]:
            for entry in [entry for entry in holder.metadata_props if entry.key.endswith(("stack_trace", "fx_node"))]:
                holder.metadata_props.remove(entry)
        path.write_bytes(model.SerializeToString())
        print(folder, sum(file.stat().st_size for file in (FIXTURES / folder).iterdir()))


def main():
    if sys.argv[1:] == ["--fixtures"]:
        return make_fixtures()
    table = architectures()
    wanted = sys.argv[1:] or list(table)
    unknown = [name for name in wanted if name not in table]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; known: {', '.join(table)}")
    jobs = [(name, exporter, None, False) for name in wanted for exporter in ("ts", "dyn")]
    jobs += [job for job in EXTRA if job[0] in wanted]
    listing = OUT / "zoo.json"
    OUT.mkdir(parents=True, exist_ok=True)
    done = {entry["folder"]: entry for entry in (json.loads(listing.read_text()) if listing.exists() else [])}
    for name, exporter, opset, fresh in jobs:
        try:
            entry = export(name, exporter, opset, fresh, table[name])
        except Exception as error:
            print(f"{name} {exporter} {opset or 'default'}: {type(error).__name__}: {str(error).splitlines()[0][:300]}", flush=True)
            continue
        done[entry["folder"]] = entry
        listing.write_text(json.dumps(list(done.values()), indent=1) + "\n")
        print(f"{entry['folder']}: {entry['parameters']} parameters", flush=True)


main()
