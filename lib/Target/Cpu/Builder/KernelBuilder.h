//===- KernelBuilder.h - one kernel in scf, vector and memref -------------===//
// What every generator shares: a func.func on flat memrefs, index arithmetic that folds, loops, vector memory accesses
// and the arithmetic that becomes the intended instruction on all three instruction sets. Nothing here knows about a
// problem.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_BUILDER_KERNELBUILDER_H
#define TERN_TARGET_CPU_BUILDER_KERNELBUILDER_H

#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Problems/Problem.h"
#include "lib/Target/Cpu/Problems/TaskCount.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <optional>

namespace tern::cpu {
class KernelBuilder;

/// An element offset or a count: an SSA value (or none) plus a constant. Sums and products with constants fold;
/// everything else is emitted at the insertion point of the builder that made the value.
class Index {
public:
  Index(int64_t constant = 0) : offset(constant) {}
  Index(KernelBuilder &k, mlir::Value v) : builder(&k), variable(v) {}

  bool isConstant() const { return !variable; }
  int64_t constant() const {
    assert(isConstant() && "the index is only known at run time");
    return offset;
  }

  friend Index operator+(const Index &a, const Index &b);
  friend Index operator-(const Index &a, const Index &b);
  friend Index operator*(const Index &a, const Index &b);
  friend Index operator/(const Index &a, const Index &b); ///< both not negative
  friend Index operator%(const Index &a, const Index &b); ///< both not negative
  friend Index min(const Index &a, const Index &b);       ///< signed
  friend Index max(const Index &a, const Index &b);       ///< signed

private:
  friend class KernelBuilder;
  Index withOffset(int64_t c) const {
    Index r = *this;
    r.offset = c;
    return r;
  }
  KernelBuilder *builder = nullptr;
  mlir::Value variable;
  int64_t offset = 0;
};

/// `lanes` neighbouring elements at `offset`; with a mask only the first `count` of them exist.
struct Piece {
  int64_t offset = 0;
  int64_t lanes = 1;
  int64_t count = 1;
  mlir::Value mask;
};

using Values = llvm::SmallVector<mlir::Value>;

/// The units of work of a task, and how many tasks there are.
struct Share {
  Index lo, hi;
  TaskCount tasks;
};

class KernelBuilder {
public:
  /// Starts func.func private @name(memrefs of args..., [%sizes,] [scratch,] %task) with the features of `isa` at the end of
  /// `module`.
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name, llvm::ArrayRef<Elem> args, const Isa &isa,
                std::optional<Elem> scratch = std::nullopt, bool dynamicSizes = false);
  /// For code inside a function that is there: goes where builder() is put. Without arguments, sizes and finish().
  KernelBuilder(mlir::func::FuncOp function, const Isa &isa);
  /// Ends the function. Call once, outside of every loop.
  mlir::func::FuncOp finish();

  const Isa &target() const { return level; }
  int64_t lanes() const { return level.lanes; }
  bool hasFma() const { return level.lanes >= 8; }
  mlir::Value arg(unsigned i) { return function.getArgument(i); }
  mlir::Value scratch() { return function.getArgument(function.getNumArguments() - 2); }
  /// Floats on the stack of the task, 64-byte aligned: what a task keeps between its passes stays in the nearest cache.
  mlir::Value stack(int64_t floats);
  /// The value of a size field of the problem (Problem.h): a constant, or loaded once at the entry.
  Index extent(int64_t size);
  /// The same of a stride or an offset.
  Index offset(int64_t offset);
  // Those of Map for any sizes.
  Index rowStride(const Map &map);
  Index imageStride(const Map &map);
  Index pixels(const Map &map) { return extent(map.n) * extent(map.h) * extent(map.w); }
  Index task() { return {*this, function.getArguments().back()}; }
  mlir::OpBuilder &builder() { return b; }
  mlir::Location loc() const { return location; }

  // Types. n = 0 is the scalar.
  mlir::Type type(Elem elem, int64_t n = 0);
  mlir::Type f32Type(int64_t n = 0) { return type(Elem::F32, n); }
  mlir::Type i32Type(int64_t n = 0) { return type(Elem::I32, n); }
  static int64_t lanesOf(mlir::Value v);

