#include <hydralora/adapter/params.hpp>
#include <hydralora/io/adapter_files.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "failing_calls.hpp"
#include "scratch.hpp"

namespace io_adapter_files_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {

/// A matrix with memory of its own and two columns more than it says.
template <class T>
struct Matrix {
    using value_type = T;
    using space = host;
    std::vector<T> memory{};
    Index rows = 0, cols = 0;

    Matrix() = default;
    Matrix(Index r, Index c) : memory(static_cast<std::size_t>(r * (c + 2))), rows(r), cols(c) {}
    [[nodiscard]] MatrixView<T> view() { return {memory.data(), rows, cols, cols + 2}; }
    [[nodiscard]] MatrixView<const T> view() const { return {memory.data(), rows, cols, cols + 2}; }
    [[nodiscard]] bool empty() const { return rows == 0 || cols == 0; }
};

/// Two layers with adapters on two modules, named as in a Llama decoder.
template <class M>
struct Model {
    AdapterParams<M> part[4];

    template <class F, class... P>
    static void visit_at(const ParamPath& path, F&& f, P&&... p) {
        const ParamPath layers = path / "layers";
        for (Index i = 0; i < 4; ++i) {
            const ParamPath layer = layers / (i / 2), mlp = layer / "mlp";
            AdapterParams<M>::visit_at(mlp / (i % 2 == 0 ? "gate_proj" : "down_proj"), f, p.part[i]...);
        }
    }
};

template <class T>
Model<Matrix<T>> make_model(const AdapterFileConfig& c, double first) {
    Model<Matrix<T>> model;
    double value = first;
    for (int i = 0; i < 4; ++i) {
        const Index in = i % 2 == 0 ? 6 : 9, out = i % 2 == 0 ? 9 : 6;
        model.part[i].A = {c.sharing == "own_a" ? c.heads * c.rank : c.rank, in};
        model.part[i].B = {out, c.heads * c.rank};
        if (c.gate == "softmax") model.part[i].router = {c.heads, in};
        if (c.router_bias == "trained") model.part[i].router_bias = {1, c.heads};
        for (Matrix<T>* m : {&model.part[i].A, &model.part[i].B, &model.part[i].router, &model.part[i].router_bias})
            for (T& x : m->memory) x = static_cast<T>(value += 0.125);
    }
    return model;
}
template <class T>
bool same(const Model<Matrix<T>>& a, const Model<Matrix<T>>& b) {
    bool equal = true;
    visit(
        [&](const ParamPath&, const auto& x, const auto& y) {
            for (Index i = 0; i < x.rows; ++i)
                for (Index j = 0; j < x.cols; ++j) equal &= x.view()(i, j) == y.view()(i, j);
        },
        a, b);
    return equal;
}

const AdapterFileConfig shared{.rank = 2,
                               .heads = 3,
                               .target_modules = {"gate_proj", "down_proj"},
                               .base_model_name_or_path = "llama",
                               .base_checksum = "aa55",
                               .base_norms = "n1"};
const AdapterFileConfig own{.rank = 2, .heads = 3, .sharing = "own_a", .router_bias = "trained"};
const std::string prefix = "base_model.model.model.layers.1.mlp.down_proj.";

/// The tensors of a directory as text of their bytes, to change and to write again by other means than save_adapter.
struct Stored {
    std::map<std::string, std::pair<TensorShape, std::vector<float>>> tensors;

    explicit Stored(const std::filesystem::path& directory) {
        const auto file = SafetensorsFile::open(directory / "adapter_model.safetensors");
        for (const TensorEntry& entry : file.entries()) {
            const auto view = file.view<float>(entry.name);
            tensors[entry.name] = {entry.shape, std::vector<float>(view.data, view.data + view.size())};
        }
    }
    void write(const std::filesystem::path& directory) const {
        std::vector<NamedTensor> all;
        for (const auto& [name, tensor] : tensors)
            all.push_back(reshaped(named_tensor(name, std::span(tensor.second)), tensor.first));
        save_safetensors(directory / "adapter_model.safetensors", all);
    }
};

}  // namespace

