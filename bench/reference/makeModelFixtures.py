"""Writes test/fixtures/models: small model files as other tools write them, and what those tools compute with them.

    python bench/reference/makeModelFixtures.py huggingface    # torch, transformers, tokenizers, onnx, pillow
    python bench/reference/makeModelFixtures.py tensorflow     # tensorflow-cpu 2.19, tf-keras, tensorflowjs 4.22

The parts need environments of their own, because their packages exclude each other. For the first, the one that
setup.sh makes with `pip install transformers==5.24.0 pillow==12.3.0`; for the second a fresh one with

    pip install tensorflow-cpu==2.19.1 tf-keras==2.19.0 tensorflow-hub==0.16.1 importlib_resources six packaging
    pip install --no-deps tensorflowjs==4.22.0

(without its other dependencies: decision forests and JAX are imported by the converter, not used).
"""

import argparse
import json
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "test" / "fixtures" / "models"

TEXTS = [
    "a red bicycle with two wheels",
    "Blue running shoes, size 42",
    "The quick brown fox jumps over the lazy dog; and then it runs, and runs, and runs, and runs until the evening.",
    "x",
    "Crème brûlée à la carte",
    "naïve café résumé",
    "日本語 text and 中文",
    "It's 3.14159 metres (approx.)!",
    "unbelievableness\tof\n whitespace   everywhere",
    "a red bicycle with two wheels and a bell",
    "emoji 🙂 here",
    "[CLS] not special [SEP]",
]


def fresh(name):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def rounded(array):
    """Nested lists with nine significant digits: float32 comes back exactly."""
    return json.loads(json.dumps(np.asarray(array, np.float32).astype(float).tolist()), parse_float=lambda text: float(f"{float(text):.9g}"))


def picture(height, width, seed):
    """An image with slopes, edges and some noise: resampling shows on it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    phase = random.uniform(0, 6.28, 3)
    waves = np.stack([128 + 90 * np.sin(x / (4 + c) + y / (7 - c) + phase[c]) for c in range(3)], -1)
    waves[height // 3 : height // 2, width // 4 : width // 2] = random.uniform(0, 255, 3)
    return np.clip(waves + random.normal(0, 6, waves.shape), 0, 255).astype(np.uint8)


# ---------------------------------------------------------------------------------------------
# Hugging Face: tokenizers, a text encoder, image processors, an image encoder


def train_tokenizer(kind):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    corpus = TEXTS * 4 + ["green running shorts size 38", "a blue bell and a brown dog", "metres of whitespace"]
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=special,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=160, special_tokens=special, unk_token="[UNK]", show_progress=False
        )
    tokenizer.train_from_iterator(corpus, trainer)
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    if kind == "bpe":
        tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", sep), ("[CLS]", cls))
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
        )
    return tokenizer


def make_tokenizers():
    """tokenizer.json of the three usual models, and what the original library makes of the texts."""
    folder = fresh("tokenizers")
    expected = {"texts": TEXTS, "maxTokens": 16}
    for kind in ("wordpiece", "bpe", "unigram"):
        tokenizer = train_tokenizer(kind)
        tokenizer.save(str(folder / f"{kind}.json"), pretty=False)
        whole = [tokenizer.encode(text).ids for text in TEXTS]
        tokenizer.enable_truncation(expected["maxTokens"])
        expected[kind] = {"whole": whole, "cut": [tokenizer.encode(text).ids for text in TEXTS]}
    write_json(folder / "expected.json", expected)


def make_text_model():
    """A BERT with random weights in the layout of sentence-transformers' exports."""
    import onnx
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = fresh("bert")
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer("wordpiece"),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=24,
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        initializer_range=0.3,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt", return_token_type_ids=True)

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = tuple(batch[name] for name in names)
    (folder / "onnx").mkdir()
    file = folder / "onnx" / "model.onnx"
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    torch.onnx.export(
        Encoder().eval(),
        inputs,
        file,
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_shapes=(axes, axes, axes),
        opset_version=20,
        external_data=False,
        verbose=False,
    )
    exported = onnx.load(file)
    strip(exported)
    onnx.save(exported, file)
    with torch.no_grad():
        hidden = Encoder()(*inputs)
    mask = batch["attention_mask"][..., None].float()
    mean = (hidden * mask).sum(1) / mask.sum(1)
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
    )
    write_json(
        folder / "expected.json",
        {
            "texts": TEXTS,
            "tokens": batch["attention_mask"].sum(1).tolist(),
            "mean": rounded(mean),
            "cls": rounded(hidden[:, 0]),
        },
    )


