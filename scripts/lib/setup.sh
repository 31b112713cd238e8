# Sourced by scripts/demo and scripts/test, from the top folder: packages, Python environment, configuration, build.
# Every step looks first and does nothing when all is there. Messages go to standard error, one sentence when a step fails.
export CCACHE_SLOPPINESS=pch_defines,time_macros   # without it ccache never hits with a precompiled header
export PATH="$PATH:/usr/sbin:/sbin"                # dpkg needs ldconfig, which su leaves out

tern_say() { echo "[setup] $*" >&2; }
tern_fail() { echo "$0: $*" >&2; exit 1; }

# The packages of scripts/packages.txt that are not installed.
tern_missing_packages() {
  local package
  for package in $(grep -v '^#' scripts/packages.txt); do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

tern_install_packages() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    tern_fail "this is not a Debian system; install what scripts/packages.txt names, then build as scripts/lib/setup.sh does."
  local missing as_root=() log=build/apt.log
  missing=$(tern_missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      tern_fail "packages are missing and you are not root; as root run: apt-get install ${missing% }"
    as_root=(sudo)
  fi
  tern_say "installing packages: ${missing% }"
  if ! { "${as_root[@]}" apt-get update -q &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } >$log 2>&1; then
    tern_fail "apt-get failed: $(grep '^E:' $log | head -n 1 || true) (all of it: $log; LLVM 22 is in Debian 12's security archive," \
      "so bookworm-security must be among the apt sources)."
  fi
}

tern_python() {
  local stamp=build/venv/requirements.txt
  cmp -s scripts/requirements.txt $stamp && return 0
  tern_say "Python packages into build/venv"
  rm -rf build/venv
  python3 -m venv build/venv >build/pip.log 2>&1 || tern_fail "python3 -m venv build/venv failed: $(tail -n 1 build/pip.log)"
  build/venv/bin/python -m pip install --disable-pip-version-check -q --only-binary :all: -r scripts/requirements.txt >build/pip.log 2>&1 ||
    tern_fail "pip could not install scripts/requirements.txt: $(tail -n 1 build/pip.log) (all of it: build/pip.log); check the network and run again."
  cp scripts/requirements.txt $stamp
}

# Jobs by cores and by memory: a file that includes MLIR takes up to 1 GB.
tern_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1200000)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

tern_build() {
  if [ ! -f build/build.ninja ]; then
    tern_say "configuring"
    cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release -DLLVM_USE_LINKER=lld -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >build/cmake.log 2>&1 || {
      grep -A 8 'CMake Error' build/cmake.log >&2 || tail -n 8 build/cmake.log >&2
      rm -f build/build.ninja
      tern_fail "cmake failed (all of it: build/cmake.log)."
    }
  fi
  tern_say "building with $(tern_jobs) jobs"
  local quiet=(--quiet)
  if [ -t 1 ]; then quiet=(); fi
  ninja -C build -j "$(tern_jobs)" "${quiet[@]}" "$@" >&2 ||
    tern_fail "the build failed, see the first error above; when another LLVM was installed meanwhile, delete build/ and run again."
}

# tern_setup [NINJA TARGET ...]: everything that the commands need, then the build.
tern_setup() {
  local start=$SECONDS
  mkdir -p build
  tern_install_packages
  tern_python
  tern_build "$@"
  tern_say "ready after $((SECONDS - start)) s"
}
