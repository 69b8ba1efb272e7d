// A frozen matrix in whichever form it is stored: the backend's parameter type, 16 bits that stay 16 bits, or blocks of
// quantised elements that stay so.
#pragma once

#include "../quant/quant_view.hpp"
#include "concept.hpp"

namespace hydralora {

/// How the elements of a frozen matrix are stored; blocks: in a QuantFormat.
enum class Storage { param, bfloat16, float16, blocks };

/// A (rows, cols) matrix in somebody else's memory, which may be a mapped file. Whoever reads it asks for the view of
/// its own type and widens what it reads, piece by piece: there is no second copy.
template <Backend B>
class StoredView {
public:
    Index rows = 0, cols = 0, ld = 0;

    StoredView() = default;
    StoredView(ConstParamView<B> m) : StoredView(m, Storage::param) {}
    StoredView(ParamView<B> m) : StoredView(m, Storage::param) {}
    StoredView(ViewOf<B, const bfloat16> m) : StoredView(m, Storage::bfloat16) {}
    StoredView(ViewOf<B, const float16> m) : StoredView(m, Storage::float16) {}
    StoredView(ViewOf<B, bfloat16> m) : StoredView(m, Storage::bfloat16) {}
    StoredView(ViewOf<B, float16> m) : StoredView(m, Storage::float16) {}
    StoredView(const QuantView<typename B::space>& m)
        : rows(m.rows), cols(m.cols), ld(m.cols), storage_(Storage::blocks), blocks_(m) {}

    [[nodiscard]] Storage storage() const { return storage_; }
    /// The format of blocks.
    [[nodiscard]] QuantFormat format() const { return blocks_.format; }
    [[nodiscard]] Shape shape() const { return {rows, cols}; }
    [[nodiscard]] bool empty() const { return shape().empty(); }

    /// f(view) with the view of the stored type; every branch returns the same type.
    template <class F>
    decltype(auto) visit(F&& f) const {
        switch (storage_) {
            case Storage::bfloat16:
                return f(ViewOf<B, const bfloat16>{static_cast<const bfloat16*>(data_), rows, cols, ld});
            case Storage::float16:
                return f(ViewOf<B, const float16>{static_cast<const float16*>(data_), rows, cols, ld});
            case Storage::blocks:
                return f(blocks_);
            case Storage::param:
                break;
        }
        return f(ConstParamView<B>{static_cast<const ParamScalar<B>*>(data_), rows, cols, ld});
    }

private:
    template <class T>
    StoredView(ViewOf<B, T> m, Storage storage)
        : rows(m.rows), cols(m.cols), ld(m.ld), data_(m.data), storage_(storage) {}

    const void* data_ = nullptr;
    Storage storage_ = Storage::param;
    QuantView<typename B::space> blocks_;
};

}  // namespace hydralora
