"""The lit test format; a module of its own because lit sends it to its workers by name."""
import os

import lit.formats


class TernTest(lit.formats.ShTest):
    """A shell test in which `%onnx` is the binary model that convert_models.py made of this .onnxtxt file."""

    def execute(self, test, lit_config):
        name = os.path.splitext("/".join(test.path_in_suite))[0]
        binary = os.path.join(test.config.tern_build_dir, "test", "models", name + ".onnx")
        own = test.config.substitutions
        test.config.substitutions = [("%onnx", binary), *own]
        try:
            return super().execute(test, lit_config)
        finally:
            test.config.substitutions = own
