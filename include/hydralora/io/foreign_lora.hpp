// A LoRA as another program has it, module by module with a rank and a scale of their own, and how it becomes one of ours, of
// one rank, one scale and every layer: smaller ranks are filled up with zeros, other scales go into B, and modules that are not
// there are zero. The function stays the same.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "adapter_config.hpp"
#include "adapter_files.hpp"
#include "lora_modules.hpp"
#include "safetensors.hpp"
#include "tensor_entry.hpp"

namespace hydralora::io {

/// A factor: values (rows, cols), and for messages where it is from.
struct ForeignFactor {
    std::string where{};
    Index rows = 0, cols = 0;
    std::vector<float> values{};

    [[nodiscard]] bool empty() const { return values.empty(); }
};

namespace foreign_lora_detail {

/// Takes a factor where there is none yet.
inline ForeignFactor& put_once(ForeignFactor& to, ForeignFactor factor) {
    check(to.empty(), factor.where, ": is there twice, as ", to.where, " too");
    return to = std::move(factor);
}

/// A and B are both there and of one rank. `name`: the module's, for messages.
inline void check_pair(std::string_view file, std::string_view name, const ForeignFactor& a, const ForeignFactor& b) {
    check(!a.empty() && !b.empty(), file, ": ", name, ": expected lora_A and lora_B, found ",
          b.empty() ? "lora_A" : "lora_B", " alone");
    check(a.rows == b.cols, b.where, ": expected ", a.rows, " columns, the rank that ", a.where, " has, found ",
          b.cols);
}

inline void check_finite(const ForeignFactor& factor) {
    for (Index i = 0; i < factor.rows; ++i)
        adapter_directory_detail::check_finite(factor.values.data() + i * factor.cols, i, factor.cols, factor.where,
                                               "; the adapter is damaged or its training diverged");
}

/// A factor read as floats, turned where the file has columns for rows; all finite.
[[nodiscard]] inline ForeignFactor read_factor(const SafetensorsFile& file, const TensorEntry& entry, bool turned) {
    const std::string where = file.where(entry);
    check(entry.shape.dims().size() == 2 && entry.shape.matrix().size() > 0, where, ": expected a matrix, found shape ",
          entry.shape.text());
    const Shape shape = entry.shape.matrix();
    file.check_readable<float>(entry, shape);
    ForeignFactor factor{where, shape.rows, shape.cols, std::vector<float>(static_cast<std::size_t>(shape.size()))};
    file.read_as(entry.name, host_view(factor.values.data(), shape.rows, shape.cols));
    check_finite(factor);
    if (!turned) return factor;
    ForeignFactor to{where, shape.cols, shape.rows, std::vector<float>(factor.values.size())};
    for (Index i = 0; i < shape.rows; ++i)
        for (Index j = 0; j < shape.cols; ++j)
            to.values[static_cast<std::size_t>(j * shape.rows + i)] =
                factor.values[static_cast<std::size_t>(i * shape.cols + j)];
    return to;
}

}  // namespace foreign_lora_detail

/// y += scale * B A x
struct ForeignModule {
    ForeignFactor a, b;  // (r, in), (out, r)
    double scale = 0;
};

struct ForeignLora {
    std::string file{};                                                ///< for messages
    AdapterFileConfig config{};                                        ///< of ours, after close()
    std::map<std::pair<Index, std::size_t>, ForeignModule> modules{};  ///< by layer and index of lora_modules
    std::vector<std::string> notes{};  ///< what the reader should know of how it was read

    [[nodiscard]] const ForeignModule* find(LoraPlace place) const {
        const auto at = modules.find({place.layer, place.module});
        return at == modules.end() ? nullptr : &at->second;
    }
    /// Takes a factor; throws if it is there already.
    ForeignFactor& put(LoraPlace place, char letter, ForeignFactor factor) {
        ForeignModule& module = modules[{place.layer, place.module}];
        return foreign_lora_detail::put_once(letter == 'a' ? module.a : module.b, std::move(factor));
    }
    /// Layers that have a module, in words: "2 to 3", "0, 5 to 7".
    [[nodiscard]] std::string layers_text() const {
        std::string text;
        Index first = -1, last = -2;
        const auto close_range = [&] {
            if (first < 0) return;
            text += concat(text.empty() ? "" : ", ", first);
            if (last > first) text += concat(" to ", last);
        };
        for (const auto& [place, module] : modules) {
            if (place.first == last) continue;
            if (place.first != last + 1) {
                close_range();
                first = place.first;
            }
            last = place.first;
        }
        close_range();
        return text;
    }

