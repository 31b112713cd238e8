//===- Interrupt.cpp - nothing half-written after Ctrl-C or a crash ---------===//
#include "tools/support/Interrupt.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <csignal>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>

using namespace llvm;

namespace tern::tools {

/// <out>.tmp.<pid> of the program in the making, <temporary folder>/tern-compile-<pid>-* of calibration.
static void removeTemporaries(StringRef out) {
  std::string pid = std::to_string(sys::Process::getProcessId());
  sys::fs::remove_directories(out.rtrim('/') + ".tmp." + pid);
  SmallString<128> folder;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, folder);
  std::error_code ec;
  for (sys::fs::directory_iterator it(folder, ec), end; it != end && !ec; it.increment(ec))
    if (sys::path::filename(it->path()).starts_with("tern-compile-" + pid + "-"))
      sys::fs::remove_directories(it->path());
}

void removeTemporariesOnSignal(StringRef out) {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A thread that waits may do what a signal handler may not.
  std::thread([signals, out = out.str()] {
    int signal = 0;
    sigwait(&signals, &signal);
    removeTemporaries(out);
    _exit(128 + signal);
  }).detach();
}

int runGuarded(StringRef tool, StringRef out, function_ref<int()> work) {
  CrashRecoveryContext::Enable();
  CrashRecoveryContext guard;
  guard.DumpStackAndCleanupOnFailure = true;
  int code = 4;
  if (!guard.RunSafely([&] { code = work(); })) {
    removeTemporaries(out);
    errs() << tool
           << ": error: the compiler has crashed, which is a mistake of its own; please report it with the model and "
              "the trace above\n";
    errs().flush();
    _exit(4); // what the crash has left behind is not to be destroyed
  }
  return code;
}

void reportLimits(StringRef tool, StringRef out, StringRef advice) {
  struct Ending {
    std::string message, out;
  };
  static Ending ending;
  signal(SIGXFSZ, SIG_IGN);
  ending = {(tool + ": error: out of memory; " + advice + "\n").str(), out.str()};
  install_bad_alloc_error_handler([](void *, const char *, bool) {
    // What was asked for is not there, but a few bytes are: mostly it was a tensor of a wrong size.
    (void)!write(STDERR_FILENO, ending.message.data(), ending.message.size());
    if (!ending.out.empty())
      removeTemporaries(ending.out);
    _exit(1);
  });
}

} // namespace tern::tools
