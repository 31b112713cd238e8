#include "lib/Target/Cpu/Lowering/Sizes/SizeCodes.h"

using namespace mlir;

namespace tern::cpu {

SmallVector<SizeCode, 4> sizesOf(Value value) {
  ArrayRef<SizeCode> shape = SizedType(value).getShape();
  return SmallVector<SizeCode, 4>(shape.begin(), shape.end());
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
