"""The node tests that are refused, and why. (regular expression for the whole name, reason); the first match counts.

A refused test passes when compiling it ends in a diagnostic, and fails when it compiles after all: no entry goes stale.
"""
_SMALL = r"(FLOAT8E\w+|FLOAT4E2M1|U?INT[24])"

REFUSALS = [
    # Values that are not tensors, or no numbers.
    (r"identity_sequence|identity_opt", "sequences and optionals are not tensors"),
    (r"equal_string.*", "strings"),
    # Element types without a C type: they are weights and codes inside a program, not inputs or outputs of it.
    (rf"cast(like)?_.*{_SMALL}.*", "elements below 8 bits or of 8-bit floats are no inputs or outputs of a program"),
    (r"(de)?quantizelinear_(e4m3fn|e5m2|float4e2m1|u?int[24]).*", "the same; float codes are of weights only"),
    # Training.
    (r"training_dropout_(default|mask|default_mask)|training_dropout", "Dropout in training mode draws random numbers"),
    (r"batchnorm_.*training_mode", "BatchNormalization in training mode updates its statistics"),
    # Forms of known operators.
    (r"resize_tf_crop_and_resize.*", "Resize with a region of interest"),
    (r"maxpool_with_argmax_.*", "MaxPool with its second output, the indices"),
    (r"reduce_max_(bool_inputs|empty_set_bool)", "ReduceMax of truth values"),
    (r"center_crop_pad_.*_expanded", "Pad whose pads are computed from an input"),
]

# Tests whose expected values come from another reading of the specification; ONNX Runtime's values are expected instead.
OTHER_EXPECTED = {
    "resize_downsample_scales_linear_align_corners": "the expected values align the corners of a size that is not rounded down",
    "resize_downsample_scales_cubic_align_corners": "the same",
}