  // Constants: made once, in front of everything else. n = 0 is the scalar.
  mlir::Value constant(mlir::TypedAttr value);
  mlir::Value f32(double value, int64_t n = 0);
  mlir::Value integer(int64_t value, Elem elem, int64_t n = 0);
  mlir::Value i32(int64_t value, int64_t n = 0) { return integer(value, Elem::I32, n); }
  mlir::Value zero(Elem elem, int64_t n = 0);
  mlir::Value value(const Index &i);
  /// Runs `make` in front of the first loop: for scalars that are loaded once per call. Its operands must be arguments
  /// or constants.
  mlir::Value atEntry(llvm::function_ref<mlir::Value()> make);

  // Control. A loop that is known to run once or never leaves no scf.for.
  Values loop(Index lo, Index hi, Index step, mlir::ValueRange init,
              llvm::function_ref<Values(Index, mlir::ValueRange)> body);
  void loop(Index lo, Index hi, Index step, llvm::function_ref<void(Index)> body);
  void when(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise = nullptr);
  mlir::Value less(const Index &a, const Index &b);  ///< signed, i1
  mlir::Value equal(const Index &a, const Index &b); ///< i1
  mlir::Value both(mlir::Value a, mlir::Value b);    ///< i1
  /// Units of work that a task of a kernel of `us` microseconds should do: all of them below 10 us, else tasks of about
  /// 5 us, at most 32.
  static int64_t chunkOf(int64_t units, double us, int64_t multiple = 1);
  /// Shares out a product of sizes, of which any may be dynamic. `us`: time of the kernel with nominal sizes
  /// (Problem.h). Static work becomes at most 32 tasks as chunkOf says, dynamic work any number of tasks of a few us.
  Share share(llvm::ArrayRef<int64_t> units, double us, int64_t multiple = 1);
  /// [task * chunk, min(that + chunk, total)).
  std::pair<Index, Index> taskRange(const Index &total, int64_t chunk);

  // Rows. A tail is one masked vector, or powers of two where masks cost. Where the count is only known at run time, so
  // is the number of lanes of a mask: Piece::count is then all lanes.
  /// The pieces of `count` elements in vectors of `width`: all of them, also the full ones.
  llvm::SmallVector<Piece> pieces(int64_t count, int64_t width);
  /// body(offset, piece) over `count` elements: a loop of vectors of `width`, then the tail.
  void forRow(const Index &count, int64_t width, llvm::function_ref<void(Index, const Piece &)> body);
  /// The same with values that are carried along.
  Values forRow(const Index &count, int64_t width, mlir::ValueRange init,
                llvm::function_ref<Values(Index, const Piece &, mlir::ValueRange)> body);
  mlir::Value maskOf(int64_t count, int64_t n); ///< the first `count` of n lanes
  mlir::Value maskOf(const Index &count, int64_t n);

  // Memory: element offsets into a flat memref.
  mlir::Value load(mlir::Value memref, const Index &at, int64_t n, mlir::Value mask = {});
  mlir::Value load(mlir::Value memref, const Index &at);                                 ///< scalar
  void store(mlir::Value v, mlir::Value memref, const Index &at, mlir::Value mask = {}); ///< vector or scalar
  /// The first `count` of n lanes; the others read 0 (store: stay untouched). One masked access, or powers of two
  /// without masks.
  mlir::Value loadPart(mlir::Value memref, const Index &at, int64_t n, int64_t count);
  void storePart(mlir::Value v, mlir::Value memref, const Index &at, int64_t count);
  /// i32 (or a vector of n i32, n > 0) from 4 n neighbouring bytes of an 8-bit memref.
  mlir::Value loadDwords(mlir::Value memref, const Index &at, int64_t n);

