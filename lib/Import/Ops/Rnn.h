// Recurrent layers for the rules of several operators.
#ifndef TERN_IMPORT_OPS_RNN_H
#define TERN_IMPORT_OPS_RNN_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// nn.rnn of a node with the inputs and attributes of LSTM, GRU and RNN, for these x, w [D, G H, I] (null: x holds the products) and r [D, G H, H];
/// `hidden` where the node does not say it. The results become those of the node.
mlir::LogicalResult importLayer(Node &n, nn::RnnKind kind, mlir::Value x, mlir::Value w, mlir::Value r, int64_t hidden, bool roundState = false);

} // namespace tern::importer
#endif