TEST_CASE("file names, shapes and elements are those of the released code") {
    const test::ScratchDirectory scratch;
    const auto model = make_model<float>(shared, 0);
    save_adapter(scratch / "adapter", shared, model);
    const Stored stored(scratch / "adapter");
    CHECK(stored.tensors.size() == 4 * (1 + 3 + 1));
    for (const auto& [name, tensor] : stored.tensors) CHECK(name.starts_with("base_model.model.model.layers."));
    const auto& down = model.part[3];
    const auto element = [&](const std::string& name, TensorShape shape, Index i) {
        REQUIRE(stored.tensors.contains(prefix + name));
        CHECK(stored.tensors.at(prefix + name).first == shape);
        return stored.tensors.at(prefix + name).second[static_cast<std::size_t>(i)];
    };
    for (Index i = 0; i < 2; ++i)
        for (Index j = 0; j < 9; ++j) CHECK(element("lora_A.weight", {2, 9}, i * 9 + j) == down.A.view()(i, j));
    for (Index head = 0; head < 3; ++head)
        for (Index i = 0; i < 6; ++i)
            for (Index j = 0; j < 2; ++j)
                CHECK(element("lora_B" + std::to_string(head) + ".weight", {6, 2}, i * 2 + j) ==
                      down.B.view()(i, head * 2 + j));
    for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 9; ++j)
            CHECK(element("lora_route.weight", {3, 9}, i * 9 + j) == down.router.view()(i, j));
    CHECK(*SafetensorsFile::open(scratch / "adapter" / "adapter_model.safetensors").metadata("format") == "pt");

    save_adapter(scratch / "own", own, make_model<float>(own, 0));
    const Stored stored_own(scratch / "own");
    CHECK(stored_own.tensors.size() == 4 * (3 + 3 + 1 + 1));
    CHECK(stored_own.tensors.at(prefix + "lora_A2.weight").first == TensorShape{2, 9});
    CHECK(stored_own.tensors.at(prefix + "lora_route.bias").first == TensorShape{3});
}

TEST_CASE("an adapter survives saving and loading") {
    const test::ScratchDirectory scratch;
    for (const AdapterFileConfig& config : {shared, own}) {
        const auto model = make_model<float>(config, 1);
        auto loaded = make_model<float>(config, -100);
        save_adapter(scratch / "adapter", config, model, Existing::replace);
        CHECK(load_adapter(scratch / "adapter", loaded, {"aa55"}) == config);
        CHECK(same(model, loaded));
        CHECK(loaded.part[0].A.memory[6] != model.part[0].A.memory[6]);  // beside the matrix nothing is touched
        CHECK(list_directory(scratch.path()) == std::vector<std::string>{"adapter"});

        // Another precision than it was saved with.
        auto wide = make_model<double>(config, -100);
        load_adapter(scratch / "adapter", wide);
        CHECK(wide.part[3].B.view()(5, 5) == static_cast<double>(model.part[3].B.view()(5, 5)));
        // The same bytes again.
        const std::string bytes = test::content(scratch / "adapter" / "adapter_model.safetensors");
        save_adapter(scratch / "adapter", config, loaded, Existing::replace);
        CHECK(test::content(scratch / "adapter" / "adapter_model.safetensors") == bytes);
    }
    // Views instead of buffers, one adapter, and a name that ends in a slash.
    float a[12] = {1}, b[12] = {2};
    const AdapterFileConfig lora{.rank = 2, .heads = 1, .gate = "none"};
    const AdapterParams<MatrixView<float>> views{{a, 2, 6}, {b, 6, 2}, {}, {}};
    save_adapter(scratch.path() / "one/", lora, views);
    a[0] = b[0] = 0;
    load_adapter(scratch.path() / "one/", views);
    CHECK(a[0] + b[0] == 3);
}

