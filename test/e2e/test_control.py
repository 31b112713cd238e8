"""If, Loop and Scan as programs, against ONNX Runtime; which kernels ran is read from a trace."""
import pathlib
import tempfile
import unittest

import numpy as np
import onnx
import programs


def weights(rng, *shape):
    return (rng.normal(0, 1, shape) / np.sqrt(shape[-1])).astype(np.float32)


class Control(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rng = np.random.default_rng(7)

    def model(self, text, **constants):
        """A model in ONNX's text format, with initializers of these names."""
        model = onnx.parser.parse_model(text)
        for name, value in constants.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        onnx.checker.check_model(model)
        path = self.folder / "model.onnx"
        onnx.save(model, path)
        return path

    def compile(self, path, scheme="float", **options):
        folder = self.folder / f"{len(list(self.folder.iterdir()))}.tern"  # a library is loaded once under a name
        programs.tern.compile(path, scheme, options.pop("calib", None), folder, force=True, **options).close()
        return folder

    def agree(self, path, feeds, tolerance=1e-5, folder=None, **options):
        """Every output of every run is that of ONNX Runtime, on all instruction sets."""
        folder = folder or self.compile(path, **options)
        ort = programs.ort_runner(path)
        if not options:
            reference = programs.tern.Reference(path)
            for got, want in zip(reference.run(feeds[0]).values(), ort(feeds[0]), strict=True):
                self.assertLessEqual(programs.relative_error(got, want), 1e-5)
        for isa in ["portable", "avx2", None]:
            run = programs.runner(folder, isa=isa)
            for feed in feeds:
                for got, want in zip(run(feed), ort(feed), strict=True):
                    self.assertEqual(got.shape, want.shape)
                    if got.dtype == np.float32:
                        self.assertLessEqual(programs.relative_error(got, want), tolerance)
                    else:
                        np.testing.assert_array_equal(got, want)
        return folder

    def ran(self, folder, feed):
        """Names of the kernels that ran."""
        return set(programs.tern.load(folder).trace(feed))


class Branches(Control):
    NESTED = """<ir_version: 8, opset_import: ["" : 17]>
    nested (float[1,8,12,12] x, float[1] limit) => (float[1,8,12,12] y, float[1,8] z) {
      early = Relu(x)
      sum = ReduceMean<keepdims = 0>(x)
      large = Greater(sum, limit)
      y = If(large) <
        then_branch = yes () => (float[1,8,12,12] a) {
          t = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, w1)
          u = Tanh(t)
          m = ReduceMax<keepdims = 0>(u)
          half = Constant<value_float = 0.5>()
          deep = Greater(m, half)
          a = If(deep) <
            then_branch = inner_yes () => (float[1,8,12,12] b) { b = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(u, w2) },
            else_branch = inner_no () => (float[1,8,12,12] b) { b = Add(u, early) }>
        },
        else_branch = no () => (float[1,8,12,12] a) { a = Conv<kernel_shape = [1, 1]>(early, w3) }>
      p = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(y, w2)
      z = ReduceMean<axes = [2, 3], keepdims = 0>(p)
    }"""

    def nested(self):
        return self.model(self.NESTED, w1=weights(self.rng, 8, 8, 3, 3) / 3, w2=weights(self.rng, 8, 8, 3, 3) / 3, w3=weights(self.rng, 8, 8, 1, 1))

    def feeds(self):
        x = self.rng.normal(0, 1, (1, 8, 12, 12)).astype(np.float32)
        return [{"x": x * scale, "limit": np.array([limit], np.float32)} for scale, limit in [(1, -9), (0.01, -9), (1, 9)]]

    def test_only_the_taken_branch_runs(self):
        path, feeds = self.nested(), self.feeds()
        folder = self.agree(path, feeds)
        ran = [self.ran(folder, feed) for feed in feeds]
        of = lambda part: {name for name in set.union(*ran) if name.startswith(part)}
        outer, inner = ("If_3/then/", "If_3/else/"), ("If_3/then/If_5/then/", "If_3/then/If_5/else/")
        for part in outer + inner:
            self.assertTrue(of(part))
        self.assertFalse(ran[0] & (of(outer[1]) | of(inner[1])))
        self.assertFalse(ran[1] & (of(outer[1]) | of(inner[0])))
        self.assertFalse(ran[2] & of(outer[0]))

    def test_quantized(self):
        path, feeds = self.nested(), self.feeds()
        calib = {name: np.concatenate([feed[name].reshape(1, *feed[name].shape[1:]) for feed in feeds]) for name in feeds[0]}
        for scheme, data in [("w8a8", None), ("w8a8", calib), ("w4a16", None)]:
            # One static range serves all runs: small values have few codes.
            self.agree(path, feeds[::2] if data else feeds, tolerance=0.15, scheme=scheme, calib=data)

    def test_what_the_other_branch_may_not_do(self):
        """It divides by 0 and reads outside of a table: only the branch that is taken may."""
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        traps (int64[4] n, int64[3] i, float[5] table) => (int64[4] q, float[3] r) {
          zero = Constant<value_int = 0>()
          low = ReduceProd<keepdims = 0>(n)
          isBad = Equal(low, zero)
          hundred = Constant<value_int = 100>()
          q = If(isBad) <
            then_branch = yes () => (int64[4] a) { a = Neg(n) },
            else_branch = no () => (int64[4] a) { d = Div(hundred, n)  a = Add(d, n) }>
          five = Constant<value_int = 5>()
          high = ReduceMax<keepdims = 0>(i)
          isInside = Less(high, five)
          r = If(isInside) <
            then_branch = take () => (float[3] a) { g = Gather(table, i)  a = Exp(g) },
            else_branch = leave () => (float[3] a) { a = Cast<to = 1>(i) }>
        }""")
        table = np.arange(5, dtype=np.float32)
        feeds = [{"n": np.array(n), "i": np.array(i), "table": table} for n in ([1, 2, 3, 4], [1, 0, 3, -4]) for i in ([0, 4, 2], [0, 1 << 40, 2])]
        self.agree(path, feeds)

    def test_sizes_are_open(self):
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        rows (float[n,16] x, bool on) => (float[n,16] y) {
          y = If(on) <
            then_branch = yes () => (float[n,16] a) { t = MatMul(x, w)  a = Relu(t) },
            else_branch = no () => (float[n,16] a) { a = Softmax(x) }>
        }""", w=weights(self.rng, 16, 16))
        feeds = [{"x": weights(self.rng, n, 16), "on": np.array(on)} for n in (1, 7, 40) for on in (True, False)]
        self.agree(path, feeds, dims={"n": "1..64"})

    def test_a_dimension_that_is_dropped_when_it_is_1(self):
        """As exporters write squeeze: the layer behind it takes one frame, so that is what lengths may give; the state follows the batch."""
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        frames (float[n,4,s] x, float[1,k,8] h) => (float[1,n,8] y) {
          pooled = AveragePool<kernel_shape = [16], strides = [16]>(x)
          two = Constant<value_int = 2>()
          one = Constant<value_int = 1>()
          last = Constant<value_ints = [2]>()
          first = Constant<value_ints = [0]>()
          shape = Shape(pooled)
          count = Gather(shape, two)
          isOne = Equal(count, one)
          frame = If(isOne) <
            then_branch = yes () => (a) { a = Squeeze(pooled, last) },
            else_branch = no () => (b) { b = Identity(pooled) }>
          step = Unsqueeze(frame, first)
          all, y = GRU<hidden_size = 8>(step, w, r, , , h)
        }""", w=weights(self.rng, 1, 24, 4), r=weights(self.rng, 1, 24, 8))
        feeds = [{"x": self.rng.normal(0, 1, (n, 4, s)).astype(np.float32), "h": weights(self.rng, 1, n, 8)} for n, s in ((1, 16), (3, 20), (8, 31))]
        folder = self.agree(path, feeds, dims={"n": "1..8", "k": "1..8", "s": "1..100"})
        with self.assertRaisesRegex(programs.tern.Error, "'s' is 32; model .* takes 16 to 31"):
            programs.tern.load(folder).run({"x": np.zeros((1, 4, 32), np.float32), "h": np.zeros((1, 1, 8), np.float32)})

    def test_a_recurrent_layer_in_a_branch(self):
        """Three results of one kernel, of which one goes on through a reshape."""
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        rnn (float[6,2,4] x, float[1,2,8] h, bool on) => (float[6,2,8] y, float[1,2,8] last) {
          y, last = If(on) <
            then_branch = yes () => (float[6,2,8] a, float[1,2,8] b) {
              all, b, c = LSTM<hidden_size = 8>(x, w, r, , , h, h)
              one = Constant<value_ints = [1]>()
              a = Squeeze(all, one)
            },
            else_branch = no () => (float[6,2,8] a, float[1,2,8] b) {
              two = Constant<value_ints = [1, 1, 2]>()
              a = Tile(x, two)
              b = Identity(h)
            }>
        }""", w=weights(self.rng, 1, 32, 4), r=weights(self.rng, 1, 32, 8))
        feeds = [{"x": weights(self.rng, 6, 2, 4), "h": weights(self.rng, 1, 2, 8), "on": np.array(on)} for on in (True, False)]
        self.agree(path, feeds)