    /// When every factor and scale is there: checks that A and B belong together, and makes rank, alpha and target_modules of
    /// all. `alpha`: of the file, for that rank and that scale, so that it comes out as it went in.
    void close(Index rank = 0, double alpha = 0) {
        check(!modules.empty(), file, ": expected the tensors of a LoRA, found none");
        std::array<bool, lora_modules.size()> seen{};
        Index largest = 0, of_scale = 0;
        double scale = 0;  // of the largest module that has one
        for (const auto& [place, m] : modules) {
            const std::string name = concat("layers.", place.first, '.', lora_modules[place.second].path);
            foreign_lora_detail::check_pair(file, name, m.a, m.b);
            check(std::isfinite(m.scale), file, ": ", name, ": expected a finite scale, found ", m.scale);
            seen[place.second] = true;
            if (m.scale != 0 && m.a.rows > of_scale) {
                scale = m.scale;
                of_scale = m.a.rows;
            }
            largest = std::max(largest, m.a.rows);
        }
        config.heads = 1;
        config.gate = "none";
        config.rank = largest;
        const bool as_it_was = largest == rank && alpha > 0 &&
                               std::abs(alpha / static_cast<double>(rank) - scale) <= 1e-14 * std::abs(scale);
        config.alpha = as_it_was ? alpha : std::abs(scale) * static_cast<double>(largest);
        if (scale == 0 || config.alpha > 1e9) config.alpha = static_cast<double>(largest);  // all of it goes into B
        config.target_modules.clear();
        for (std::size_t i = 0; i < seen.size(); ++i)
            if (seen[i]) config.target_modules.emplace_back(lora_modules[i].name);
    }

    /// What B is multiplied by, so that with the one scale the module is what it was.
    [[nodiscard]] double factor_of(const ForeignModule& module) const {
        const double scale = config.alpha / static_cast<double>(config.rank);
        if (std::abs(module.scale - scale) <= 1e-14 * std::abs(scale)) return 1;
        return module.scale / scale;
    }
};

/// Fills a set of parameters of one head and lora.config.rank, or throws and leaves it as it is: every module of the LoRA must
/// be in the set, with its shape. What the LoRA does not have becomes zero.
template <class P>
void put_foreign(const ForeignLora& lora, P&& set) {
    const Index rank = lora.config.rank;
    std::size_t found = 0;
    const auto each = [&](auto&& f) {
        visit(
            [&](const ParamPath& path, auto& element) {
                const std::string name = path.parent == nullptr ? std::string() : path.parent->name();
                const auto place = lora_place(name);
                check(place && (path.part == "A" || path.part == "B"), "put_foreign: parameter ", path.name(),
                      ": expected A or B of a linear layer, all that a LoRA has");
                f(name, lora.find(*place), path.part == "A", adapter_files_detail::host_memory(element));
            },
            set);
    };
    each([&](const std::string& name, const ForeignModule* module, bool is_a, auto view) {
        check((is_a ? view.rows : view.cols) == rank, "put_foreign: ", name, " has rank ", is_a ? view.rows : view.cols,
              ", expected ", rank);
        if (module == nullptr) return;
        const ForeignFactor& factor = is_a ? module->a : module->b;
        const Index wide = is_a ? view.cols : view.rows, has = is_a ? factor.cols : factor.rows;
        check(has == wide, factor.where, ": expected ", wide, is_a ? " columns" : " rows", ", as many as ", name,
              " has ", is_a ? "inputs" : "outputs", ", found ", has, "; does the adapter belong to another model?");
        found += is_a ? 1 : 0;
        if (const double by = is_a ? 1 : lora.factor_of(*module); by != 1)
            for (const float value : factor.values)
                check(std::isfinite(static_cast<float>(by * static_cast<double>(value))), factor.where, ": holds ",
                      value, ", which times ", by,
                      ", its scale over that of the whole, is no finite number; the scales are too far "
                      "apart");
    });
    if (found != lora.modules.size()) {
        Index layers = 0;
        each([&](const std::string& name, const ForeignModule*, bool, auto) {
            layers = std::max(layers, lora_place(name)->layer + 1);
        });
        fail(lora.file, ": has modules in layers ", lora.layers_text(), ", expected at most ", layers,
             " layers, as the base has; does the adapter belong to another model?");
    }
    each([&](const std::string&, const ForeignModule* module, bool is_a, auto view) {
        using T = typename decltype(view)::value_type;
        for (Index i = 0; i < view.rows; ++i) std::fill(view.row(i), view.row(i) + view.cols, T{});
        if (module == nullptr) return;
        const ForeignFactor& from = is_a ? module->a : module->b;
        const double factor = is_a ? 1 : lora.factor_of(*module);
        for (Index i = 0; i < from.rows; ++i)
            for (Index j = 0; j < from.cols; ++j) {
                const float value = from.values[static_cast<std::size_t>(i * from.cols + j)];
                view(i, j) = factor == 1 ? static_cast<T>(value) : static_cast<T>(factor * static_cast<double>(value));
            }
    });
}

}  // namespace hydralora::io
