// Every mistake in options and plans is one error that names what is near.
// RUN: split-file %s %t
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=scheme=w3a8 2>&1 | FileCheck %s --check-prefix=SCHEME
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=scheme=w4a8:48 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=override=fc 2>&1 | FileCheck %s --check-prefix=OVERRIDE
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=override=fcc=float 2>&1 | FileCheck %s --check-prefix=NEAR
// RUN: not quant-opt %S/Inputs/net.mlir '--nn-plan=exclude=c[' 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/none.json 2>&1 | FileCheck %s --check-prefix=NOFILE
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/text.json 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/name.json 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/row.json 2>&1 | FileCheck %s --check-prefix=ROW
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/format.json 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t/tensor.json 2>&1 | FileCheck %s --check-prefix=TENSOR
// RUN: not quant-opt %S/Inputs/net.mlir '--nn-plan=plan=%t/model.json sha256=5678' 2>&1 | FileCheck %s --check-prefix=MODEL

// SCHEME: error: unknown scheme 'w3a8'; allowed are float, w8a8, w4a8, w4a16, w8a16
// GROUP: error: scheme 'w4a8:48': groups are 32, 64 or 128 input channels, or 'channel'
// OVERRIDE: error: override 'fc' is not of the form RE=SCHEME
// NEAR: error: --override 'fcc' matches no op that can be quantized; near names: 'fc', 'c1'
// REGEX: error: --exclude 'c[' is not a regular expression
// NOFILE: error: {{.*}}none.json: No such file or directory
// TEXT: error: {{.*}}text.json: is not JSON
// NAME: error: the plan names 'fcs', which is no op of this model that can be quantized; did you mean 'fc'?
// ROW: error: the plan gives 'fc' the kernel row 'cpu.gemm.u8s9', which does not exist; did you mean 'cpu.gemm.u8s{{[248]}}'?
// FORMAT: error: {{.*}}format.json: ops[0] 'w': 
// TENSOR: error: the plan has no scale for the tensor 'relu1', which 'fc' reads as codes; add it to "tensors"
// MODEL: error: the plan was made for another model (sha256 1234..., this one has 5678...)

//--- text.json
not a plan
//--- name.json
{"tern_plan": 1, "ops": [{"name": "fcs"}]}
//--- row.json
{"tern_plan": 1, "ops": [{"name": "fc", "w": "<si8, scale<f32, [1, *]>>", "w_encode": "<absmax, -127 to 127>", "method": "rtn", "kernels": [{"row": "cpu.gemm.u8s9"}]}]}
//--- format.json
{"tern_plan": 1, "ops": [{"name": "fc", "w": "<si8, scale<f33, [1, *]>>"}]}
//--- tensor.json
{"tern_plan": 1, "ops": [{"name": "fc", "x": "<ui8, scale<f32>, zero<ui8>>", "x_static": true, "w": "<si8, scale<f32, [1, *]>>", "w_encode": "<absmax, -127 to 127>", "method": "rtn"}], "tensors": []}
//--- model.json
{"tern_plan": 1, "model": {"sha256": "1234"}, "ops": []}
