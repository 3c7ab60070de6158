"""Makes the models of bench/embedding.ts, then runs the image model in ONNX Runtime: tasks as in support/serve.py.

    embedding.py FOLDER IMAGES BATCH THREADS

Writes resnet18.onnx (CIFAR form, 11 million parameters) and text/model.onnx (six layers, 384 wide, 22 million
parameters with its vocabulary) with text/tokenizer.json into FOLDER unless they are there. Weights are random.
"""

import json
import logging
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from support.serve import serve
from torch import nn

# The exporter speaks of packages that it could do with.
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
images, batch, threads = map(int, sys.argv[2:5])
WIDTH, HEADS, LAYERS, WORDS, TOKENS = 384, 12, 6, 30_000, 128


class Block(nn.Module):
    def __init__(self, narrow, wide, stride):
        super().__init__()
        conv = lambda a, b, size, step: nn.Conv2d(a, b, size, step, size // 2, bias=False)
        self.body = nn.Sequential(
            conv(narrow, wide, 3, stride), nn.BatchNorm2d(wide), nn.ReLU(), conv(wide, wide, 3, 1), nn.BatchNorm2d(wide)
        )
        same = stride == 1 and narrow == wide
        self.short = nn.Identity() if same else nn.Sequential(conv(narrow, wide, 1, stride), nn.BatchNorm2d(wide))

    def forward(self, x):
        return torch.relu(self.body(x) + self.short(x))


def resnet18():
    widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    stem = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*stem, *(Block(*each) for each in widths), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x, bias):
        texts, tokens = x.shape[0], x.shape[1]
        heads = self.project(x).reshape(texts, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(heads[0] @ heads[1].transpose(-1, -2) / (WIDTH // HEADS) ** 0.5 + bias, -1)
        mixed = (weights @ heads[2]).permute(0, 2, 1, 3).reshape(texts, tokens, WIDTH)
        x = self.first(x + self.out(mixed))
        return self.second(x + self.feed(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(TOKENS, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, input_ids, attention_mask):
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        bias = (1 - attention_mask.float())[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        return x


def make_models():
    torch.manual_seed(0)
    options = {"external_data": False, "verbose": False, "opset_version": 20}
    image = folder / "resnet18.onnx"
    if not image.exists():
        torch.onnx.export(
            resnet18().eval(),
            (torch.zeros(2, 3, 32, 32),),
            image,
            input_names=["image"],
            output_names=["embedding"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            **options,
        )
    text = folder / "text" / "model.onnx"
    if not text.exists():
        text.parent.mkdir(exist_ok=True)
        axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=TOKENS)}
        ids = torch.ones(2, 16, dtype=torch.int64)
        torch.onnx.export(
            Encoder().eval(),
            (ids, ids),
            text,
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(axes, axes),
            **options,
        )
        write_tokenizer(text.parent)


def write_tokenizer(where):
    """WordPiece over made-up syllables; texts.txt holds sentences of such words."""
    draw = random.Random(0)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    words = sorted({"".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(20_000)})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *("##" + each for each in syllables)][:WORDS]
    special = [
        {"id": i, "content": vocabulary[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i in range(4)
    ]
    piece = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    tokens = {name: {"id": name, "ids": [vocabulary.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    sentence = {"Sequence": {"id": "A", "type_id": 0}}
    tokenizer = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": TOKENS, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]"), sentence, piece("[SEP]")],
            "pair": [piece("[CLS]"), sentence, piece("[SEP]"), {"Sequence": {"id": "B", "type_id": 1}}, piece("[SEP]")],
            "special_tokens": tokens,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {token: i for i, token in enumerate(vocabulary)},
        },
    }
    (where / "tokenizer.json").write_text(json.dumps(tokenizer))


make_models()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(folder / "resnet18.onnx", options, providers=["CPUExecutionProvider"])
inputs = np.random.default_rng(0).normal(0, 1, (images, 3, 32, 32)).astype(np.float32)


def embed():
    for start in range(0, images, batch):
        session.run(None, {"image": inputs[start : start + batch]})
    return {}


serve({"embed": embed})