def strip(model):
    """Names of origin, most of a small file."""
    for node in [*model.graph.node, *model.graph.initializer, *model.graph.value_info]:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.metadata_props[:]


SIDE = 12
PROCESSORS = {
    # As CLIP's, ViT's, ConvNeXT's and a plain one are written, on a small side.
    "clip": {
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": 14},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 0.00392156862745098,
        "do_normalize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "vit": {
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 0.00392156862745098,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
    "lanczos": {
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 1,
        "do_rescale": True,
        "rescale_factor": 0.00784313725490196,
        "do_normalize": False,
    },
    "nearest": {
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 0,
        "do_rescale": True,
        "rescale_factor": 0.00392156862745098,
        "do_normalize": False,
    },
}


def make_images():
    from PIL import Image

    folder = fresh("images")
    shapes = {"a/exact.png": (SIDE, SIDE), "a/wide.png": (30, 47), "b/tall.png": (41, 26), "b/small.png": (9, 10)}
    for index, (name, shape) in enumerate(shapes.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(*shape, index)).save(folder / name)
    return folder, list(shapes)


def processed(name, config, image):
    """What the processor of transformers makes of an image: float32 [3, height, width]."""
    import transformers

    which = {"clip": "CLIPImageProcessor", "vit": "ViTImageProcessor"}.get(name, "ViTImageProcessor")
    processor = getattr(transformers, which + "Pil", None) or getattr(transformers, which)
    return np.asarray(processor(**config)(image, return_tensors="np")["pixel_values"][0], np.float32)


def make_image_model():
    """Processor configs with what Hugging Face makes of the images, and a small encoder beside the first."""
    import torch
    from PIL import Image

    images, names = make_images()
    folder = fresh("imageProcessors")
    pictures = [Image.open(images / name).convert("RGB") for name in names]
    ordered = sorted(names)
    pixels = {}
    for name, config in PROCESSORS.items():
        write_json(folder / f"{name}.json", config)
        values = np.stack([processed(name, config, pictures[names.index(item)]) for item in ordered])
        np.save(folder / f"{name}.npy", values)
        pixels[name] = values

    encoder = fresh("encoder")
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 12, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(12 * 16, 16),
    ).eval()
    example = torch.from_numpy(pixels["clip"])
    export_image_model(model, example, encoder / "model.onnx", external=False)
    write_json(encoder / "preprocessor_config.json", PROCESSORS["clip"])
    with torch.no_grad():
        vectors = model(example).numpy()
    write_json(encoder / "expected.json", {"items": ordered, "vectors": rounded(vectors)})
    make_external(encoder / "model.onnx", vectors, example.numpy())


