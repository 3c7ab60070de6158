"""Networks of bench/trainingStep.py and of bench/reference/makeTrainingFixtures.py: embedding networks without batch statistics, as
BatchNormalization is folded when a model is exported."""

import torch
import torch.nn.functional as F
from torch import nn


class ConvNet(nn.Module):
    """3x3 convolutions in stages with max-pooling between them; mean over the image; one linear layer."""

    def __init__(self, stages=((64, 64), (128, 128), (256,)), dimension=64, channels=3):
        super().__init__()
        layers = []
        for number, widths in enumerate(stages):
            if number > 0:
                layers.append(nn.MaxPool2d(2))
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(channels, dimension)

    def forward(self, x):
        return self.linear(self.layers(x).mean((2, 3)))


class Block(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, stride, 1)
        self.second = nn.Conv2d(width, width, 3, 1, 1)
        changes = stride != 1 or channels != width
        self.shortcut = nn.Conv2d(channels, width, 1, stride) if changes else nn.Identity()

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """In CIFAR form: the first convolution keeps the size."""

    def __init__(self, widths=(64, 128, 256, 512), dimension=64, channels=3):
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)
        blocks, channels = [], widths[0]
        for number, width in enumerate(widths):
            blocks += [Block(channels, width, 1 if number == 0 else 2), Block(width, width, 1)]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, dimension)

    def forward(self, x):
        return self.linear(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Layer(nn.Module):
    """A transformer block, normalised before each half."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Encoder(nn.Module):
    """A transformer over token ids; mean over the tokens; one linear layer."""

    def __init__(self, vocabulary=1000, tokens=64, width=256, heads=4, layers=2, dimension=64):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, dimension)

    def forward(self, ids):
        x = self.layers(self.words(ids) + self.positions)
        return self.linear(self.norm(x).mean(1))


def export(model, example, name, file):
    """Writes the network with a free batch axis; input `name`, output `vectors` (the exporter calls what nn.Embedding gives `embedding`)."""
    program = torch.onnx.export(
        model.eval(),
        (example,),
        dynamo=True,
        input_names=[name],
        output_names=["vectors"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
        verbose=False,
    )
    program.save(file, external_data=False)
