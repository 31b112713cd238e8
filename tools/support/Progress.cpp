//===- Progress.cpp - one line that is written again and again -------------===//
#include "tools/support/Progress.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tern::tools {

Lines::Lines(bool quiet) : quiet(quiet), terminal(sys::Process::StandardErrIsDisplayed()) {}

void Lines::clear() {
  if (shown)
    errs() << "\r\x1b[K";
  shown = false;
  lastPercent = -1;
}

void Lines::line(StringRef text) {
  if (!quiet)
    message(text);
}

void Lines::message(StringRef text) {
  clear();
  errs() << text << "\n";
}

void Lines::progress(StringRef stage, double part, double secondsLeft) {
  int percent = int(part * 100);
  if (quiet || !terminal || percent == lastPercent)
    return;
  errs() << "\r\x1b[K" << formatv("{0,-11}{1,3} %", stage, percent);
  if (secondsLeft >= 0)
    errs() << formatv("  {0:f0} s left", secondsLeft);
  errs().flush();
  shown = true;
  lastPercent = percent;
}

} // namespace tern::tools
