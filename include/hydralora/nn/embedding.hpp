// Token embedding. V vocabulary, d width, T tokens.
#pragma once

#include <cstdint>

#include "../backend/compose/embedding.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// Throws unless every id is in [0, vocabulary). Layers trust ids, which may be on a device: check where they come in.
inline void check_ids(MatrixView<const std::int32_t> ids, Index vocabulary) {
    for (Index i = 0; i < ids.rows; ++i)
        for (Index t = 0; t < ids.cols; ++t)
            check(ids(i, t) >= 0 && ids(i, t) < vocabulary, "Embedding: id ", ids(i, t), " at (", i, ", ", t,
                  "), expected at least 0 and below the vocabulary of ", vocabulary);
}

/// x = rows of a table. Sees the table (V, d), owns nothing.
template <Backend B>
struct Embedding {
    StoredView<B> table;  // (V, d)

    /// x (T, d) = row ids(0, t) for each token. ids (1, T) in [0, V); see check_ids.
    void forward(B& be, ViewOf<B, const std::int32_t> ids, View<B> x) const {
        check_shapes("x", ids.shape(), x.shape());
        ops::gather(be, table, ids, x);
    }

    /// dtable (V, d) += the rows of dx (T, d) by id, token after token straight into the table's row: a batch cut in
    /// two gives the bits of the whole wherever it is cut. An empty dtable: not wanted.
    void backward(B& be, ViewOf<B, const std::int32_t> ids, ConstView<B> dx, ParamView<B> dtable) const {
        if (dtable.empty()) return;
        check_shapes("dx", ids.shape(), dx.shape());
        check(dtable.shape() == table.shape(), "Embedding: dtable is (", dtable.rows, ", ", dtable.cols,
              "), expected (", table.rows, ", ", table.cols, ") or empty");
        ops::scatter_add(be, ids, dx, dtable);
    }

private:
    void check_shapes(const char* name, Shape ids, Shape x) const {
        check(ids.rows == 1 || ids.cols == 0, "Embedding: ids is (", ids.rows, ", ", ids.cols, "), expected one row");
        check(x == Shape{ids.cols, table.cols}, "Embedding: ", name, " is (", x.rows, ", ", x.cols, "), expected (",
              ids.cols, ", ", table.cols, ")");
    }
};

}  // namespace hydralora
