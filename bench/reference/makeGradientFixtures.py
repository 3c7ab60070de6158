"""Writes test/fixtures/gradients: operators with inputs, and the gradients that PyTorch computes for them in float64; small networks
exported by torch.onnx, and the gradients of their weights.

    python bench/reference/makeGradientFixtures.py [operators] [networks]

Every operator is also run in ONNX Runtime, and must give what PyTorch gives: a case that says something else in the two
languages is an error here.
"""

import base64
import gzip
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "test" / "fixtures" / "gradients"

CASES = []


def grid(name, shape, positive=False):
    """Different odd multiples of 1/256, so that nothing is equal, nothing 0, and float32 holds them exactly."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    count = int(np.prod(shape)) if shape else 1
    levels = max(512, count)
    steps = random.permutation(levels)[:count] * 2 + 1
    values = steps + 64 if positive else steps - levels
    return (values / 256).reshape(shape)


def encode(array):
    return base64.b64encode(np.asarray(array, np.float32).tobytes()).decode()


def steps(array):
    """256ths."""
    return base64.b64encode(np.round(array * 256).astype(np.int16).tobytes()).decode()


def case(name, nodes, inputs, reference, constants=None, free=("x",), ties=False, opset=21, fixed=(), output="y"):
    """
    nodes: (operator, inputs, outputs, attributes) each, or one (operator, attributes) from the inputs and constants in order to y
    inputs: name -> shape, array or ("positive", shape); free: those whose first axis is the batch
    fixed: inputs that no gradient is asked of
    """
    constants = {key: np.asarray(value) for key, value in (constants or {}).items()}
    values = {}
    for key, given in inputs.items():
        if isinstance(given, tuple) and given and given[0] == "positive":
            values[key] = grid(name + key, given[1], positive=True)
        elif isinstance(given, (tuple, list)) and all(isinstance(size, int) for size in given):
            values[key] = grid(name + key, tuple(given))
        else:
            values[key] = np.asarray(given, np.float64)
    if isinstance(nodes, tuple):
        operator, attributes = nodes
        nodes = [(operator, [*inputs, *constants], ["y"], attributes)]
    tensors = {key: torch.tensor(value, dtype=torch.float64, requires_grad=key not in fixed) for key, value in values.items()}
    result = reference(*tensors.values())
    weights = torch.tensor(grid(name + "/weights", tuple(result.shape)))
    (result * weights).sum().backward()
    check_forward(name, nodes, values, constants, result, opset, output)
    CASES.append(
        {
            "name": name,
            "opset": opset,
            "nodes": [
                {"operator": operator, "inputs": given, "outputs": outputs, "attributes": attributes}
                for operator, given, outputs, attributes in nodes
            ],
            "output": output,
            "inputs": {key: {"shape": list(v.shape), "values": steps(v)} for key, v in values.items()},
            "constants": {
                key: {"type": str(v.dtype), "shape": list(v.shape), "values": v.ravel().astype(float).tolist()}
                for key, v in constants.items()
            },
            "weights": steps(weights.numpy()),
            "free": [key for key in free if key in inputs],
            "ties": ties,
            "gradients": {key: encode(t.grad.numpy()) for key, t in tensors.items() if key not in fixed},
        }
    )


def check_forward(name, nodes, values, constants, result, opset, output):
    graph = helper.make_graph(
        [
            helper.make_node(operator, given, outputs, **{k: float(v["float"]) if isinstance(v, dict) else v for k, v in attributes.items()})
            for operator, given, outputs, attributes in nodes
        ],
        "case",
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, list(v.shape)) for key, v in values.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(v, key) for key, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (got,) = session.run([output], {key: v.astype(np.float32) for key, v in values.items()})
    expected = result.detach().numpy()
    assert got.shape == expected.shape, (name, got.shape, expected.shape)
    error = np.abs(got - expected).max() if got.size else 0
    assert error <= 2e-5 * max(1, np.abs(expected).max()), (name, error)


def i64(*values):
    return np.array(values, np.int64)


def f32(*values):
    return np.array(values, np.float32)


def fl(value):
    """A whole number meant as a float attribute."""
    return {"float": value}


def operators():
    arithmetic()
    activations()
    products()
    convolutions()
    pools()
    normalizations()
    reductions()
    moves()
    gathers()
    resizes()
    ties()


def arithmetic():
    two = lambda op, fn, **kw: case(f"{op}", (op, {}), {"x": (3, 4), "b": (4,)}, fn, **kw)
    two("Add", lambda x, b: x + b)
    two("Sub", lambda x, b: x - b)
    two("Mul", lambda x, b: x * b)
    case("Div", ("Div", {}), {"x": (3, 4), "b": ("positive", (3, 1))}, lambda x, b: x / b, free=("x", "b"))
    case("Mul, both ways", ("Mul", {}), {"x": (3, 1, 2), "b": (4, 1)}, lambda x, b: x * b)
    case("Sub, a number from an image", ("Sub", {}), {"x": (2, 3, 4), "b": ()}, lambda x, b: x - b)
    case("Add, per channel", ("Add", {}), {"x": (3, 4, 2, 3), "b": (1, 4, 1, 1)}, lambda x, b: x + b)
    case("Mul, a square", [("Mul", ["x", "x"], ["y"], {})], {"x": (3, 4)}, lambda x: x * x)
    case("Max of three", ("Max", {}), {"x": (3, 4), "b": (4,), "c": (3, 4)}, lambda x, b, c: torch.maximum(torch.maximum(x, b), c), free=("x", "c"))
    case("Min", ("Min", {}), {"x": (3, 4), "b": (3, 1)}, lambda x, b: torch.minimum(x, b), free=("x", "b"))
    case("Sum of three", ("Sum", {}), {"x": (3, 4), "b": (4,), "c": (1,)}, lambda x, b, c: x + b + c)
    case("Mean of two", ("Mean", {}), {"x": (3, 4), "b": (4,)}, lambda x, b: (x + b) / 2)
    for exponent in (2, 3, 0.5, -1.5, 1, 0):
        base = ("positive", (3, 4)) if exponent not in (2, 3) else (3, 4)
        case(f"Pow, exponent {exponent}", ("Pow", {}), {"x": base}, lambda x, e=exponent: x**e, constants={"e": np.float32(exponent)})
    case("Pow, exponent trained", ("Pow", {}), {"x": ("positive", (3, 4)), "p": np.array([2.5])}, lambda x, p: x**p)
    case("Pow, whole exponents", ("Pow", {}), {"x": (3, 3)}, lambda x: x ** torch.tensor([1, 2, 3]), constants={"e": i64(1, 2, 3)})
    case("Clip", ("Clip", {}), {"x": (3, 8)}, lambda x: x.clamp(-1, 0.5), constants={"low": np.float32(-1), "high": np.float32(0.5)})
    case("Clip from below", [("Clip", ["x", "low"], ["y"], {})], {"x": (3, 8)}, lambda x: x.clamp(min=0.25), constants={"low": np.float32(0.25)})
    case("Clip from above", [("Clip", ["x", "", "high"], ["y"], {})], {"x": (3, 8)}, lambda x: x.clamp(max=0.25), constants={"high": np.float32(0.25)})
    one = lambda op, fn, positive=False: case(op, (op, {}), {"x": ("positive", (3, 5)) if positive else (3, 5)}, fn)
    one("Neg", torch.neg)
    one("Exp", torch.exp)
    one("Log", torch.log, True)
    one("Sqrt", torch.sqrt, True)
    one("Reciprocal", torch.reciprocal, True)
    one("Abs", torch.abs)
    one("Sin", torch.sin)
    one("Cos", torch.cos)
    one("Erf", torch.erf)
    one("Identity", lambda x: x * 1)
    case("Cast to float64 and back", [("Cast", ["x"], ["d"], {"to": 11}), ("Cast", ["d"], ["y"], {"to": 1})], {"x": (3, 4)}, lambda x: x * 1)
    mask = np.array([[True, False, True, False]])
    case("Where", [("Where", ["m", "x", "b"], ["y"], {})], {"x": (3, 4), "b": (4,)}, lambda x, b: torch.where(torch.tensor(mask), x, b), constants={"m": mask})
    case("Dropout, off", [("Dropout", ["x", "rate"], ["y"], {})], {"x": (3, 4)}, lambda x: x * 1, constants={"rate": np.float32(0.5)})


def activations():
    def one(name, operator, attributes, fn, **kw):
        case(name, (operator, attributes), {"x": 3 * grid(name, (3, 8))}, fn, **kw)

    one("Relu", "Relu", {}, F.relu)
    one("LeakyRelu", "LeakyRelu", {"alpha": 0.125}, lambda x: F.leaky_relu(x, 0.125))
    one("ThresholdedRelu", "ThresholdedRelu", {"alpha": 0.5}, lambda x: F.threshold(x, 0.5, 0.0))
    one("Elu", "Elu", {"alpha": 0.75}, lambda x: F.elu(x, 0.75))
    one("Selu", "Selu", {}, F.selu)
    one("Celu", "Celu", {"alpha": fl(2.0)}, lambda x: F.celu(x, 2.0))
    one("Sigmoid", "Sigmoid", {}, torch.sigmoid)
    one("Tanh", "Tanh", {}, torch.tanh)
    one("Gelu", "Gelu", {}, F.gelu)
    one("Gelu, by tanh", "Gelu", {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh"))
    one("HardSigmoid", "HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, F.hardsigmoid)
    one("HardSigmoid, its own slope", "HardSigmoid", {}, lambda x: (0.2 * x + 0.5).clamp(0, 1))
    one("HardSwish", "HardSwish", {}, F.hardswish)
    one("Softplus", "Softplus", {}, F.softplus)
    one("Softsign", "Softsign", {}, F.softsign)
    one("Mish", "Mish", {}, F.mish, opset=22)
    one("Swish", "Swish", {"alpha": 1.25}, lambda x: x * torch.sigmoid(1.25 * x), opset=24)
    case("PRelu per channel", ("PRelu", {}), {"x": (2, 3, 2, 4), "s": (3, 1, 1)}, lambda x, s: torch.where(x > 0, x, s * x))
    case("PRelu, one slope", ("PRelu", {}), {"x": (3, 4), "s": (1,)}, lambda x, s: torch.where(x > 0, x, s * x))


def products():
    case("MatMul, matrices", ("MatMul", {}), {"x": (3, 4), "b": (4, 5)}, torch.matmul)
    case("MatMul, rows of a stack", ("MatMul", {}), {"x": (2, 3, 4), "b": (4, 5)}, torch.matmul)
    case("MatMul, stacks", ("MatMul", {}), {"x": (2, 3, 2, 4), "b": (2, 3, 4, 5)}, torch.matmul, free=("x", "b"))
    case("MatMul, one stack repeated", ("MatMul", {}), {"x": (2, 3, 2, 4), "b": (3, 4, 5)}, torch.matmul)
    case("MatMul, a matrix before a stack", ("MatMul", {}), {"x": (3, 4), "b": (2, 4, 5)}, torch.matmul, free=("b",))
    case("MatMul, a stack of one", ("MatMul", {}), {"x": (2, 3, 4), "b": (1, 4, 5)}, torch.matmul)
    case("MatMul, vectors", ("MatMul", {}), {"x": (4,), "b": (4,)}, torch.matmul, free=())
    case("MatMul, a stack and a vector", ("MatMul", {}), {"x": (2, 3, 4), "b": (4,)}, torch.matmul)
    case("MatMul, a vector and a stack", ("MatMul", {}), {"x": (4,), "b": (2, 4, 3)}, torch.matmul, free=("b",))
    for a in (0, 1):
        for b in (0, 1):
            shapes = {"x": (4, 3) if a else (3, 4), "b": (5, 4) if b else (4, 5), "c": (5,)}
            fn = lambda x, b, c, turn_a=a, turn_b=b: 0.5 * (x.T if turn_a else x) @ (b.T if turn_b else b) + 1.5 * c
            case(f"Gemm, transA {a}, transB {b}", ("Gemm", {"transA": a, "transB": b, "alpha": 0.5, "beta": 1.5}), shapes, fn, free=() if a else ("x",))
    case("Gemm without bias", ("Gemm", {"transB": 1}), {"x": (3, 4), "b": (5, 4)}, lambda x, b: x @ b.T)
    case("Gemm, a column of biases", ("Gemm", {}), {"x": (3, 4), "b": (4, 5), "c": (3, 1)}, lambda x, b, c: x @ b + c, free=("x", "c"))
    for equation, shapes in {
        "bqhd,bkhd->bhqk": ((2, 3, 2, 4), (2, 5, 2, 4)),
        "bhqk,bkhd->bqhd": ((2, 2, 3, 5), (2, 5, 2, 4)),
        "bid,d->bi": ((2, 3, 4), (4,)),
        "bij,bkj->bi": ((2, 3, 4), (2, 5, 4)),
        "...ij,jk->...ik": ((2, 3, 4), (4, 5)),
        "bd,cd": ((2, 3), (4, 3)),
        "b...,b...->b...": ((2, 3, 4), (2, 3, 4)),
    }.items():
        both = equation.split("->")[0].split(",")[1][0] == "b"
        case(f"Einsum {equation}", ("Einsum", {"equation": equation}), {"x": shapes[0], "b": shapes[1]}, lambda x, b, e=equation: torch.einsum(e, x, b), free=("x", "b") if both else ("x",))
    case("Einsum ab->ba", ("Einsum", {"equation": "ab->ba"}), {"x": (3, 4)}, lambda x: x.T, free=())


def convolutions():
    def conv(name, x, w, stride=1, pads=0, dilation=1, group=1, bias=True, **attributes):
        rank = len(x) - 2
        fn = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
        many = lambda v: [v] * rank if isinstance(v, int) else list(v)
        pads = many(pads) * 2 if isinstance(pads, int) or len(pads) == rank else list(pads)
        turned = [amount for axis in reversed(range(rank)) for amount in (pads[axis], pads[axis + rank])]
        given = {"strides": many(stride), "dilations": many(dilation), "group": group, **attributes}
        if "auto_pad" not in attributes:
            given["pads"] = pads
        inputs = {"x": x, "w": w, **({"b": (w[0],)} if bias else {})}
        reference = lambda x, w, b=None: fn(F.pad(x, turned), w, b, many(stride), 0, many(dilation), group)
        case(f"Conv, {name}", ("Conv", given), inputs, reference)

    conv("3 x 3", (2, 5, 5, 4), (3, 5, 3, 3), pads=1)
    conv("3 x 3 of few channels", (2, 3, 5, 4), (4, 3, 3, 3), pads=1)
    conv("1 x 1", (2, 5, 3, 4), (3, 5, 1, 1), bias=False)
    conv("1 x 1, stride 2", (2, 5, 5, 4), (3, 5, 1, 1), stride=2)
    conv("stride 2, nothing left", (2, 5, 5, 7), (3, 5, 3, 3), stride=2, pads=1)
    conv("stride 2, a rest left", (2, 5, 6, 4), (3, 5, 3, 3), stride=2, pads=1, bias=False)
    conv("strides 3 and 1", (2, 5, 8, 5), (3, 5, 2, 3), stride=(3, 1))
    conv("dilated", (2, 5, 7, 6), (3, 5, 3, 2), dilation=2, pads=1)
    conv("dilated, with strides", (2, 5, 8, 7), (2, 5, 3, 2), dilation=(2, 1), stride=2, pads=2)
    conv("uneven padding", (2, 5, 5, 4), (3, 5, 3, 2), pads=(0, 1, 2, 0))
    conv("padding wider than the kernel", (2, 5, 3, 3), (2, 5, 2, 2), pads=2)
    conv("SAME_UPPER", (2, 5, 6, 5), (2, 5, 3, 3), stride=2, pads=(0, 1, 1, 1), auto_pad="SAME_UPPER")
    conv("SAME_LOWER", (2, 5, 6, 5), (2, 5, 3, 3), stride=2, pads=(1, 1, 0, 1), auto_pad="SAME_LOWER")
    conv("SAME, stride 1, even kernel", (2, 5, 4, 5), (2, 5, 2, 2), pads=(0, 0, 1, 1), auto_pad="SAME_UPPER")
    conv("VALID", (2, 5, 5, 5), (2, 5, 3, 3), auto_pad="VALID")
    conv("patches", (2, 3, 4, 6), (5, 3, 2, 3), stride=(2, 3))
    conv("patches with a rest", (2, 3, 5, 8), (5, 3, 2, 3), stride=(2, 3))
    conv("groups", (2, 6, 5, 4), (4, 3, 3, 3), group=2, pads=1)
    conv("groups, stride 2", (2, 6, 5, 4), (4, 3, 3, 3), group=2, stride=2, pads=1)
    conv("depthwise", (2, 4, 5, 4), (4, 1, 3, 3), group=4, pads=1)
    conv("depthwise, stride 2", (2, 4, 6, 5), (4, 1, 3, 3), group=4, stride=2, pads=1)
    conv("depthwise, stride 2, uneven and dilated", (2, 3, 8, 7), (3, 1, 3, 2), group=3, stride=2, dilation=2, pads=(1, 0, 2, 1))
    conv("depthwise, two kernels a channel", (2, 3, 5, 4), (6, 1, 3, 3), group=3, pads=1, bias=False)
    conv("along one axis", (2, 5, 9), (3, 5, 4), stride=2, pads=1)
    conv("along one axis, depthwise", (2, 3, 9), (3, 1, 4), pads=2, group=3)
    conv("along three axes", (2, 5, 4, 3, 4), (2, 5, 2, 2, 3), pads=1)
    conv("along three axes, stride 2", (2, 2, 4, 5, 4), (2, 2, 2, 3, 2), stride=2, pads=1)

    def transposed(name, x, w, stride=1, pads=0, extra=0, dilation=1, group=1, bias=True, **attributes):
        rank = len(x) - 2
        fn = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[rank]
        many = lambda v: [v] * rank if isinstance(v, int) else list(v)
        given = {"strides": many(stride), "dilations": many(dilation), "group": group, "pads": many(pads) * 2, "output_padding": many(extra), **attributes}
        if "output_shape" in attributes:
            del given["pads"], given["output_padding"]
        inputs = {"x": x, "w": w, **({"b": (w[1] * group,)} if bias else {})}
        reference = lambda x, w, b=None: fn(x, w, b, many(stride), many(pads), many(extra), group, many(dilation))
        case(f"ConvTranspose, {name}", ("ConvTranspose", given), inputs, reference)

    transposed("plain", (2, 3, 4, 3), (3, 2, 3, 3))
    transposed("stride 2", (2, 3, 3, 4), (3, 2, 3, 2), stride=2, pads=1, extra=(1, 0))
    transposed("stride 2, kernel 2", (2, 5, 3, 2), (5, 2, 2, 2), stride=2)
    transposed("groups", (2, 4, 3, 3), (4, 3, 2, 2), stride=2, group=2)
    transposed("depthwise", (2, 3, 3, 4), (3, 1, 3, 3), stride=2, group=3, pads=1)
    transposed("dilated", (2, 3, 4, 3), (3, 2, 2, 2), dilation=2, bias=False)
    transposed("a given size", (2, 3, 3, 4), (3, 2, 4, 4), stride=2, pads=1, output_shape=[6, 8])
    transposed("along one axis", (2, 3, 5), (3, 2, 4), stride=2, pads=1)


def pools():
    case("MaxPool", ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}), {"x": (2, 3, 4, 6)}, lambda x: F.max_pool2d(x, 2))
    case("MaxPool, overlapping", ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}), {"x": (2, 3, 5, 6)}, lambda x: F.max_pool2d(x, 3, 2, 1))
    case("MaxPool, rounded up", ("MaxPool", {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}), {"x": (2, 2, 5, 6)}, lambda x: F.max_pool2d(x, (2, 3), 2, ceil_mode=True))
    case("MaxPool along one axis, dilated", ("MaxPool", {"kernel_shape": [2], "dilations": [2]}), {"x": (2, 3, 7)}, lambda x: F.max_pool1d(x, 2, 1, 0, 2))
    case("AveragePool", ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}), {"x": (2, 3, 4, 6)}, lambda x: F.avg_pool2d(x, 2))
    case("AveragePool, a rest left", ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 2]}), {"x": (2, 3, 5, 6)}, lambda x: F.avg_pool2d(x, (2, 3), 2))
    for include in (0, 1):
        case(
            f"AveragePool, overlapping, count_include_pad {include}",
            ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1], "count_include_pad": include}),
            {"x": (2, 3, 5, 4)},
            lambda x, i=include: F.avg_pool2d(x, 3, (2, 1), 1, count_include_pad=bool(i)),
        )
    case("AveragePool, rounded up", ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}), {"x": (2, 2, 5, 3)}, lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True))
    case("AveragePool along one axis", ("AveragePool", {"kernel_shape": [3], "pads": [1, 1]}), {"x": (2, 3, 5)}, lambda x: F.avg_pool1d(x, 3, 1, 1, count_include_pad=False))
    case("AveragePool along three axes", ("AveragePool", {"kernel_shape": [2, 1, 2], "strides": [1, 1, 2]}), {"x": (2, 2, 3, 2, 4)}, lambda x: F.avg_pool3d(x, (2, 1, 2), (1, 1, 2)))
    case("GlobalAveragePool", ("GlobalAveragePool", {}), {"x": (2, 3, 4, 3)}, lambda x: x.mean((2, 3), keepdim=True))
    case("GlobalMaxPool", ("GlobalMaxPool", {}), {"x": (2, 3, 4, 3)}, lambda x: F.adaptive_max_pool2d(x, 1))


def normalizations():
    for axis in (-1, 1, 0):
        shape = (3, 2, 4)[axis:]
        case(f"Softmax, axis {axis}", ("Softmax", {"axis": axis}), {"x": (3, 2, 4)}, lambda x, a=axis: x.softmax(a), free=("x",) if axis else ())
    case("LogSoftmax", ("LogSoftmax", {"axis": -1}), {"x": (3, 5)}, lambda x: x.log_softmax(-1))
    case("LogSoftmax, axis 1", ("LogSoftmax", {"axis": 1}), {"x": (3, 5, 2)}, lambda x: x.log_softmax(1))
    case("LayerNormalization", ("LayerNormalization", {"axis": -1}), {"x": (3, 2, 6), "w": (6,), "b": (6,)}, lambda x, w, b: F.layer_norm(x, (6,), w, b))
    case("LayerNormalization of two axes", ("LayerNormalization", {"axis": 1, "epsilon": 0.01}), {"x": (3, 2, 4), "w": (2, 4)}, lambda x, w: F.layer_norm(x, (2, 4), w, eps=0.01))
    case("RMSNormalization", ("RMSNormalization", {"axis": -1, "epsilon": 0.01}), {"x": (3, 2, 6), "w": (6,)}, lambda x, w: F.rms_norm(x, (6,), w, 0.01), opset=23)
    stats = {"m": f32(0.25, -0.5, 0), "v": f32(1, 2, 0.5)}
    moments = lambda: (torch.tensor(stats["m"], dtype=torch.float64), torch.tensor(stats["v"], dtype=torch.float64))
    for shape in ((2, 3, 4, 2), (4, 3), (2, 3, 5)):
        case(f"BatchNormalization, rank {len(shape)}", ("BatchNormalization", {"epsilon": 0.001}), {"x": shape, "w": (3,), "b": (3,)}, lambda x, w, b: F.batch_norm(x, *moments(), w, b, False, 0, 0.001), constants=stats)
    case("GroupNormalization", ("GroupNormalization", {"num_groups": 2, "epsilon": 0.01}), {"x": (2, 4, 3, 2), "w": (4,), "b": (4,)}, lambda x, w, b: F.group_norm(x, 2, w, b, 0.01))
    case("InstanceNormalization", ("InstanceNormalization", {"epsilon": 0.01}), {"x": (2, 3, 3, 2), "w": (3,), "b": (3,)}, lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=0.01))
    case("LpNormalization, p 2", ("LpNormalization", {"axis": -1, "p": 2}), {"x": (3, 4)}, lambda x: x / x.norm(dim=-1, keepdim=True))
    case("LpNormalization, p 1", ("LpNormalization", {"axis": 1, "p": 1}), {"x": (3, 4, 2)}, lambda x: x / x.abs().sum(1, keepdim=True))


def reductions():
    forms = {
        "ReduceSum": lambda x, a, k: x.sum(a, k),
        "ReduceMean": lambda x, a, k: x.mean(a, k),
        "ReduceSumSquare": lambda x, a, k: (x * x).sum(a, k),
        "ReduceL1": lambda x, a, k: x.abs().sum(a, k),
        "ReduceL2": lambda x, a, k: (x * x).sum(a, k).sqrt(),
        "ReduceLogSumExp": lambda x, a, k: x.logsumexp(a, k),
        "ReduceMax": lambda x, a, k: x.amax(a, k),
        "ReduceMin": lambda x, a, k: x.amin(a, k),
        "ReduceLogSum": lambda x, a, k: x.sum(a, k).log(),
    }
    for operator, fn in forms.items():
        shape = ("positive", (3, 2, 4)) if operator == "ReduceLogSum" else (3, 2, 4)
        case(f"{operator}, last axis", (operator, {"keepdims": 0}), {"x": shape}, lambda x, f=fn: f(x, -1, False), constants={"axes": i64(-1)})
        case(f"{operator}, two axes kept", (operator, {"keepdims": 1}), {"x": shape}, lambda x, f=fn: f(x, (0, 2), True), constants={"axes": i64(2, 0)}, free=())
    case("ReduceMean of everything", ("ReduceMean", {"keepdims": 0}), {"x": (3, 4)}, lambda x: x.mean(), free=())
    case("ReduceMax of everything", ("ReduceMax", {"keepdims": 0}), {"x": (3, 4)}, lambda x: x.max(), free=())
    case("ReduceSum of nothing", ("ReduceSum", {"keepdims": 0, "noop_with_empty_axes": 1}), {"x": (3, 4)}, lambda x: x * 1)
    case("CumSum", ("CumSum", {}), {"x": (3, 4)}, lambda x: x.cumsum(1), constants={"axis": np.int64(1)})
    case("CumSum, reverse and exclusive", ("CumSum", {"reverse": 1, "exclusive": 1}), {"x": (3, 4)}, lambda x: x.flip(1).cumsum(1).flip(1) - x, constants={"axis": np.int64(-1)})


def moves():
    case("Reshape", ("Reshape", {}), {"x": (3, 2, 4)}, lambda x: x.reshape(-1, 4, 2), constants={"s": i64(-1, 4, 2)})
    case("Flatten", ("Flatten", {"axis": 1}), {"x": (3, 2, 4)}, lambda x: x.flatten(1))
    case("Squeeze", ("Squeeze", {}), {"x": (3, 1, 4)}, lambda x: x.squeeze(1), constants={"a": i64(1)})
    case("Unsqueeze", ("Unsqueeze", {}), {"x": (3, 4)}, lambda x: x.unsqueeze(1).unsqueeze(-1), constants={"a": i64(1, -1)})
    case("Transpose", ("Transpose", {"perm": [0, 3, 1, 2]}), {"x": (3, 2, 4, 2)}, lambda x: x.permute(0, 3, 1, 2))
    case("Transpose without an order", ("Transpose", {}), {"x": (3, 4)}, lambda x: x.T, free=())
    case("Concat", [("Concat", ["x", "b", "c"], ["y"], {"axis": 1})], {"x": (3, 2, 2), "b": (3, 1, 2), "c": (3, 3, 2)}, lambda x, b, c: torch.cat([x, b, c], 1), free=("x", "b", "c"))
    case("Concat, last axis, one part fixed", [("Concat", ["x", "k", "x"], ["y"], {"axis": -1})], {"x": (1, 2)}, lambda x: torch.cat([x, torch.ones(1, 1), x], -1), constants={"k": np.ones((1, 1), np.float32)}, free=())
    split = lambda outs: [("Split", ["x", "s"], ["p", "q", "r"], {"axis": 1}), *outs]
    case("Split, all parts used", split([("Mul", ["p", "q"], ["pq"], {}), ("Mul", ["pq", "r"], ["y"], {})]), {"x": (3, 6)}, lambda x: x[:, :2] * x[:, 2:4] * x[:, 4:], constants={"s": i64(2, 2, 2)})
    case("Split, one part used", split([("Mul", ["q", "q"], ["y"], {})]), {"x": (3, 6)}, lambda x: x[:, 2:5] ** 2, constants={"s": i64(2, 3, 1)})
    case("Split in equal parts", [("Split", ["x"], ["p", "q"], {"axis": -1, "num_outputs": 2}), ("Mul", ["p", "q"], ["y"], {})], {"x": (3, 6)}, lambda x: x[:, :3] * x[:, 3:])

    def cut(name, shape, starts, ends, axes, steps, fn, **kw):
        given = {"s": i64(*starts), "e": i64(*ends), "a": i64(*axes)}
        if steps:
            given["t"] = i64(*steps)
        case(f"Slice, {name}", ("Slice", {}), {"x": shape}, fn, constants=given, **kw)

    far = 2**63 - 1
    cut("from the beginning", (3, 6), (0,), (4,), (1,), None, lambda x: x[:, :4])
    cut("to the end", (3, 6), (2,), (far,), (1,), (1,), lambda x: x[:, 2:])
    cut("from behind", (3, 6), (-4,), (-1,), (-1,), None, lambda x: x[:, -4:-1])
    cut("two axes", (3, 5, 4), (1, -3), (4, far), (1, 2), (1, 1), lambda x: x[:, 1:4, -3:])
    cut("every second", (3, 6, 3), (1,), (far,), (1,), (2,), lambda x: x[:, 1::2])
    cut("every second of two axes", (2, 5, 4), (0, 1), (far, far), (1, 2), (2, 2), lambda x: x[:, 0::2, 1::2])
    cut("backwards", (3, 5), (-1,), (-far,), (1,), (-1,), lambda x: x.flip(1))
    cut("every second backwards", (3, 6), (4,), (0,), (1,), (-2,), lambda x: x.flip(1)[:, 1::2][:, :2])
    cut("beyond the end", (3, 4), (-9,), (9,), (1,), (1,), lambda x: x * 1)
    turned = [("Transpose", ["x"], ["t"], {"perm": [0, 2, 3, 1]}), ("Slice", ["t", "s", "e", "a"], ["c"], {}), ("Transpose", ["c"], ["y"], {"perm": [0, 3, 1, 2]})]
    case("Slice between transpositions, which the runtime moves", turned, {"x": (2, 3, 4, 5)}, lambda x: x[:, :, 1:3], constants={"s": i64(1), "e": i64(3), "a": i64(1)})
    case("Slice, all axes", [("Slice", ["x", "s", "e"], ["y"], {})], {"x": (4, 3)}, lambda x: x[1:3, 0:2], constants={"s": i64(1, 0), "e": i64(3, 2)}, free=())
    case("Pad", ("Pad", {}), {"x": (2, 3)}, lambda x: F.pad(x, (1, 2)), constants={"p": i64(0, 1, 0, 2)})
    case("Pad, axes named, one cut", [("Pad", ["x", "p", "", "a"], ["y"], {})], {"x": (2, 3, 4)}, lambda x: F.pad(x, (-1, 0, 2, 1)), constants={"p": i64(2, -1, 1, 0), "a": i64(1, 2)})
    case("Pad, reflected", ("Pad", {"mode": "reflect"}), {"x": (2, 2, 3, 4)}, lambda x: F.pad(x, (1, 2, 1, 0), mode="reflect"), constants={"p": i64(0, 0, 1, 1, 0, 0, 0, 2)})
    case("Pad, edges", ("Pad", {"mode": "edge"}), {"x": (2, 2, 3, 4)}, lambda x: F.pad(x, (1, 0, 2, 0), mode="replicate"), constants={"p": i64(0, 0, 2, 1, 0, 0, 0, 0)})
    case("Expand", ("Expand", {}), {"x": (3, 1, 4)}, lambda x: x.expand(3, 2, 4), constants={"s": i64(1, 2, 4)})
    case("Expand, axes in front", ("Expand", {}), {"x": (3, 1)}, lambda x: x.expand(2, 3, 4), constants={"s": i64(2, 3, 4)}, free=())
    case("Tile", ("Tile", {}), {"x": (2, 3)}, lambda x: x.repeat(1, 3), constants={"r": i64(1, 3)})
    case("Tile, all axes", ("Tile", {}), {"x": (2, 1, 3)}, lambda x: x.repeat(2, 2, 2), constants={"r": i64(2, 2, 2)}, free=())
    case("DepthToSpace, DCR", ("DepthToSpace", {"blocksize": 2, "mode": "DCR"}), {"x": (2, 8, 2, 3)}, lambda x: x.reshape(-1, 2, 2, 2, 2, 3).permute(0, 3, 4, 1, 5, 2).reshape(-1, 2, 4, 6))
    case("DepthToSpace, CRD", ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}), {"x": (2, 8, 2, 3)}, lambda x: F.pixel_shuffle(x, 2))
    case("SpaceToDepth", ("SpaceToDepth", {"blocksize": 2}), {"x": (2, 2, 4, 6)}, lambda x: x.reshape(-1, 2, 2, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).reshape(-1, 8, 2, 3))
    case("Trilu", ("Trilu", {"upper": 0}), {"x": (2, 4, 4)}, lambda x: x.tril(1), constants={"k": np.int64(1)})
    case("Trilu, upper", [("Trilu", ["x"], ["y"], {})], {"x": (2, 3, 4)}, lambda x: x.triu())
    cosines, sines = np.cos(np.arange(12).reshape(1, 3, 4)), np.sin(np.arange(12).reshape(1, 3, 4))

    def rotated(x, interleaved):
        c, s = (torch.tensor(t.astype(np.float32), dtype=torch.float64).unsqueeze(1) for t in (cosines, sines))
        a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else (x[..., :4], x[..., 4:])
        parts = a * c - b * s, b * c + a * s
        return torch.stack(parts, -1).flatten(-2) if interleaved else torch.cat(parts, -1)

    for interleaved in (0, 1):
        case(
            f"RotaryEmbedding, interleaved {interleaved}",
            ("RotaryEmbedding", {"interleaved": interleaved}),
            {"x": (1, 2, 3, 8)},
            lambda x, i=interleaved: rotated(x, i),
            constants={"c": cosines.astype(np.float32), "s": sines.astype(np.float32)},
            free=(),
            opset=23,
        )


def gathers():
    rows = np.array([[0, 2], [2, -1]], np.int64)
    case("Gather, rows of a table", ("Gather", {}), {"x": (4, 3)}, lambda x: x[torch.tensor(rows)], constants={"i": rows}, free=())
    case("Gather, axis 1", ("Gather", {"axis": 1}), {"x": (3, 4, 2)}, lambda x: x[:, [1, 1, 3]], constants={"i": i64(1, 1, 3)})
    case("Gather, one position", ("Gather", {"axis": 1}), {"x": (3, 4, 2)}, lambda x: x[:, 0], constants={"i": np.int64(0)})
    case("Gather, the last position", ("Gather", {"axis": -2}), {"x": (3, 4, 2)}, lambda x: x[:, -1], constants={"i": np.int64(-1)})
    case("Gather, a list of one", ("Gather", {"axis": 2}), {"x": (3, 4, 2)}, lambda x: x[:, :, 1:2], constants={"i": np.array([1], np.int32)})
    case("Gather, last axis", ("Gather", {"axis": -1}), {"x": (3, 4)}, lambda x: x[:, [3, 0, 3, 3]], constants={"i": np.array([3, 0, 3, 3], np.int32)})
    places = np.array([[0, 1, 0], [3, 3, -1]], np.int64)
    case("GatherElements", ("GatherElements", {"axis": 1}), {"x": (2, 4)}, lambda x: x.gather(1, torch.tensor(places % 4)), constants={"i": places}, free=())
    ends = np.array([[0, 2], [1, 0], [0, 2]], np.int64)
    case("GatherND, one vector an item", ("GatherND", {}), {"x": (2, 3, 4)}, lambda x: x[torch.tensor(ends[:, 0]), torch.tensor(ends[:, 1])], constants={"i": ends}, free=())
    own = np.array([[-1], [0]], np.int64)
    case("GatherND, batch_dims 1", ("GatherND", {"batch_dims": 1}), {"x": (2, 3, 4)}, lambda x: x[torch.arange(2), torch.tensor(own[:, 0])], constants={"i": own}, free=())
    case("GatherND, every axis", ("GatherND", {}), {"x": (2, 3)}, lambda x: x[[1, 1, 0], [2, 2, 1]], constants={"i": np.array([[1, 2], [1, 2], [0, 1]], np.int64)}, free=())
    case("TopK", [("TopK", ["x", "k"], ["y", "i"], {"axis": -1})], {"x": (3, 6)}, lambda x: x.topk(2)[0], constants={"k": i64(2)})
    case("TopK, smallest, axis 1", [("TopK", ["x", "k"], ["y", "i"], {"axis": 1, "largest": 0})], {"x": (3, 5, 2)}, lambda x: x.topk(3, 1, largest=False)[0], constants={"k": i64(3)})
    at = np.array([[1, 0], [2, 3]], np.int64)
    for reduction in ("none", "add"):
        nodes = [("ScatterElements", ["x", "i", "b"], ["y"], {"axis": 1, "reduction": reduction})]
        fn = (lambda x, b: x.scatter(1, torch.tensor(at), b)) if reduction == "none" else (lambda x, b: x.scatter_add(1, torch.tensor(at), b))
        case(f"ScatterElements, {reduction}", nodes, {"x": (2, 4), "b": (2, 2)}, fn, constants={"i": at}, free=())
    cells = np.array([[2], [0]], np.int64)
    put = lambda x, b: torch.stack([b[1], x[1], b[0]])
    case("ScatterND", [("ScatterND", ["x", "i", "b"], ["y"], {})], {"x": (3, 2), "b": (2, 2)}, put, constants={"i": cells}, free=())


def resizes():
    size = lambda *s: {"s": i64(*s)}
    by = lambda *s: {"s": f32(*s)}

    def scaled(name, attributes, scales, fn):
        case(f"Resize, {name}", [("Resize", ["x", "", "s"], ["y"], attributes)], {"x": (2, 2, 3, 4)}, fn, constants=by(1, 1, *scales))

    def sized(name, attributes, sizes, fn):
        case(f"Resize, {name}", [("Resize", ["x", "", "", "s"], ["y"], attributes)], {"x": (2, 2, 3, 4)}, fn, constants=size(2, 2, *sizes), free=())

    scaled("nearest, twice as large", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, (2, 2), lambda x: F.interpolate(x, scale_factor=2))
    scaled("linear", {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, (2, 1.5), lambda x: F.interpolate(x, scale_factor=(2, 1.5), mode="bilinear"))
    sized("linear, corners aligned", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, (5, 7), lambda x: F.interpolate(x, (5, 7), mode="bilinear", align_corners=True))
    sized("cubic", {"mode": "cubic", "cubic_coeff_a": -0.75, "coordinate_transformation_mode": "half_pixel"}, (5, 6), lambda x: F.interpolate(x, (5, 6), mode="bicubic"))
    sized("linear, smaller", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, (2, 3), lambda x: F.interpolate(x, (2, 3), mode="bilinear"))
    scaled("nearest, one axis", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, (1, 3), lambda x: F.interpolate(x, scale_factor=(1, 3)))


def ties():
    x = np.array([[0, -3, 3, 1, -1, 0, 0.5, 2]], np.float64)
    tie = lambda name, *rest, **kw: case(f"{name}, ties", *rest, ties=True, free=(), **kw)
    tie("Relu", ("Relu", {}), {"x": x}, F.relu)
    tie("Abs", ("Abs", {}), {"x": x}, torch.abs)
    tie("LeakyRelu", ("LeakyRelu", {"alpha": 0.25}), {"x": x}, lambda x: F.leaky_relu(x, 0.25))
    tie("Elu", ("Elu", {"alpha": 0.5}), {"x": x}, lambda x: F.elu(x, 0.5))
    tie("HardSwish", ("HardSwish", {}), {"x": x}, F.hardswish)
    tie("HardSigmoid", ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}), {"x": x}, F.hardsigmoid)
    tie("PRelu", ("PRelu", {}), {"x": x, "s": np.array([0.25])}, lambda x, s: F.prelu(x, s))
    tie("Clip", ("Clip", {}), {"x": x}, lambda x: x.clamp(-1, 2), constants={"low": np.float32(-1), "high": np.float32(2)})
    other = np.array([[0, -3, 1, 1, -2, 5, 0.5, 1]], np.float64)
    tie("Max", ("Max", {}), {"x": x, "b": other}, torch.maximum)
    tie("Min", ("Min", {}), {"x": x, "b": other}, torch.minimum)
    level = np.array([[1, 2, 2, 0], [0, 0, 0, 0], [3, 1, 3, 3]], np.float64)
    tie("ReduceMax", ("ReduceMax", {"keepdims": 0}), {"x": level}, lambda x: x.amax(1), constants={"a": i64(1)})
    tie("ReduceMin", ("ReduceMin", {"keepdims": 1}), {"x": level}, lambda x: x.amin(1, True), constants={"a": i64(1)})
    image = np.array([[[[0, 0, 1, 1], [0, 0, 1, 0], [2, 1, 2, 2], [2, 2, 0, 2]]]], np.float64)
    tie("MaxPool", ("MaxPool", {"kernel_shape": [3, 3], "strides": [1, 1]}), {"x": image}, lambda x: F.max_pool2d(x, 3, 1))
    tie("GlobalMaxPool", ("GlobalMaxPool", {}), {"x": image}, lambda x: F.adaptive_max_pool2d(x, 1))
    tie("ReduceL2 of zeros", ("ReduceL2", {"keepdims": 1}), {"x": level}, lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True), constants={"a": i64(1)})


if __name__ == "__main__":
    parts = sys.argv[1:] or ["operators", "networks"]
    OUT.mkdir(parents=True, exist_ok=True)
    if "operators" in parts:
        operators()
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in CASES)
        # Without a time inside, so that equal cases make equal files.
        (OUT / "operators.json.gz").write_bytes(gzip.compress(f"[\n{lines}\n]\n".encode(), mtime=0))
        print(len(CASES), "operators")
    if "networks" in parts:
        import gradientNetworks

        gradientNetworks.write(OUT)
