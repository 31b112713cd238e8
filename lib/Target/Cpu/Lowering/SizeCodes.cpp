#include "lib/Target/Cpu/Lowering/SizeCodes.h"

using namespace mlir;

namespace tern::cpu {

SmallVector<SizeCode, 4> sizesOf(Value value) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  return SmallVector<SizeCode, 4>(shape.begin(), shape.end());
}

SizeCode times(SizeCode a, SizeCode b) { return a * b; }

SizeCode product(ArrayRef<SizeCode> sizes) {
  SizeCode all = 1;
  for (SizeCode size : sizes)
    all = times(all, size);
  return all;
}

int64_t asOffset(SizeCode code) { return isDynamic(code) ? dynamicOffset(slotOf(code)) : code; }

SmallVector<SizeCode, 4> plainStrides(ArrayRef<SizeCode> sizes, const Map &map) {
  SmallVector<SizeCode, 4> strides(sizes.size(), 1);
  SizeCode step = 1;
  for (size_t d = sizes.size(); d--;) {
    strides[d] = step;
    step = d + 1 == sizes.size() ? SizeCode(map.cs) : times(step, sizes[d]);
  }
  return strides;
}

} // namespace tern::cpu