def export_image_model(model, example, file, external):
    import onnx
    import torch

    torch.onnx.export(
        model,
        (example,),
        file,
        input_names=["pixel_values"],
        output_names=["embedding"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=20,
        external_data=external,
        verbose=False,
    )
    exported = onnx.load(file)
    strip(exported)
    onnx.save(exported, file)


def make_external(source, vectors, pixels):
    """The same encoder with its weights in other files: one, one a tensor (without offset and length)."""
    import onnx
    import onnxruntime

    for name, options in {
        "one": {"all_tensors_to_one_file": True, "location": "model.onnx.data"},
        "several": {"all_tensors_to_one_file": False},
    }.items():
        folder = fresh(f"external/{name}")
        model = onnx.load(source)
        onnx.save(model, folder / "model.onnx", save_as_external_data=True, size_threshold=64, **options)
        if name == "several":
            # As exporters write it: the whole file is the tensor.
            model = onnx.load(folder / "model.onnx", load_external_data=False)
            for tensor in model.graph.initializer:
                kept = [entry for entry in tensor.external_data if entry.key == "location"]
                del tensor.external_data[:]
                tensor.external_data.extend(kept)
            (folder / "model.onnx").write_bytes(model.SerializeToString())
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        (result,) = session.run(None, {"pixel_values": pixels})
        assert np.abs(result - vectors).max() < 1e-5


# ---------------------------------------------------------------------------------------------
# TensorFlow.js: the converter's LayersModel and GraphModel


def import_converter():
    """The converter without what it imports and does not use."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow
    import tf_keras

    for name in ("tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]
    sys.modules["jax.experimental.jax2tf"].PolyShape = object
    from tensorflowjs.converters import keras_h5_conversion, keras_tfjs_loader, tf_saved_model_conversion_v2

    return tensorflow, tf_keras, keras_h5_conversion, keras_tfjs_loader, tf_saved_model_conversion_v2


def make_tfjs():
    import tempfile

    tensorflow, keras, layers_converter, loader, graph_converter = import_converter()
    folder = fresh("tfjs")
    side = 12
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Conv2D(8, 3, padding="same", activation="relu", input_shape=(side, side, 3)),
            keras.layers.BatchNormalization(),
            keras.layers.DepthwiseConv2D(3, activation="relu6"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(12, 3, strides=2, padding="same", activation="swish"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(16, name="embedding"),
        ]
    )
    random = np.random.default_rng(0)
    # Weights of a size that gives vectors of about 1; statistics as training leaves them, not 0 and 1.
    for layer in model.layers:
        layer.set_weights([random.normal(0, 0.4, weight.shape) for weight in layer.get_weights()])
    model.layers[1].set_weights([random.uniform(0.5, 2, 8) for _ in range(4)])
    pixels = random.integers(0, 256, (6, side, side, 3), dtype=np.uint8)
    values = pixels.astype(np.float32) / 255
    vectors = model(values).numpy()

    layers_converter.save_keras_model(model, str(folder / "layers"), weight_shard_size_bytes=4096)
    layers_converter.save_keras_model(
        model, str(folder / "layersQuantised"), quantization_dtype_map={"uint8": "*kernel*", "float16": "*bias*"}
    )
    with tempfile.TemporaryDirectory() as saved:
        tensorflow.saved_model.save(model, saved)
        graph_converter.convert_tf_saved_model(saved, str(folder / "graph"), weight_shard_size_bytes=4096)
        graph_converter.convert_tf_saved_model(
            saved, str(folder / "graphQuantised"), quantization_dtype_map={"uint16": "*"}
        )

    # What the converter's own loader makes of the rounded weights.
    restored = loader.load_keras_model(str(folder / "layersQuantised" / "model.json"))
    quantised = restored(values).numpy()

    # The embedding and the vector before it: which one is wanted has to be said.
    two = keras.Model(model.inputs, [model.layers[-2].output, model.output])
    layers_converter.save_keras_model(two, str(folder / "twoOutputs"))

    write_json(folder / "expected.json", {"pixels": pixels.reshape(6, -1).tolist(), "side": side, "vectors": rounded(vectors), "quantised": rounded(quantised)})
    for file in folder.rglob("*.json"):
        if file.name == "model.json":
            file.write_text(json.dumps(json.loads(file.read_text()), separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["huggingface", "tensorflow"])
    if parser.parse_args().part == "tensorflow":
        make_tfjs()
    else:
        make_tokenizers()
        make_text_model()
        make_image_model()


if __name__ == "__main__":
    main()
