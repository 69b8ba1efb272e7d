#include "adapter_factors.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/lora_modules.hpp>
#include <hydralora/io/peft.hpp>

namespace hydra {

using namespace hydralora;

namespace {

constexpr Index most_heads = 4096;

/// What a key of ours or of the released code says: "base_model.model.model.layers.3.mlp.up_proj.lora_B2.weight" is B number 2
/// of layer 3's up_proj.
struct Key {
    std::string module;
    io::LoraPlace place;
    char letter = 0;  // A, B, or r: the router
    Index number = 0;
};

std::optional<Key> parse_key(std::string_view name) {
    constexpr std::string_view prefix = io::adapter_files_detail::key_prefix, lora = ".lora_", weight = ".weight";
    if (!name.starts_with(prefix)) return std::nullopt;
    name.remove_prefix(prefix.size());
    const std::size_t at = name.rfind(lora);
    if (at == name.npos) return std::nullopt;
    Key key;
    key.module.assign(name.substr(0, at));
    const auto place = io::lora_place(key.module);
    if (!place) return std::nullopt;
    key.place = *place;
    name.remove_prefix(at + lora.size());
    if (name == "route.weight" || name == "route.bias") {
        key.letter = 'r';
        return key;
    }
    if (!name.ends_with(weight)) return std::nullopt;
    name.remove_suffix(weight.size());
    if (name.empty() || (name[0] != 'A' && name[0] != 'B')) return std::nullopt;
    key.letter = name[0];
    name.remove_prefix(1);
    if (name.empty()) return key;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), key.number);
    const bool plain = error == std::errc() && end == name.data() + name.size() && (name[0] != '0' || name.size() == 1);
    if (!plain || key.number < 0 || key.number >= most_heads) return std::nullopt;
    return key;
}

std::string shape_text(const DoubleMatrix& m) { return concat('(', m.rows, ", ", m.cols, ')'); }

/// Reads the matrices numbered 0, 1, ... of a module.
std::vector<DoubleMatrix> read_all(const io::SafetensorsFile& file, const std::string& module, char letter,
                                   const std::map<Index, const io::TensorEntry*>& entries) {
    check(!entries.empty(), file.name(), ": ", module, ": expected lora_A and lora_B, found no lora_", letter);
    std::vector<DoubleMatrix> matrices;
    for (const auto& [number, entry] : entries) {
        check(number == static_cast<Index>(matrices.size()), file.name(), ": ", module, ": expected lora_", letter,
              matrices.size(), ", found lora_", letter, number);
        check(entry->shape.dims().size() == 2, file.where(*entry), ": expected a matrix, found shape ",
              entry->shape.text());
        const Shape shape = entry->shape.matrix();
        DoubleMatrix m(shape.rows, shape.cols);
        file.read_as(entry->name, m.view());
        matrices.push_back(dense_detail::copy_finite(file.where(*entry), m.view()));
        check(m.rows == matrices.front().rows && m.cols == matrices.front().cols, file.where(*entry),
              ": expected shape ", shape_text(matrices.front()), " as of number 0, found ", shape_text(m));
    }
    return matrices;
}

/// The factors of a file of ours or of the released code.
AdapterFactors read_numbered(const std::filesystem::path& adapter) {
    const auto file = io::SafetensorsFile::open(adapter / io::adapter_tensors_name);
    struct Entries {
        std::string module;
        std::map<Index, const io::TensorEntry*> a, b;
    };
    std::map<std::pair<Index, std::size_t>, Entries> places;
    for (const auto& entry : file.entries()) {
        const auto key = parse_key(entry.name);
        check(key.has_value(), file.where(entry), ": expected the A, B or router of a linear layer, as ",
              io::adapter_files_detail::key_prefix, "layers.0.self_attn.q_proj.lora_A.weight");
        Entries& entries = places[{key->place.layer, key->place.module}];
        entries.module = key->module;
        if (key->letter == 'r') continue;
        auto& numbered = key->letter == 'A' ? entries.a : entries.b;
        check(numbered.emplace(key->number, &entry).second, file.where(entry), ": is there twice, as lora_",
              key->letter, " and as lora_", key->letter, "0");
    }
    AdapterFactors factors{file.name(), {}};
    for (const auto& [place, entries] : places)
        factors.modules.push_back({entries.module, place.first, place.second,
                                   read_all(file, entries.module, 'A', entries.a),
                                   read_all(file, entries.module, 'B', entries.b)});
    return factors;
}

