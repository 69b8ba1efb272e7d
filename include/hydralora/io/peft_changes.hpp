// What a PEFT directory makes of the weights of its base, all of it: LoRA and DoRA on linear layers and on the head, LoRA on the
// embedding, rows of the embedding, and whole tensors of the base that were trained besides.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "foreign_lora.hpp"
#include "json_view.hpp"
#include "peft.hpp"

namespace hydralora::io {

class PeftChanges {
public:
    [[nodiscard]] static PeftChanges open(const std::filesystem::path& directory) {
        using namespace peft_detail;
        constexpr std::array<std::string_view, 7> read{"layers_to_transform",    "layers_pattern", "modules_to_save",
                                                       "rank_pattern",           "alpha_pattern",  "use_dora",
                                                       "trainable_token_indices"};
        const auto path = directory / adapter_config_name;
        const std::string name = path.string();
        const Json document = read_json(path, {.bytes = std::size_t{16} << 20});
        const PeftConfig config = peft_config_from_json(document, name, read);
        PeftChanges all(SafetensorsFile::open(directory / adapter_tensors_name));
        const SafetensorsFile& file = all.file_;
        for (const TensorEntry& entry : file.entries()) {
            const PeftKey key = peft_key(entry.name);
            if (key.name.ends_with(".rotary_emb.inv_freq")) continue;
            if (key.part.empty()) {
                all.changes_[key.name].whole = &entry;
                continue;
            }
            Change& change = all.changes_[key.module + ".weight"];
            const bool linear = place_of(key.module).has_value() || key.module == "lm_head";
            const char letter = letter_of(key.part);
            const auto put = [&](ForeignFactor& to, ForeignFactor factor) {
                check(to.empty(), factor.where, ": is there twice, as ", to.where, " too");
                to = std::move(factor);
            };
            if (linear && letter != '\0') {
                ForeignFactor factor = foreign_lora_detail::read_factor(file, entry, false);
                check_rank(config, key.module, letter, factor);
                put(letter == 'a' ? change.a : change.b, std::move(factor));
                change.scale = config.scaling_of(key.module);
            } else if (linear && (key.part == "lora_magnitude_vector" || key.part == "lora_magnitude_vector.weight")) {
                put(change.magnitude, vector_of(file, entry));
            } else if (key.module == embedding && key.part.starts_with("lora_embedding_")) {
                // B A is (width, tokens): the embedding's transpose.
                const bool is_a = key.part.starts_with("lora_embedding_A");
                ForeignFactor factor = foreign_lora_detail::read_factor(file, entry, true);
                check_rank(config, key.module, is_a ? 'b' : 'a', factor);
                put(is_a ? change.b : change.a, std::move(factor));
                change.scale = config.scaling_of(key.module);
            } else if (key.module == embedding && key.part == "token_adapter.trainable_tokens_delta") {
                put(change.rows, foreign_lora_detail::read_factor(file, entry, false));
                change.tokens = tokens_of(JsonView(document, name)["trainable_token_indices"], change.rows.rows);
            } else {
                fail(file.where(entry), ": ", reason(key, linear));
            }
        }
        for (const auto& [weight, change] : all.changes_) {
            check(change.a.empty() == change.b.empty(), file.name(), ": ", weight,
                  ": expected lora_A and lora_B, found ", change.b.empty() ? "lora_A" : "lora_B", " alone");
            check(change.a.empty() || change.a.rows == change.b.cols, file.name(), ": ", weight, ": A has rank ",
                  change.a.rows, ", B ", change.b.cols);
            check(change.magnitude.empty() || !change.a.empty(), file.name(), ": ", weight,
                  ": expected lora_A and lora_B beside the magnitudes of DoRA, found neither");
        }
        check(!all.changes_.empty(), file.name(), ": expected the tensors of a LoRA, found none");
        return all;
    }

    /// Names of the base's tensors that something is done to.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& [name, change] : changes_) result.push_back(name);
        return result;
    }
    [[nodiscard]] bool changes(std::string_view weight) const { return changes_.find(weight) != changes_.end(); }

