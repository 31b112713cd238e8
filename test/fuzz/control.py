"""Random programs of If, Loop and Scan in each other, on cells [4, 8] and a sequence of them.

Conditions are inputs or computed, numbers of steps are constants, an input, or end with a condition; bodies read values around them."""
import numpy as np
from onnx import TensorProto, helper

from graphs import Graph, Value

CELL = (4, 8)
DEPTH = 3


class Body(Graph):
    """A graph inside of another one: values are drawn from all around, names are those of the whole."""

    def __init__(self, outer):
        self.choice, self.numbers, self.outer = outer.choice, outer.numbers, outer
        self.nodes, self.constants, self.inputs, self.values, self.feeds = [], outer.constants, [], list(outer.values), {}
        self.depth, self.counter = outer.depth + 1, outer.counter

    def name(self, stem):
        self.counter[0] += 1
        return f"{stem}_{self.counter[0]}"

    def argument(self, shape, dtype=TensorProto.FLOAT):
        value = Value(self.name("a"), shape)
        self.inputs.append(helper.make_tensor_value_info(value.name, dtype, shape))
        return value

    def graph(self, outputs, types=None):
        """Outputs that come from outside, or twice, are passed on by Identity."""
        own = {o for n in self.nodes for o in n.output} | {i.name for i in self.inputs}
        names, seen = [], set()
        for value in outputs:
            if value.name not in own or value.name in seen or value.name in {i.name for i in self.inputs}:
                value = self.op("Identity", [value], value.shape)
            seen.add(value.name)
            names.append(value.name)
        types = types or [TensorProto.FLOAT] * len(names)  # ONNX Runtime wants the shapes of what a Scan collects
        infos = [helper.make_tensor_value_info(n, t, CELL if t == TensorProto.FLOAT else ()) for n, t in zip(names, types)]
        return helper.make_graph(self.nodes, self.name("g"), self.inputs, infos)


class Program(Body):
    def __init__(self, seed):
        Graph.__init__(self, seed)
        self.depth, self.counter = 0, [0]


def some(g):
    return g.choice.choice(g.values[-4:] if g.choice.random() < .6 else g.values)


def elementwise(g):
    x = some(g)
    kind = g.choice.choice(["Tanh", "Sigmoid", "Relu", "Add", "Mul", "Sub", "Max", "Scale"])
    if kind == "Scale":
        return g.op("Mul", [x, g.normal(CELL[1])], CELL)
    return g.op(kind, [x] if kind in ("Tanh", "Sigmoid", "Relu") else [x, some(g)], CELL)


def product(g):
    y = g.op("MatMul", [some(g), g.normal((CELL[1], CELL[1]), CELL[1] ** -.5)], CELL)
    return g.op("Add", [y, g.normal(CELL[1], .1)], CELL) if g.choice.random() < .5 else y


def condition(g):
    if g.choice.random() < .4:
        return Value("flag", ())
    mean = g.op("ReduceMean", [some(g)], (), keepdims=0)
    return g.op(g.choice.choice(["Greater", "Less"]), [mean, np.float32(g.choice.uniform(-.3, .3))], ())


def branch(g):
    if g.depth >= DEPTH:
        return None
    count, bodies, test = g.choice.choice([1, 1, 2]), [], condition(g)
    for _ in range(2):
        body = Body(g)
        run(body, g.choice.randint(0, 3))
        bodies.append(body.graph([some(body) for _ in range(count)]))
    names = [g.name("i") for _ in range(count)]
    g.nodes.append(helper.make_node("If", [test.name], names, name=g.name("If"), then_branch=bodies[0], else_branch=bodies[1]))
    g.values += [Value(n, CELL) for n in names[1:]]
    return Value(names[0], CELL)


def states_of(g, body, count):
    before = [some(g) for _ in range(count)]
    inside = [body.argument(CELL) for _ in before]
    body.values += inside
    return before, inside


def next_states(body, count):
    """Bounded, so that many steps stay finite; sometimes an old state that goes to another place."""
    return [body.op("Tanh", [some(body)], CELL) if body.choice.random() < .8 else body.values[-body.choice.randint(1, 3)] for _ in range(count)]


