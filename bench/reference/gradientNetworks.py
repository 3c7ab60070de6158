"""Small networks, exported by torch.onnx, and the gradients of their weights in float64. Part of makeGradientFixtures.py."""

import base64
import json

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A residual block whose normalisations are folded into its convolutions, as exporters fold them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.skip(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 7, 2, 3)
        widths = [4, 4, 6, 8]
        blocks, inputs = [], 4
        for stage, width in enumerate(widths):
            blocks += [Block(inputs, width, 1 if stage == 0 else 2), Block(width, width, 1)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 6)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        x = self.norm(self.blocks(x))
        return F.normalize(self.head(F.adaptive_avg_pool2d(x, 1).flatten(1)))


class Inverted(nn.Module):
    """Expand, a kernel for each channel, squeeze and excite, project."""

    def __init__(self, channels, outputs, stride):
        super().__init__()
        inner = 2 * channels
        self.expand = nn.Conv2d(channels, inner, 1)
        self.depthwise = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner)
        self.squeeze = nn.Conv2d(inner, 4, 1)
        self.excite = nn.Conv2d(4, inner, 1)
        self.project = nn.Conv2d(inner, outputs, 1)
        self.skips = stride == 1 and channels == outputs

    def forward(self, x):
        y = F.hardswish(self.depthwise(F.hardswish(self.expand(x))))
        y = y * F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        y = self.project(y)
        return x + y if self.skips else y


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.blocks = nn.Sequential(Inverted(4, 4, 1), Inverted(4, 6, 2), Inverted(6, 6, 1))
        self.head = nn.Linear(6, 8)
        self.slopes = nn.PReLU(8)
        self.embedding = nn.Linear(8, 6)

    def forward(self, x):
        x = self.blocks(F.hardswish(self.stem(x)))
        return self.embedding(self.slopes(self.head(x.mean((2, 3)))))


class Transformer(nn.Module):
    """Tokens, a class token, positions, two blocks of attention with a mask, the mean of what is not masked."""

    def __init__(self):
        super().__init__()
        width = 8
        self.width = width
        self.tokens = nn.Embedding(12, width)
        self.first = nn.Parameter(torch.empty(1, 1, width))
        self.places = nn.Parameter(torch.empty(1, 9, width))
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm2": nn.LayerNorm(width),
                    "up": nn.Linear(width, 2 * width),
                    "down": nn.Linear(2 * width, width),
                }
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.embedding = nn.Linear(2 * width, 6)

    def forward(self, ids, mask):
        n, t = ids.shape
        x = torch.cat([self.first.expand(n, -1, -1), self.tokens(ids)], 1) + self.places[:, : t + 1]
        mask = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        for layer in self.layers:
            q, k, v = layer["qkv"](layer["norm1"](x)).view(n, t + 1, 3, 2, self.width // 2).permute(2, 0, 3, 1, 4).unbind(0)
            scores = q @ k.transpose(-2, -1) / (self.width // 2) ** 0.5
            scores = scores.masked_fill(mask[:, None, None] == 0, -1e4)
            x = x + layer["out"]((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t + 1, self.width))
            x = x + layer["down"](F.gelu(layer["up"](layer["norm2"](x))))
        x = self.norm(x)
        weights = mask.unsqueeze(-1).to(x.dtype)
        mean = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return self.embedding(torch.cat([x[:, 0], mean], -1))


def fill(module, seed):
    """Weights of a useful size, no two tensors alike: the exporters merge equal ones."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        fans = parameter[0].numel() if parameter.dim() > 1 else 1
        scale = (1.6 / fans) ** 0.5 if parameter.dim() > 1 else 0.1
        parameter.data = (values * scale + (1 if "norm" in name and name.endswith("weight") else 0)).float()
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(generator=generator).mul_(0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5, generator=generator)
    return module.eval()


def gradients(module, inputs, loss_weights):
    double = {name: parameter.detach().double().requires_grad_() for name, parameter in module.named_parameters()}
    buffers = {name: buffer.double() if buffer.is_floating_point() else buffer for name, buffer in module.named_buffers()}
    given = [value.double() if value.is_floating_point() else value for value in inputs]
    result = torch.func.functional_call(module, {**double, **buffers}, tuple(given))
    (result * loss_weights.double()).sum().backward()
    return {name: parameter.grad.numpy() for name, parameter in double.items()}


def encode(array, kind):
    return base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()


def write_network(out, name, module, inputs, dynamo, folded=()):
    """folded: parameters that the exporter computes with: they are no weights of the file."""
    fill(module, len(name))
    generator = torch.Generator().manual_seed(7)
    loss_weights = torch.randn(inputs[0].shape[0], 6, generator=generator)
    expected = gradients(module, inputs, loss_weights)
    names = ["x", "mask"][: len(inputs)]
    file = out / f"{name}.onnx"
    if dynamo:
        batch = torch.export.Dim("batch")
        shapes = tuple({0: batch} for _ in inputs)
        program = torch.onnx.export(module, tuple(inputs), input_names=names, output_names=["vectors"], dynamic_shapes=shapes, dynamo=True, opset_version=21, verbose=False)
        model = program.model_proto
    else:
        axes = {given: {0: "batch", **({1: "tokens"} if len(inputs) > 1 else {})} for given in names}
        torch.onnx.export(module, tuple(inputs), str(file), input_names=names, output_names=["vectors"], dynamic_axes=axes, dynamo=False, opset_version=20)
        model = onnx.load(file)
    strip(model)
    onnx.save(model, file)
    # By value: exporters rename and turn weights.
    found = {}
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for parameter, value in module.named_parameters():
        for tensor, data in tensors.items():
            for turn in (lambda a: a, lambda a: a.T):
                turned = turn(value.detach().numpy())
                if turned.shape == data.shape and np.array_equal(turned, data):
                    found[tensor] = turn(expected[parameter])
                elif turned.size == data.size and turned.ndim != data.ndim and np.array_equal(turned.ravel(), data.ravel()):
                    found[tensor] = expected[parameter].reshape(data.shape)
    assert len(found) == len(expected) - len(folded), (name, sorted(found))
    print(name, len(model.graph.node), "nodes,", len(found), "weights")
    record = {
        "inputs": {
            given: {"shape": list(value.shape), "type": str(value.dtype).split(".")[1], "values": encode(value.numpy(), None)}
            for given, value in zip(names, inputs)
        },
        "weights": encode(loss_weights.numpy(), np.float32),
        "gradients": {tensor: encode(value, np.float32) for tensor, value in found.items()},
    }
    (out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def strip(model):
    """What names and traces take is more than the weights."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for field in ("metadata_props", "doc_string"):
        model.ClearField(field)
        model.graph.ClearField(field)
    model.graph.ClearField("value_info")
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.ClearField("metadata_props")
        value.ClearField("doc_string")


def write(out):
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(2, 3, 25, 18, generator=generator)
    ids = torch.randint(0, 12, (3, 6), generator=generator)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    write_network(out, "resnet", ResNet(), [image], dynamo=True)
    write_network(out, "mobilenet", MobileNet(), [image[:, :, :14, :13].contiguous()], dynamo=False)
    write_network(out, "transformer", Transformer(), [ids, mask], dynamo=False)
    write_network(out, "transformerDynamo", Transformer(), [ids, mask], dynamo=True, folded=["places"])