    /// w, which holds the base's values, becomes what the adapter makes of it.
    void apply(std::string_view weight, MatrixView<float> w) const {
        const auto at = changes_.find(weight);
        if (at == changes_.end()) return;
        const Change& change = at->second;
        if (change.whole != nullptr) {
            check(change.whole->shape.matrix() == w.shape(), file_.where(*change.whole), ": expected shape (", w.rows,
                  ", ", w.cols, "), as the base's, found ", change.whole->shape.text(),
                  "; tokens that were added to the base must be added to it first");
            file_.read_as(change.whole->name, w);
            for (Index i = 0; i < w.rows; ++i)
                adapter_directory_detail::check_finite(w.row(i), i, w.cols, file_.where(*change.whole),
                                                       "; the adapter is damaged or its training diverged");
        }
        const auto expect = [&](const ForeignFactor& factor, Index found, Index expected, std::string_view what) {
            check(found == expected, factor.where, ": expected ", expected, ' ', what, ", as ", weight, " has, found ",
                  found, "; does the adapter belong to another model?");
        };
        if (!change.rows.empty()) {
            expect(change.rows, change.rows.cols, w.cols, "columns");
            for (std::size_t i = 0; i < change.tokens.size(); ++i) {
                check(change.tokens[i] < w.rows, change.rows.where, ": is of token ", change.tokens[i],
                      ", the base has ", w.rows);
                const float* row = change.rows.values.data() + static_cast<Index>(i) * w.cols;
                std::copy(row, row + w.cols, w.row(change.tokens[i]));
            }
        }
        if (change.a.empty()) return;
        expect(change.a, change.a.cols, w.cols, "columns");
        expect(change.b, change.b.rows, w.rows, "rows");
        if (!change.magnitude.empty()) expect(change.magnitude, change.magnitude.cols, w.rows, "elements");
        const Index rank = change.a.rows;
        std::vector<float> row(static_cast<std::size_t>(w.cols));
        for (Index i = 0; i < w.rows; ++i) {
            std::fill(row.begin(), row.end(), 0.0f);
            for (Index k = 0; k < rank; ++k) {
                const float b = change.b.values[static_cast<std::size_t>(i * rank + k)];
                const float* a = change.a.values.data() + k * w.cols;
                for (Index j = 0; j < w.cols; ++j) row[static_cast<std::size_t>(j)] += b * a[j];
            }
            double squares = 0;
            for (Index j = 0; j < w.cols; ++j) {
                const double sum =
                    static_cast<double>(w(i, j)) + change.scale * static_cast<double>(row[static_cast<std::size_t>(j)]);
                w(i, j) = static_cast<float>(sum);
                squares += sum * sum;
            }
            if (change.magnitude.empty()) continue;
            // DoRA (arXiv 2402.09353, equation 5): each row scaled to its magnitude
            const double factor =
                static_cast<double>(change.magnitude.values[static_cast<std::size_t>(i)]) / std::sqrt(squares);
            for (Index j = 0; j < w.cols; ++j) w(i, j) = static_cast<float>(factor * static_cast<double>(w(i, j)));
        }
    }

private:
    static constexpr std::string_view embedding = "model.embed_tokens";
    struct Change {
        ForeignFactor a, b, magnitude, rows;
        double scale = 0;
        std::vector<Index> tokens;  // of rows
        const TensorEntry* whole = nullptr;
    };

    explicit PeftChanges(SafetensorsFile file) : file_(std::move(file)) {}

    [[nodiscard]] static ForeignFactor vector_of(const SafetensorsFile& file, const TensorEntry& entry) {
        const Shape shape = entry.shape.matrix();
        check(shape.rows == 1 || shape.cols == 1, file.where(entry), ": expected a vector, found shape ",
              entry.shape.text());
        file.check_readable<float>(entry, shape);
        ForeignFactor factor{file.where(entry), 1, shape.size(),
                             std::vector<float>(static_cast<std::size_t>(shape.size()))};
        file.read_as(entry.name, host_view(factor.values.data(), shape.rows, shape.cols));
        adapter_directory_detail::check_finite(factor.values.data(), 0, factor.cols, factor.where, "");
        return factor;
    }

    /// [trainable_token_indices]: of the embedding, a list or one by name.
    [[nodiscard]] static std::vector<Index> tokens_of(const JsonView& all, Index count) {
        const auto read = [&](const JsonView& list) {
            std::vector<Index> tokens;
            for (std::size_t i = 0; i < list.array().size(); ++i)
                tokens.push_back(list.element(i).integer(0, Index{1} << 30));
            if (static_cast<Index>(tokens.size()) != count)
                list.refuse(concat(count, " tokens, as many as there are rows"));
            return tokens;
        };
        if (!all.value().is_object()) return read(all);
        if (all.size() != 1) all.refuse("the tokens of embed_tokens alone");
        for (const char* name : {"embed_tokens", "model.embed_tokens"})
            if (all[name].exists()) return read(all[name]);
        all.refuse("the tokens of embed_tokens");
    }

    SafetensorsFile file_;
    std::map<std::string, Change, std::less<>> changes_;
};

}  // namespace hydralora::io
