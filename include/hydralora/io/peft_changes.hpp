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

#include "../backend/concept.hpp"
#include "../core/check.hpp"
#include "../core/view.hpp"
#include "foreign_lora.hpp"
#include "json_view.hpp"
#include "peft.hpp"
#include "tensor_names.hpp"

namespace hydralora::io {

class PeftChanges {
public:
    /// Reads a directory. Throws, by name, for what is none of the above; names of the base's tensors are not looked at yet.
    [[nodiscard]] static PeftChanges open(const std::filesystem::path& directory) {
        constexpr std::array<std::string_view, 7> read{"layers_to_transform",    "layers_pattern", "modules_to_save",
                                                       "rank_pattern",           "alpha_pattern",  "use_dora",
                                                       "trainable_token_indices"};
        const AdapterJson json = read_adapter_json(directory);
        const PeftConfig config = peft_config_from_json(json.document, json.file, read);
        PeftChanges all(SafetensorsFile::open(directory / adapter_tensors_name));
        for (const TensorEntry& entry : all.file_.entries()) all.add(entry, config, json.view());
        for (const auto& [weight, change] : all.changes_) {
            const bool factors = !change.a.empty() || !change.b.empty();
            if (factors) foreign_lora_detail::check_pair(all.file_.name(), weight, change.a, change.b);
            check(change.magnitude.empty() || factors, all.file_.name(), ": ", weight,
                  ": expected lora_A and lora_B beside the magnitudes of DoRA, found neither");
        }
        check(!all.changes_.empty(), all.file_.name(), ": expected the tensors of a LoRA, found none");
        return all;
    }

    /// Names of the base's tensors that something is done to; only those that come whole.
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto& [name, change] : changes_) result.push_back(name);
        return result;
    }
    [[nodiscard]] std::vector<std::string> whole_names() const {
        std::vector<std::string> result;
        for (const auto& [name, change] : changes_)
            if (change.whole != nullptr) result.push_back(name);
        return result;
    }
    [[nodiscard]] bool changes(std::string_view weight) const { return changes_.find(weight) != changes_.end(); }

    /// Leaves out a whole tensor that holds the base's values, w, which is no change. Returns whether it does.
    bool leave_out_copy(std::string_view weight, MatrixView<const float> w) {
        const auto at = changes_.find(weight);
        if (at == changes_.end() || at->second.whole == nullptr) return false;
        Change& change = at->second;
        if (change.whole->shape.matrix() != w.shape()) return false;
        std::vector<float> values(static_cast<std::size_t>(w.size()));
        file_.read_as(change.whole->name, host_view(values.data(), w.rows, w.cols));
        for (Index i = 0; i < w.rows; ++i)
            if (!std::equal(w.row(i), w.row(i) + w.cols, values.data() + i * w.cols)) return false;
        change.whole = nullptr;
        if (change.a.empty() && change.rows.empty()) changes_.erase(at);
        return true;
    }

    /// w, which holds the base's values, becomes what the adapter makes of it.
    template <TaskBackend B>
    void apply(B& be, std::string_view weight, MatrixView<float> w) const {
        const auto at = changes_.find(weight);
        if (at == changes_.end()) return;
        const Change& change = at->second;
        if (change.whole != nullptr) put_whole(*change.whole, w);
        if (!change.rows.empty()) put_rows(change, weight, w);
        if (change.a.empty()) return;
        expect(change.a, change.a.cols, w.cols, "columns", weight);
        expect(change.b, change.b.rows, w.rows, "rows", weight);
        if (!change.magnitude.empty()) expect(change.magnitude, change.magnitude.cols, w.rows, "elements", weight);
        constexpr Index some = 16;  // rows a task
        be.tasks((w.rows + some - 1) / some,
                 [&](Index task, int) { add_rows(change, w, task * some, std::min(w.rows, (task + 1) * some)); });
    }