CELL = """
          gx = MatMul({x}, wx)
          gh = MatMul({h}, wh)
          gs = Add(gx, gh)
          g = Add(gs, b)
          gi, gf, gc, go = Split<axis = 1>(g, quarters)
          i = Sigmoid(gi)
          f = Sigmoid(gf)
          t = Tanh(gc)
          o = Sigmoid(go)
          kept = Mul(f, {c})
          new = Mul(i, t)
          c_next = Add(kept, new)
          c_out = Tanh(c_next)
          h_next = Mul(o, c_out)"""


class Loops(Control):
    def cell(self, inputs=6, hidden=16):
        return {"wx": weights(self.rng, inputs, 4 * hidden), "wh": weights(self.rng, hidden, 4 * hidden), "b": weights(self.rng, 4 * hidden),
                "quarters": np.full(4, hidden)}

    def lstm(self, steps):
        """A recurrent layer as a Scan over a sequence [steps, 2, 6]."""
        return self.model("""<ir_version: 8, opset_import: ["" : 17]>
        lstm (float[STEPS,2,6] x, float[2,16] h0, float[2,16] c0) => (float[2,16] h, float[2,16] c, float[STEPS,2,16] all) {
          h, c, all = Scan<num_scan_inputs = 1, body = cell (float[2,16] hs, float[2,16] cs, float[2,6] xs)
              => (float[2,16] h_next, float[2,16] c_next, float[2,16] h_out) {""".replace("STEPS", str(steps)) +
                          CELL.format(x="xs", h="hs", c="cs") + """
            h_out = Identity(h_next)
          }>(h0, c0, x)
        }""", **self.cell())

    def lstm_feed(self, steps):
        return {"x": self.rng.normal(0, 1, (steps, 2, 6)).astype(np.float32), "h0": weights(self.rng, 2, 16), "c0": weights(self.rng, 2, 16)}

    def test_a_layer_as_scan(self):
        path, feeds = self.lstm(40), [self.lstm_feed(40) for _ in range(3)]
        folder = self.agree(path, feeds)
        steps = programs.tern.load(folder).steps
        self.assertLess(len(steps), 20)  # the cell is in the program once

    def test_a_layer_of_any_length(self):
        path = self.lstm("n")
        self.agree(path, [self.lstm_feed(n) for n in (1, 2, 33, 100)], dims={"n": "1..100"})

    def test_quantized(self):
        """Weights in the body are quantized; ranges are those of all steps."""
        path, feeds = self.lstm(40), [self.lstm_feed(40) for _ in range(3)]
        # A sample is a whole run here: the borders have no batch in front.
        for scheme in ("w8a8", "w4a16"):
            folder = self.agree(path, feeds, tolerance=0.15 if scheme == "w4a16" else 0.05, scheme=scheme)
            plan = programs.tern.load(folder).plan
            self.assertTrue(plan and all(op["w"] for op in plan.values()))

    def test_calibrated(self):
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,30,6] x) => (float[1,3] y) {
          s = Transpose<perm = [1, 0, 2]>(x)
          zero = Constant<value_float = 0.0>()
          shape = Constant<value_ints = [1, 16]>()
          h0 = Expand(zero, shape)
          h, c = Scan<num_scan_inputs = 1, body = cell (float[1,16] hs, float[1,16] cs, float[1,6] xs) => (float[1,16] h_next, float[1,16] c_next) {""" +
                          CELL.format(x="xs", h="hs", c="cs") + """
          }>(h0, h0, s)
          y = MatMul(h, wy)
        }""", wy=weights(self.rng, 16, 3), **self.cell())
        data = self.rng.normal(0, 1, (16, 30, 6)).astype(np.float32)
        self.agree(path, [{"x": data[i:i + 1]} for i in range(4)], tolerance=0.1, scheme="w8a8", calib={"x": data})

    def test_while_loop_of_tf2onnx(self):
        """A counter and a condition on it, reads by Gather, an array that is collected: the number of steps is known all the same."""
        path = self.model("""<ir_version: 8, opset_import: ["" : 13]>
        net (float[n,2,6] x, float[2,16] h0) => (float[2,16] h, float[n,2,16] all, int32 last) {
          shape = Shape(x)
          length = Gather(shape, zero)
          limit = Cast<to = 6>(length)
          start = Constant<value = int32 {0}>()
          one = Constant<value = int32 {1}>()
          most = Constant<value_int = 9223372036854775807>()
          inRange = Less(start, limit)
          on = And(inRange, inRange)
          last, h, c, all = Loop(most, on, start, h0, h0) <body = step (int64 k, bool cond, int32 time, float[2,16] hs, float[2,16] cs)
              => (bool goes, int32 next_time, float[2,16] h_next, float[2,16] c_next, float[2,16] h_out) {
            xs = Gather<axis = 0>(x, time)""" + CELL.format(x="xs", h="hs", c="cs") + """
            h_out = Identity(h_next)
            next_time = Add(time, one)
            a = Less(next_time, limit)
            goes = And(a, a)
          }>
        }""", zero=np.array(0), **self.cell())
        feeds = [{"x": self.rng.normal(0, 1, (n, 2, 6)).astype(np.float32), "h0": weights(self.rng, 2, 16)} for n in (50, 50)]
        self.agree(path, feeds, dims={"n": 50})
        feeds = [{"x": self.rng.normal(0, 1, (n, 2, 6)).astype(np.float32), "h0": weights(self.rng, 2, 16)} for n in (1, 3, 50)]
        self.agree(path, feeds, dims={"n": "1..64"})

    def test_steps_are_data(self):
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        power (float[4] x, int64 n, float limit) => (float[4] y, float[4] z, int64 count) {
          true = Constant<value = bool {1}>()
          one = Constant<value_int = 1>()
          none = Constant<value_int = 0>()
          none_f = Constant<value_float = 0.0>()
          y = Loop(n, true, x) <body = b1 (int64 i, bool c, float[4] s) => (bool d, float[4] t) { d = Identity(c)  k = Cast<to = 1>(i)  m = Sin(s)  t = Add(m, k) }>
          z, count = Loop( , true, x, none) <body = b2 (int64 i, bool c, float[4] s, int64 m) => (bool d, float[4] t, int64 next) {
            t = Add(s, s)
            next = Add(m, one)
            sum = ReduceL1<keepdims = 0>(t)
            d = Less(sum, limit)
          }>
        }""")
        feeds = [{"x": weights(self.rng, 4), "n": np.array(n), "limit": np.array(limit, np.float32)} for n, limit in [(0, 0), (1, 10), (7, 1e6), (300, 3)]]
        self.agree(path, feeds, tolerance=1e-4)

    def test_loops_and_branches_in_each_other(self):
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        nest (float[30,8] x, float[8] s0, bool on) => (float[8] y, float[30,8] all) {
          y, all = Scan<num_scan_inputs = 1, body = outer (float[8] s, float[8] e) => (float[8] next, float[8] out) {
            sum = ReduceSum<keepdims = 0>(e)
            zero = Constant<value_float = 0.0>()
            up = Greater(sum, zero)
            out = If(up) <
              then_branch = yes () => (float[8] a) { q = Mul(e, scale)  a = Add(q, s) },
              else_branch = no () => (float[8] a) {
                count = Constant<value_int = 100>()
                true = Constant<value = bool {1}>()
                a = Loop(count, true, s) <body = inner (int64 i, bool c, float[8] v) => (bool d, float[8] w) {
                  d = Identity(c)
                  h = Mul(v, scale)
                  p = Add(h, e)
                  w = Tanh(p)
                }>
              }>
            next = If(on) < then_branch = copy () => (float[8] a) { a = Tanh(out) }, else_branch = keep () => (float[8] a) { a = Identity(s) }>
          }>(s0, x)
        }""", scale=weights(self.rng, 8))
        feeds = [{"x": self.rng.normal(0, 1, (30, 8)).astype(np.float32), "s0": weights(self.rng, 8), "on": np.array(on)} for on in (True, False)]
        self.agree(path, feeds, tolerance=1e-4)

    def test_axes_directions_and_exchange(self):
        """Sequences along any axis and backwards, states that change places, elements that are states and inputs."""
        path = self.model("""<ir_version: 8, opset_import: ["" : 17]>
        scan (float[3,70] x, float[70,2,3] z, float[3] a0, float[3] b0) => (float[3] a, float[3] b, float[3,70] u, float[70,3] v, float[2,70,3] w) {
          a, b, u, v, w = Scan<num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0],
              scan_output_axes = [1, 0, -2], scan_output_directions = [0, 1, 1],
              body = step (float[3] p, float[3] q, float[3] e, float[2,3] m) => (float[3] q2, float[3] p2, float[3] e2, float[3] old, float[2,3] m2) {
            q2 = Identity(q)
            t = Add(p, e)
            p2 = Sin(t)
            e2 = Identity(e)
            old = Identity(p)
            m2 = Add(m, p)
          }>(a0, b0, x, z)
        }""")
        feeds = [{"x": weights(self.rng, 3, 70), "z": weights(self.rng, 70, 2, 3), "a0": weights(self.rng, 3), "b0": weights(self.rng, 3)} for _ in range(2)]
        self.agree(path, feeds)


if __name__ == "__main__":
    unittest.main()