TEST_CASE("what does not fit is refused by name and leaves the parameters as they are") {
    const test::ScratchDirectory scratch;
    const auto directory = scratch / "adapter";
    save_adapter(directory, shared, make_model<float>(shared, 0));
    const Stored good(directory);
    const auto before = make_model<float>(shared, 50);
    const auto refused = [&](auto&& change, auto... parts) {
        Stored stored = good;
        change(stored.tensors);
        stored.write(directory);
        auto model = make_model<float>(shared, 50);
        const std::string message = error_of([&] { load_adapter(directory, model, {"aa55"}); });
        INFO(message);
        CHECK(same(model, before));
        CHECK(has(message, directory.string()));
        for (const std::string& part : {std::string(parts)...}) {
            INFO(part);
            CHECK(has(message, part));
        }
    };
    refused([](auto& t) { t.erase(prefix + "lora_B1.weight"); },
            "expected a tensor \"" + prefix + "lora_B1.weight\", found none of that name");
    refused([](auto& t) { t[prefix + "lora_B3.weight"] = t[prefix + "lora_B2.weight"]; },
            "tensor \"" + prefix + "lora_B3.weight\": not expected by a model of 20 adapter tensors (rank 2, 3 heads)");
    refused([](auto& t) { t["other"] = t[prefix + "lora_B2.weight"]; }, "tensor \"other\": not expected");
    refused(
        [](auto& t) {
            t[prefix + "lora_A.weight"] = {TensorShape{3, 9}, std::vector<float>(27)};
        },
        "tensor \"" + prefix + "lora_A.weight\": expected shape [2, 9], found [3, 9]");
    refused([](auto& t) { t[prefix + "lora_A.weight"].first = {9, 2}; }, "expected shape [2, 9], found [9, 2]");
    refused([](auto& t) { t[prefix + "lora_A.weight"].first = {1, 2, 9}; }, "expected shape [2, 9], found [1, 2, 9]");
    refused([](auto& t) { t[prefix + "lora_route.weight"].second[14] = std::nanf(""); },
            "tensor \"" + prefix + "lora_route.weight\": element (1, 5): expected a finite number, found nan");
    refused([](auto& t) { t[prefix + "lora_B2.weight"].second[11] = -HUGE_VALF; },
            "tensor \"" + prefix + "lora_B2.weight\": element (5, 1): expected a finite number, found -inf");
    good.write(directory);
    auto model = make_model<float>(shared, 50);
    const std::string message = error_of([&] { load_adapter(directory, model, {"bb66"}); });
    CHECK(has(message, "was trained on another base: \"llama\" with checksum \"aa55\", this base has \"bb66\""));
    CHECK(same(model, before));
    CHECK(has(error_of([&] { load_adapter(directory, model, {"bb66", "n0"}); }), "was trained on another base"));
    CHECK(load_adapter(directory, model, {"bb66", "n1"}).base_checksum == "aa55");  // another file of the same base
    CHECK(same(model, make_model<float>(shared, 0)));
    model = make_model<float>(shared, 50);
    load_adapter(directory, model);  // a base that is not known is not compared
    CHECK(same(model, make_model<float>(shared, 0)));

    // A model of another rank or number of heads.
    AdapterFileConfig other = shared;
    other.rank = 3;
    auto larger = make_model<float>(other, 0);
    CHECK(has(error_of([&] { load_adapter(directory, larger); }),
              "parameter layers.0.mlp.gate_proj.A of shape (3, 6): expected 2 rows for rank 2 and 3 heads, found 3"));
    other = shared;
    other.heads = 4;
    auto more = make_model<float>(other, 0);
    CHECK(has(error_of([&] { load_adapter(directory, more); }),
              "parameter layers.0.mlp.gate_proj.B of shape (9, 8): expected 6 columns"));

    // Finite as a double, not as a float.
    auto wide = make_model<double>(shared, 0);
    wide.part[0].A.view()(1, 2) = 1e300;
    save_adapter(scratch / "wide", shared, wide);
    CHECK(has(error_of([&] { load_adapter(scratch / "wide", model); }),
              "lora_A.weight\": element (1, 2): expected a finite number, found inf"));
    load_adapter(scratch / "wide", wide);
    test::set_content(directory / "adapter_model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    CHECK(has(error_of([&] { load_adapter(directory, model); }), "git lfs pull"));
    CHECK(has(error_of([&] { load_adapter(scratch / "none", model); }), "none/adapter_config.json: opening failed"));
}

TEST_CASE("saving refuses what it would spoil") {
    const test::ScratchDirectory scratch;
    auto model = make_model<float>(shared, 0);
    const auto saving = [&](Existing existing) {
        return error_of([&] { save_adapter(scratch / "adapter", shared, model, existing); });
    };
    CHECK(saving(Existing::refuse) == "");
    CHECK(has(saving(Existing::refuse), "adapter: exists already; choose another name"));
    CHECK(saving(Existing::replace) == "");
    test::set_content(scratch / "adapter" / "README.md", "mine");
    CHECK(has(saving(Existing::replace), "not replaced, for it also holds \"README.md\""));
    CHECK(test::content(scratch / "adapter" / "README.md") == "mine");
    std::filesystem::remove(scratch / "adapter" / "README.md");
    model.part[2].B.view()(3, 1) = std::nanf("");
    CHECK(has(saving(Existing::replace),
              "layers.1.mlp.gate_proj.lora_B0.weight: element (3, 1): expected a finite number, found nan; nothing was "
              "written"));
    test::set_content(scratch / "file", "mine");
    model.part[2].B.view()(3, 1) = 0;
    CHECK(has(error_of([&] { save_adapter(scratch / "file", shared, model, Existing::replace); }),
              "expected an adapter directory to replace"));
    CHECK(list_directory(scratch.path()) == std::vector<std::string>{"adapter", "file"});
}

TEST_CASE("whichever call fails, the directory is the old one or the new one") {
    const test::ScratchDirectory scratch;
    const auto old_model = make_model<float>(shared, 0), new_model = make_model<float>(shared, 1000);
    for (const bool exists : {true, false}) {
        int last = 1000;
        for (const test::Fault fault : test::all_faults)
            for (int at = 0; at < last; ++at) {
                std::filesystem::remove_all(scratch / "adapter");
                if (exists)
                    save_adapter(scratch / "adapter", shared, old_model, Existing::refuse, test::unsynced_calls());
                test::FaultPlan plan{.at = at, .fault = fault};
                const std::string message = error_of([&] {
                    save_adapter(scratch / "adapter", shared, new_model, Existing::replace, test::failing_calls(plan));
                });
                INFO("fault ", static_cast<int>(fault), " at ", at, " in ", plan.failed, ": ", message);
                if (at >= plan.calls) {
                    CHECK(message == "");
                    last = at;
                    break;
                }
                auto loaded = make_model<float>(shared, 50);
                if (exists || path_exists(scratch / "adapter")) {
                    load_adapter(scratch / "adapter", loaded);
                    CHECK((same(loaded, new_model) || (exists && same(loaded, old_model))));
                }
                if (message.empty())
                    CHECK(same(loaded, new_model));
                else
                    CHECK((has(message, "is as it was") || has(message, "was not made") || has(message, "is written")));
                if (test::is_harmless(plan)) CHECK(message == "");
                if (has(message, "is written")) CHECK(same(loaded, new_model));
                for (const std::string& name : list_directory(scratch.path()))
                    if (name != "adapter") remove_directory(scratch / name);
            }
        CHECK(last > 12);
        CHECK(last < 100);
    }
}

}  // namespace io_adapter_files_test