private:
    struct Change {
        ForeignFactor a, b, magnitude, rows;
        double scale = 0;
        std::vector<Index> tokens;  // of rows
        const TensorEntry* whole = nullptr;
    };

    explicit PeftChanges(SafetensorsFile file) : file_(std::move(file)) {}

    /// Takes one tensor of the file.
    void add(const TensorEntry& entry, const PeftConfig& config, const JsonView& json) {
        using namespace peft_detail;
        using namespace foreign_lora_detail;
        const PeftKey key = peft_key(entry.name);
        if (is_rope_table(key.name)) return;
        if (key.part.empty()) {
            const TensorEntry*& whole = changes_[key.name].whole;
            if (whole != nullptr) fail(file_.where(entry), ": is there twice, as ", file_.where(*whole), " too");
            whole = &entry;
            return;
        }
        Change& change = changes_[key.module + ".weight"];
        const bool linear = place_of(key.module).has_value() || key.module == head_module;
        const bool embedding = key.module == embedding_module;
        const char letter = letter_of(key.part);
        if (linear && letter != '\0') {
            ForeignFactor factor = read_factor(file_, entry, false);
            check_rank(config, key.module, letter, factor);
            put_once(letter == 'a' ? change.a : change.b, std::move(factor));
            change.scale = config.scaling_of(key.module);
        } else if (linear && (key.part == "lora_magnitude_vector" || key.part == "lora_magnitude_vector.weight")) {
            put_once(change.magnitude, vector_of(file_, entry));
        } else if (embedding && key.part.starts_with("lora_embedding_")) {
            // B A is (width, tokens): the embedding's transpose.
            const bool is_a = key.part.starts_with("lora_embedding_A");
            ForeignFactor factor = read_factor(file_, entry, true);
            check_rank(config, key.module, is_a ? 'b' : 'a', factor);
            put_once(is_a ? change.b : change.a, std::move(factor));
            change.scale = config.scaling_of(key.module);
        } else if (embedding && key.part == "token_adapter.trainable_tokens_delta") {
            put_once(change.rows, read_factor(file_, entry, false));
            change.tokens = tokens_of(json["trainable_token_indices"], change.rows.rows);
        } else {
            fail(file_.where(entry), ": ", reason(key, linear));
        }
    }

    static void expect(const ForeignFactor& factor, Index found, Index expected, std::string_view what,
                       std::string_view weight) {
        check(found == expected, factor.where, ": expected ", expected, ' ', what, ", as ", weight, " has, found ",
              found, "; does the adapter belong to another model?");
    }

    void put_whole(const TensorEntry& whole, MatrixView<float> w) const {
        check(whole.shape.matrix() == w.shape(), file_.where(whole), ": expected shape (", w.rows, ", ", w.cols,
              "), as the base's, found ", whole.shape.text(),
              "; tokens that were added to the base must be added to it first");
        file_.read_as(whole.name, w);
        for (Index i = 0; i < w.rows; ++i)
            adapter_directory_detail::check_finite(w.row(i), i, w.cols, file_.where(whole),
                                                   "; the adapter is damaged or its training diverged");
    }

    static void put_rows(const Change& change, std::string_view weight, MatrixView<float> w) {
        expect(change.rows, change.rows.cols, w.cols, "columns", weight);
        for (std::size_t i = 0; i < change.tokens.size(); ++i) {
            check(change.tokens[i] < w.rows, change.rows.where, ": is of token ", change.tokens[i], ", the base has ",
                  w.rows);
            const float* row = change.rows.values.data() + static_cast<Index>(i) * w.cols;
            std::copy(row, row + w.cols, w.row(change.tokens[i]));
        }
    }

    /// Rows [begin, end) of w += scale * B A, and of DoRA (arXiv 2402.09353, equation 5) each row scaled to its magnitude.
    static void add_rows(const Change& change, MatrixView<float> w, Index begin, Index end) {
        const Index rank = change.a.rows;
        std::vector<float> row(static_cast<std::size_t>(w.cols));
        for (Index i = begin; i < end; ++i) {
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
            const double factor =
                static_cast<double>(change.magnitude.values[static_cast<std::size_t>(i)]) / std::sqrt(squares);
            for (Index j = 0; j < w.cols; ++j) w(i, j) = static_cast<float>(factor * static_cast<double>(w(i, j)));
        }
    }

    [[nodiscard]] static ForeignFactor vector_of(const SafetensorsFile& file, const TensorEntry& entry) {
        const Shape shape = entry.shape.matrix();
        check(shape.size() > 0 && (shape.rows == 1 || shape.cols == 1), file.where(entry),
              ": expected a vector, found shape ", entry.shape.text());
        file.check_readable<float>(entry, shape);
        ForeignFactor factor{file.where(entry), 1, shape.size(),
                             std::vector<float>(static_cast<std::size_t>(shape.size()))};
        file.read_as(entry.name, host_view(factor.values.data(), shape.rows, shape.cols));
        foreign_lora_detail::check_finite(factor);
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
