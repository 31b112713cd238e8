"""The node tests that are refused, and why. (regular expression for the whole name, reason); the first match counts.

A refused test passes when compiling it ends in a diagnostic, and fails when it compiles after all: no entry goes stale.
"""

REFUSALS = [
    # Values that are not tensors, or no numbers.
    (r"identity_sequence|identity_opt|if_opt|if_seq|loop13_seq|loop16_seq_none|optional_.*|sequence_(insert|map)_.*|split_to_sequence_.*",
     "sequences and optionals are not tensors"),
    (r"equal_string.*|string_.*|strnormalizer_.*|regex_full_match_.*|tfidfvectorizer_.*", "strings"),
    (r"image_decoder_.*", "compressed pictures"),
    (r"ai_onnx_ml_label_encoder_.*|ai_onnx_ml_tree_ensemble_set_membership", "tables of strings, and trees that ask for membership in a set"),
    # Shapes that depend on data.
    (r"nonmaxsuppression_.*|nonzero_example|unique_.*", "the shape of the result depends on data"),
    # Training, random numbers.
    (r"(adam|adagrad|momentum|nesterov_momentum).*", "optimizers"),
    (r"training_dropout(?!_zero_ratio).*|bernoulli.*", "random numbers"),
    # Floats of 8 bits.
    (r"bitcast_.*float.*", "the bits of a float"),
    # Forms of known operators.
    (r"resize_tf_crop_and_resize.*", "Resize with a region of interest"),
    (r"not_[234]d", "version 1 of the operators"),
    # Operators without a rule.
    (r"(basic_)?deform_conv_.*|det_.*|flexattention(?!.*expanded).*|roialign_.*", "the operator"),
]

# Tests whose expected values come from another reading of the specification; ONNX Runtime's values are expected instead.
OTHER_EXPECTED = {
    "resize_downsample_scales_linear_align_corners": "the expected values align the corners of a size that is not rounded down",
    "resize_downsample_scales_cubic_align_corners": "the same",
}

# Absolute tolerances of tests whose own values carry that much rounding.
TOLERANCES = {
    "dft_inverse": 1e-6,                                # sums of f32 that cancel
    "dft_inverse_opset19": 1e-6,
    "attention_4d_causal_fp16_expanded": 1e-3,          # one unit of f16; the expected values round between the operators
}
