"""A small writer of ONNX graphs for the models of test/exporters: seeded weights, and every habit of an exporter in reach."""
import zlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Net:
    def __init__(self, name, opset, ir_version, producer, typed=False, inputs_too=False):
        """`typed`: values in float_data instead of raw_data; `inputs_too`: initializers are also inputs (IR version 3)."""
        self.name, self.opset, self.ir_version, self.producer = name, opset, ir_version, producer
        self.typed, self.inputs_too = typed, inputs_too
        self.nodes, self.weights, self.inputs, self.outputs, self.count = [], [], [], [], 0

    def input(self, name, shape, kind=FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, shape, kind=FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def tensor(self, name, array):
        array = np.asarray(array, order="C")
        if self.typed:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            return helper.make_tensor(name, kind, array.shape, array.flatten())
        return numpy_helper.from_array(array, name)

    def weight(self, name, array):
        tensor = self.tensor(name, array)
        self.weights.append(tensor)
        if self.inputs_too:
            self.inputs.append(helper.make_tensor_value_info(name, tensor.data_type, array.shape))
        return name

    def random(self, name, *shape, scale=None):
        """Normal values seeded by the name, scaled for a reduction over all axes but the first."""
        scale = scale or 1 / np.sqrt(max(1, np.prod(shape[1:])))
        values = np.random.default_rng(zlib.crc32(name.encode())).normal(0, scale, shape)
        return self.weight(name, values.astype(np.float32))

    def ints(self, name, values):
        return self.weight(name, np.asarray(values, np.int64))

    def norm(self, name, channels):
        """The four parameters of a batch norm: scale and variance positive, as training leaves them."""
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        values = rng.uniform(0.5, 1.5, channels), rng.normal(0, 0.2, channels), rng.normal(0, 0.2, channels), rng.uniform(0.5, 1.5, channels)
        return [self.weight(f"{name}{suffix}", v.astype(np.float32))
                for suffix, v in zip(("/gamma", "/beta", "/moving_mean", "/moving_variance"), values)]

    def op(self, kind, *inputs, out=None, outputs=1, name="", **attributes):
        self.count += 1
        outs = out if isinstance(out, list) else [out] if out else [f"t{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), outs, name=name, **attributes))
        return outs[0] if len(outs) == 1 else outs

    def constant(self, array, out=None, name=""):
        """A Constant node, as tracing exporters write them."""
        return self.op("Constant", out=out, name=name, value=self.tensor("", np.asarray(array)))

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=self.ir_version,
                                 producer_name=self.producer)
