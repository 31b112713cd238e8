#include "lib/Runtime/Runtime.h"
#include <stdarg.h>
#include <stdio.h>

int tern_fail(tern_error *error, int code, const char *format, ...) {
  if (error) {
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
  }
  return code;
}

/* strtol is not used: newer headers rename it to a symbol that older C libraries lack. */
int64_t tern_parse_number(const char *text, int64_t limit) {
  int64_t value = 0;
  if (!*text)
    return -1;
  for (; *text; text++) {
    if (*text < '0' || *text > '9')
      return -1;
    value = value * 10 + (*text - '0');
    if (value > limit)
      return -1;
  }
  return value;
}

void tern_append(char *list, size_t size, const char *item) {
  size_t length = strlen(list);
  snprintf(list + length, size - length, "%s%s", length ? ", " : "", item);
}
