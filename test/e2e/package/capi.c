/* Compiles a model with the C API: capi MODEL.onnx FOLDER. */
#include "tern-c/compile.h"
#include <stdio.h>

int main(int argc, char **argv) {
  char options[1000], *out = NULL, *error = NULL;
  if (argc != 3)
    return 2;
  snprintf(options, sizeof options, "{\"model\": \"%s\", \"out\": \"%s\", \"scheme\": \"w8a8\"}", argv[1], argv[2]);
  int code = tern_compile(options, NULL, NULL, &out, &error);
  printf("%s\n", code ? error : out);
  tern_string_free(out);
  tern_string_free(error);
  return code;
}