def loop(g):
    if g.depth >= DEPTH:
        return None
    body, count, kind = Body(g), g.choice.choice([1, 1, 2]), g.choice.choice(["constant", "input", "condition", "many"])
    body.argument((), TensorProto.INT64)
    body.argument((), TensorProto.BOOL)
    step, on = (i.name for i in body.inputs)
    before, _ = states_of(g, body, count)
    if g.choice.random() < .4:
        number = body.op("Cast", [Value(step, ())], (), to=TensorProto.FLOAT)
        body.values.append(body.op("Sin", [body.op("Add", [some(body), number], CELL)], CELL))
    run(body, g.choice.randint(1, 3))
    after = next_states(body, count)
    goes = Value(on, ())
    if kind == "condition":
        size = body.op("ReduceMean", [body.op("Abs", [after[0]], CELL)], (), keepdims=0)
        goes = body.op("Less", [size, np.float32(g.choice.uniform(.2, .8))], ())
    steps = {"constant": g.choice.randint(1, 5), "many": g.choice.randint(60, 150), "condition": g.choice.choice([7, 200]), "input": None}[kind]
    most = Value("steps", ()) if steps is None else g.const(np.array(steps))
    collects = kind in ("constant", "many") and g.choice.random() < .5
    results = [goes, *after] + ([some(body)] if collects else [])
    graph = body.graph(results, [TensorProto.BOOL] + [TensorProto.FLOAT] * (len(results) - 1))
    names = [g.name("l") for _ in results[1:]]
    g.nodes.append(helper.make_node("Loop", [most.name, g.const(np.array(True)).name] + [s.name for s in before], names, name=g.name("Loop"), body=graph))
    if collects:
        g.values.append(g.op("ReduceMean", [Value(names[-1], (steps, *CELL))], CELL, axes=[0], keepdims=0))
    g.values += [Value(n, CELL) for n in names[1:count]]
    return Value(names[0], CELL)


def scan(g):
    if g.depth >= DEPTH:
        return None
    body, count = Body(g), g.choice.choice([0, 1, 2])
    before, _ = states_of(g, body, count)
    sequences = g.choice.choice([1, 1, 2])
    body.values += [body.argument(CELL) for _ in range(sequences)]
    run(body, g.choice.randint(1, 4))
    after = next_states(body, count)
    collected = [some(body) for _ in range(g.choice.choice([1, 2]))]
    graph = body.graph(after + collected)
    names = [g.name("s") for _ in after + collected]
    directions = [g.choice.randint(0, 1) for _ in range(sequences)], [g.choice.randint(0, 1) for _ in collected]
    g.nodes.append(helper.make_node("Scan", [s.name for s in before] + ["x"] * sequences, names, name=g.name("Scan"), body=graph,
                                    num_scan_inputs=sequences, scan_input_directions=directions[0], scan_output_directions=directions[1]))
    for name in names[count:]:
        weighted = g.op("Mul", [Value(name, CELL), Value("x", CELL)], CELL)  # as long as x
        g.values.append(g.op("ReduceMean", [weighted], CELL, axes=[0], keepdims=0))
    g.values += [Value(n, CELL) for n in names[:count]]
    return g.values.pop()


STEPS = [elementwise] * 4 + [product] * 2 + [branch] * 2 + [loop] * 2 + [scan]


def run(g, count):
    for _ in range(count):
        y = g.choice.choice(STEPS)(g)
        if y is not None:
            g.values.append(y)


def build(seed, dynamic=False):
    """(model, feeds, feeds of other runs): the length is open where `dynamic`."""
    g = Program(seed)
    length = g.choice.choice([1, 3, 20, 70])
    g.inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n" if dynamic else length, *CELL]))
    g.inputs.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    g.inputs.append(helper.make_tensor_value_info("steps", TensorProto.INT64, []))
    g.values += [g.op("ReduceMean", [Value("x", (length, *CELL))], CELL, axes=[0], keepdims=0), g.const(g.normal(CELL))]
    run(g, g.choice.randint(4, 9))
    tail = g.values[-3:]
    y = g.op("Concat", tail, (len(tail) * CELL[0], CELL[1]), axis=0)
    runs = []
    for other in range(2):
        size = length if not (dynamic and other) else g.choice.choice([1, 5, 33])
        runs.append({"x": g.normal((size, *CELL)), "flag": np.array(bool((seed + other) % 2)), "steps": np.array(g.choice.choice([0, 1, 4, 90]))})
    return g.model([y]), runs[0], runs[1:]