DoubleMatrix matrix_of(const io::ForeignFactor& factor) {
    DoubleMatrix m(factor.rows, factor.cols);
    std::copy(factor.values.begin(), factor.values.end(), m.values.begin());
    return m;
}

/// Of a LoRA of PEFT, as import reads it; scalings are left out, and so is what the file holds besides.
AdapterFactors factors_of(const io::ForeignLora& lora) {
    AdapterFactors factors{lora.file, {}};
    for (const auto& [place, module] : lora.modules)
        factors.modules.push_back({concat("layers.", place.first, '.', io::lora_modules[place.second].path),
                                   place.first,
                                   place.second,
                                   {matrix_of(module.a)},
                                   {matrix_of(module.b)}});
    return factors;
}

/// A's and B's of a module belong together, and all modules have as many.
void check_modules(const AdapterFactors& factors) {
    check(!factors.modules.empty(), factors.file, ": expected the tensors of an adapter, found none");
    for (const ModuleFactors& module : factors.modules) {
        const DoubleMatrix &a = module.a.front(), &b = module.b.front();
        check(a.rows == b.cols, factors.file, ": ", module.name, ": A is ", shape_text(a), " and B ", shape_text(b),
              ", expected as many rows of A as columns of B, the rank");
        check(module.a.size() == 1 || module.a.size() == module.b.size(), factors.file, ": ", module.name, ": ",
              module.a.size(), " A's for ", module.b.size(), " B's, expected one for all or one a head");
        const ModuleFactors& first = factors.modules.front();
        check(module.a.size() == first.a.size() && module.b.size() == first.b.size(), factors.file, ": ", module.name,
              " has ", module.a.size(), " A's and ", module.b.size(), " B's, ", first.name, ' ', first.a.size(),
              " and ", first.b.size(), ", expected as many everywhere");
    }
}

}  // namespace

AdapterFactors read_factors(const std::filesystem::path& adapter) {
    const io::AdapterKind kind = io::adapter_kind(adapter);
    const bool peft = kind == io::AdapterKind::peft;
    if (!peft) io::check_no_import(kind, adapter);
    AdapterFactors factors = peft ? factors_of(io::read_peft(adapter).lora) : read_numbered(adapter);
    check_modules(factors);
    if (peft) return factors;
    const auto config = io::read_adapter_config(adapter);
    const Index rank = factors.modules.front().a.front().rows;
    check(config.rank == rank && config.heads == factors.heads(), factors.file, ": rank ", rank, " and ",
          factors.heads(), " heads, ", io::adapter_config_name, " says ", config.rank, " and ", config.heads);
    return factors;
}

void check_comparable(const AdapterFactors& one, const AdapterFactors& other) {
    const auto has = [](const AdapterFactors& in, const AdapterFactors& of) {
        for (const ModuleFactors& m : of.modules) {
            bool found = false;
            for (const ModuleFactors& n : in.modules) found = found || n.name == m.name;
            check(found, of.file, ": adapts ", m.name, " with A ", shape_text(m.a.front()), " and B ",
                  shape_text(m.b.front()), ", which ", in.file,
                  " does not; compare adapters of the same base and target modules");
        }
    };
    has(one, other);
    has(other, one);
    for (std::size_t m = 0; m < one.modules.size(); ++m)
        for (const char letter : {'A', 'B'}) {
            const auto& x = letter == 'A' ? one.modules[m].a.front() : one.modules[m].b.front();
            const auto& y = letter == 'A' ? other.modules[m].a.front() : other.modules[m].b.front();
            check(x.rows == y.rows && x.cols == y.cols, one.file, ": ", letter, " of ", one.modules[m].name, " is ",
                  shape_text(x), ", in ", other.file, ' ', shape_text(y),
                  "; compare adapters of the same base and rank");
        }
}

}  // namespace hydra