  // Lanes.
  mlir::Value broadcast(mlir::Value scalar, int64_t n);
  mlir::Value extract(mlir::Value v, int64_t lane);
  mlir::Value slice(mlir::Value v, int64_t first, int64_t n);
  mlir::Value shuffle(mlir::Value a, mlir::Value b, llvm::ArrayRef<int64_t> lanes);
  mlir::Value insert(mlir::Value part, mlir::Value into, int64_t first);
  mlir::Value concat(llvm::ArrayRef<mlir::Value> parts); ///< equal parts, a power of two of them
  mlir::Value bitcast(mlir::Value v, mlir::Type type);
  mlir::Value select(mlir::Value mask, mlir::Value a, mlir::Value b);
  /// One scalar from all lanes by halves: log2(n) steps of `combine`, no serial chain.
  mlir::Value reduce(mlir::Value v, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);
  mlir::Value reduceAdd(mlir::Value v);
  mlir::Value reduceMax(mlir::Value v);

  // Float arithmetic, scalars and vectors.
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value neg(mlir::Value a);
  mlir::Value abs(mlir::Value a);
  mlir::Value sqrt(mlir::Value a);
  mlir::Value copysign(mlir::Value magnitude, mlir::Value sign);
  /// a * b + c: one rounding where the instruction exists, two on the portable level (a call per lane would be the
  /// alternative).
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  /// a > b ? a : b, one instruction; b when one of them is NaN. fmax(bound, x) therefore keeps a NaN of x, fmax(x,
  /// bound) drops it.
  mlir::Value fmax(mlir::Value a, mlir::Value b);
  mlir::Value fmin(mlir::Value a, mlir::Value b); ///< a < b ? a : b; b when one of them is NaN
  mlir::Value roundEven(mlir::Value a);
  mlir::Value floor(mlir::Value a);
  mlir::Value ceil(mlir::Value a);
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a, mlir::Value b);

  // Integer arithmetic, any width.
  mlir::Value addi(mlir::Value a, mlir::Value b);
  mlir::Value subi(mlir::Value a, mlir::Value b);
  mlir::Value muli(mlir::Value a, mlir::Value b);
  mlir::Value andi(mlir::Value a, mlir::Value b);
  mlir::Value ori(mlir::Value a, mlir::Value b);
  mlir::Value shl(mlir::Value a, mlir::Value b);
  mlir::Value shrs(mlir::Value a, mlir::Value b); ///< arithmetic
  mlir::Value shru(mlir::Value a, mlir::Value b); ///< logical
  mlir::Value maxs(mlir::Value a, mlir::Value b);
  mlir::Value mins(mlir::Value a, mlir::Value b);
  mlir::Value maxu(mlir::Value a, mlir::Value b);

  // Conversions.
  mlir::Value zext(mlir::Value v, Elem to = Elem::I32); ///< vpmovzxbd
  mlir::Value sext(mlir::Value v, Elem to = Elem::I32);
  mlir::Value trunc(mlir::Value v, Elem to); ///< vpmovdb: keeps the low bits
  mlir::Value toF32(mlir::Value i32);
  mlir::Value halfToF32(mlir::Value f16); ///< a vector; exact
  /// i32 -> u8, saturated to 0..255 (vpmovusdb after a signed max).
  mlir::Value saturateU8(mlir::Value i32);
  /// clamp(roundeven(x) + zero, lo, hi) as i32, for bounds below 2^21; NaN gives lo. Clamps first, then rounds by
  /// adding 1.5 * 2^23, whose low bits are the integer: no rounding and no conversion instruction, also without SSE4.1.
  mlir::Value roundToInt(mlir::Value x, int64_t zero, int64_t lo, int64_t hi);

private:
  friend class Index;
  friend Index operator+(const Index &, const Index &);
  friend Index operator-(const Index &, const Index &);
  friend Index operator*(const Index &, const Index &);
  friend Index operator/(const Index &, const Index &);
  friend Index operator%(const Index &, const Index &);
  friend Index min(const Index &, const Index &);
  friend Index max(const Index &, const Index &);

  Isa level;
  mlir::Location location;
  mlir::OpBuilder b;
  mlir::func::FuncOp function;
  mlir::Operation *lastConstant = nullptr; ///< constants are appended after it
  mlir::Operation *lastEntry = nullptr;    ///< what atEntry makes is appended after it
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants;
  mlir::Value sizes; ///< the argument with the sizes, if any
  llvm::DenseMap<int64_t, mlir::Value> slots;
};

mlir::Type mlirType(mlir::MLIRContext *context, Elem elem);

} // namespace tern::cpu
#endif
