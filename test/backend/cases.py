"""The ONNX backend node tests as programs with static shapes."""
import re
import warnings

import onnx
from onnx import numpy_helper

# Inputs that decide shapes or are parameters: a program with static shapes has them as constants. Op type -> operand numbers.
CONSTANT_OPERANDS = {
    "AffineGrid": (1,), "BlackmanWindow": (0,), "CenterCropPad": (1,), "Clip": (1, 2), "Col2Im": (1, 2), "Compress": (1,),
    "ConstantOfShape": (0,), "CumProd": (1,), "CumSum": (1,), "DFT": (1, 2), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "HammingWindow": (0,), "HannWindow": (0,), "Loop": (0, 1), "MaxUnpool": (2,), "MelWeightMatrix": (0, 1, 2, 3, 4), "OneHot": (1,),
    "Pad": (1, 2, 3), "QuantizeLinear": (1, 2), "Range": (0, 1, 2), "Reshape": (1,), "Resize": (1, 2, 3), "STFT": (1, 3),
    "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,),
}
CONSTANT_OPERANDS.update({f"Reduce{kind}": (1,) for kind in (
    "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")})


def constant_inputs(model):
    """Names of graph inputs that are constants of the program."""
    return {node.input[i] for node in model.graph.node for i in CONSTANT_OPERANDS.get(node.op_type, ()) if i < len(node.input)}


class Case:
    """One node test: a model, its feeds and the outputs that ONNX's reference implementation computed."""

    def __init__(self, case, unexpanded):
        self.name = case.name.removeprefix("test_")
        self.rtol, self.atol = case.rtol, case.atol
        self.source = case
        self.unexpanded = unexpanded

    def load(self):
        """(ModelProto with parameters as initializers, feeds by name, expected outputs)"""
        model = onnx.ModelProto()
        model.CopyFrom(self.source.model)
        inputs, outputs = self.source.data_sets[0]
        graph = model.graph
        # The expansion of a function op has the constants of the op.
        constant = constant_inputs(self.source.model) | constant_inputs(self.unexpanded or self.source.model)
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
    """{name: Case} of every node test."""
    from onnx.backend.test.loader import load_model_tests
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # numpy's overflow warnings while onnx makes its expected values
        found = {case.name.removeprefix("test_"): case for case in load_model_tests(kind="node") if case.model is not None}

    def unexpanded(name):
        base = found.get(re.sub(r"_expanded(_ver\d+)?$", "", name))
        return base and base.model
    return {name: Case(case, unexpanded(name)) for name, case in found.items()}
