"""The ONNX backend node tests as programs with static shapes."""
import warnings

import onnx
from onnx import numpy_helper

# The op types that the importer has rules for.
OPS = set("""
Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose DequantizeLinear Div Dropout Equal Exp
Expand Flatten Gather Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LeakyRelu MatMul Max MaxPool Min Mul PRelu Pad
Pow QuantizeLinear Range ReduceMax ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh
Transpose Unsqueeze Where
""".split())

# Inputs that decide shapes or are parameters: a program with static shapes has them as constants. Op type -> operand numbers.
CONSTANT_OPERANDS = {
    "Clip": (1, 2), "ConstantOfShape": (0,), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,), "Pad": (1, 2, 3), "QuantizeLinear": (1, 2),
    "Range": (0, 1, 2), "ReduceMax": (1,), "ReduceMean": (1,), "ReduceSum": (1,), "Reshape": (1,), "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Unsqueeze": (1,),
}


class Case:
    """One node test: a model, its feeds and the outputs that ONNX's reference implementation computed."""

    def __init__(self, case):
        self.name = case.name.removeprefix("test_")
        self.rtol, self.atol = case.rtol, case.atol
        self.source = case

    def load(self):
        """(ModelProto with parameters as initializers, feeds by name, expected outputs)"""
        model = onnx.ModelProto()
        model.CopyFrom(self.source.model)
        inputs, outputs = self.source.data_sets[0]
        graph = model.graph
        constant = {node.input[i] for node in graph.node for i in CONSTANT_OPERANDS.get(node.op_type, ()) if i < len(node.input)}
        values = dict(zip([i.name for i in graph.input], inputs))
        feeds = {}
        for info in list(graph.input):
            value = values[info.name]
            if info.name in constant:
                tensor = onnx.TensorProto()
                tensor.CopyFrom(value) if isinstance(value, onnx.TensorProto) else tensor.CopyFrom(numpy_helper.from_array(value))
                tensor.name = info.name
                graph.initializer.append(tensor)
                graph.input.remove(info)
            else:
                feeds[info.name] = value
        return model, feeds, outputs


def load_cases():
    """{name: Case} of every node test made of supported op types alone."""
    from onnx.backend.test.loader import load_model_tests
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # numpy's overflow warnings while onnx makes its expected values
        found = load_model_tests(kind="node")
    cases = {}
    for case in found:
        if case.model is None or case.model.functions:
            continue
        nodes = case.model.graph.node
        if all(n.op_type in OPS and n.domain in ("", "ai.onnx") for n in nodes):
            cases[case.name.removeprefix("test_")] = Case(case)
    return cases
