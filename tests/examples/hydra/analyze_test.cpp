// What adapters share, of planted ones: cosines by plain loops and by how they were made, against a start and without.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <hydralora/analysis/principal_angles.hpp>
#include <hydralora/io/adapter_directory.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/write_file.hpp>

#include "analyze.hpp"
#include "html_structure.hpp"
#include "io/scratch.hpp"

namespace trainer_analyze_test {

using namespace hydra;
using namespace hydralora;
using test::error_of;
using test::has;

namespace {

using Tensors = std::map<std::string, DoubleMatrix>;  // by their names in the file

const std::vector<std::string> modules{"layers.0.self_attn.q_proj", "layers.0.mlp.down_proj",
                                       "layers.1.self_attn.q_proj", "layers.1.mlp.down_proj"};
constexpr Index rank = 3;

std::string key(const std::string& module, const std::string& rest) {
    return "base_model.model.model." + module + ".lora_" + rest;
}
Index in_of(const std::string& module) { return has(module, "down") ? 80 : 48; }
Index out_of(const std::string& module) { return has(module, "down") ? 48 : 64; }

DoubleMatrix random(Index rows, Index cols, std::uint64_t seed, double scale = 1) {
    DoubleMatrix m(rows, cols);
    test::Draw(seed).normal(m.view(), scale);
    return m;
}

/// A of start `start` with a change of its own, `moved` as large; B's of its own.
Tensors planted(std::uint64_t start, std::uint64_t own, double moved, Index heads) {
    Tensors tensors;
    for (std::size_t m = 0; m < modules.size(); ++m) {
        DoubleMatrix a = random(rank, in_of(modules[m]), 100 * start + m);
        const DoubleMatrix change = random(rank, in_of(modules[m]), 1000 * own + m + 7, moved);
        for (std::size_t e = 0; e < a.values.size(); ++e) a.values[e] += change.values[e];
        tensors[key(modules[m], "A.weight")] = a;
        for (Index h = 0; h < heads; ++h)
            tensors[key(modules[m], "B" + std::to_string(h) + ".weight")] =
                random(out_of(modules[m]), rank, 5000 * own + 50 * m + static_cast<std::uint64_t>(h));
        if (heads > 1) tensors[key(modules[m], "route.weight")] = random(heads, in_of(modules[m]), 3);
    }
    return tensors;
}

/// The planted numbers as files.
struct Folder {
    test::ScratchDirectory scratch;

    std::filesystem::path write(const std::string& name, const Tensors& tensors, io::Json config) const {
        std::vector<io::NamedTensor> named;
        for (const auto& [tensor, matrix] : tensors) named.push_back(io::named_tensor(tensor, matrix.view()));
        io::write_adapter_directory(scratch / name, config, named);
        return scratch / name;
    }
    std::filesystem::path write(const std::string& name, const Tensors& tensors, Index heads, Index r = rank) const {
        io::AdapterFileConfig config;
        config.rank = r;
        config.heads = heads;
        config.target_modules = {"q_proj", "down_proj"};
        config.gate = heads > 1 ? "softmax" : "none";
        return write(name, tensors, io::to_json(config));
    }
};

double plain_cosine(const DoubleMatrix& a, const DoubleMatrix& b) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t e = 0; e < a.values.size(); ++e) {
        ab += a.values[e] * b.values[e];
        aa += a.values[e] * a.values[e];
        bb += b.values[e] * b.values[e];
    }
    return ab / std::sqrt(aa * bb);
}

DoubleMatrix minus(DoubleMatrix a, const DoubleMatrix& b) {
    for (std::size_t e = 0; e < a.values.size(); ++e) a.values[e] -= b.values[e];
    return a;
}

}  // namespace

TEST_CASE("analyze: of adapters with one start, the A's alike, their changes and the B's not") {
    const Folder folder;
    const auto one = planted(1, 1, 0.25, 1), two = planted(1, 2, 0.25, 1), start = planted(1, 9, 0, 1);
    AnalyzeOptions options;
    options.adapters = {folder.write("one", one, 1), folder.write("two", two, 1)};
    options.start = {folder.write("start", start, 1)};
    const Analysis found = analyze(options);
    CHECK(found.names == std::vector<std::string>{"one", "two"});
    CHECK(found.a.names.size() == 2);
    CHECK(found.common_start);
    CHECK(found.a.mean_cosine == doctest::Approx(1 / (1 + 0.25 * 0.25)).epsilon(0.05));
    CHECK(std::abs(found.a.mean_change_cosine) < 0.1);
    CHECK(std::abs(found.b.mean_cosine) < 0.15);
    CHECK(found.start_cosine[0] == doctest::Approx(1 / std::sqrt(1 + 0.25 * 0.25)).epsilon(0.05));
    CHECK(found.moved[1] == doctest::Approx(0.25).epsilon(0.1));
    CHECK(has(conclusion(found), "The A's are alike: 0.9"));
    CHECK(has(conclusion(found), "the B's are not alike: "));
    CHECK(has(conclusion(found), "because they have barely left a common start."));

    double a = 0, b = 0, change = 0, rows = 0, columns = 0, with_start = 0;
    for (const std::string& module : modules) {
        const std::string x = key(module, "A.weight"), y = key(module, "B0.weight");
        a += plain_cosine(one.at(x), two.at(x)) / 4;
        b += plain_cosine(one.at(y), two.at(y)) / 4;
        change += plain_cosine(minus(one.at(x), start.at(x)), minus(two.at(x), start.at(x))) / 4;
        with_start += plain_cosine(one.at(x), start.at(x)) / 4;
        rows += subspace_overlap(principal_angles(one.at(x).view(), two.at(x).view(), SpanOf::rows)) / 4;
        columns += subspace_overlap(principal_angles(one.at(y).view(), two.at(y).view(), SpanOf::columns)) / 4;
    }
    CHECK(found.a.cosine(0, 1) == doctest::Approx(a).epsilon(1e-12));
    CHECK(found.b.cosine(1, 0) == doctest::Approx(b).epsilon(1e-12));
    CHECK(found.a.change_cosine(0, 1) == doctest::Approx(change).epsilon(1e-12));
    CHECK(found.start_cosine[0] == doctest::Approx(with_start).epsilon(1e-12));
    CHECK(found.a.overlap(0, 1) == doctest::Approx(rows).epsilon(1e-10));
    CHECK(found.b.overlap(0, 1) == doctest::Approx(columns).epsilon(1e-10));
    CHECK(found.a.chance == doctest::Approx((3.0 / 48 + 3.0 / 80) / 2).epsilon(1e-12));
    // By layer, then as a block has them.
    CHECK(found.a.module_cosine[1] ==
          doctest::Approx(plain_cosine(one.at(key(modules[1], "A.weight")), two.at(key(modules[1], "A.weight")))));
    // Once for each says the same.
    options.start = {options.start[0], options.start[0]};
    CHECK(analyze(options).a.change_cosine.values == found.a.change_cosine.values);
}

TEST_CASE("analyze: of adapters with starts of their own, nothing alike; without a start, it says what would tell") {
    const Folder folder;
    AnalyzeOptions options;
    options.adapters = {folder.write("one", planted(1, 1, 0.25, 1), 1), folder.write("two", planted(2, 2, 0.25, 1), 1)};
    CHECK(has(conclusion(analyze(options)), "The A's are not alike: "));
    CHECK(has(conclusion(analyze(options)), "--start tells"));
    options.start = {folder.write("start one", planted(1, 9, 0, 1), 1),
                     folder.write("start two", planted(2, 9, 0, 1), 1)};
    const Analysis found = analyze(options);
    CHECK_FALSE(found.common_start);
    CHECK(std::abs(found.a.mean_cosine) < 0.15);
    CHECK(std::abs(found.a.mean_change_cosine) < 0.15);
    CHECK(found.start_cosine[1] > 0.9);
    CHECK(has(conclusion(found), "from different starts, they stay different."));
    // Learnt the same: one change on two starts.
    options.adapters[1] = folder.write("same change", planted(2, 1, 0.25, 1), 1);
    CHECK(analyze(options).a.mean_change_cosine == doctest::Approx(1).epsilon(1e-9));
    CHECK(has(conclusion(analyze(options)), "from different starts, they learnt the same."));
}

TEST_CASE("analyze: each head is a B; a B of zeros is compared with nothing; one adapter's heads among themselves") {
    const Folder folder;
    auto hydra = planted(1, 1, 0.25, 3);
    for (const std::string& module : modules) {
        auto& last = hydra[key(module, "B2.weight")].values;
        std::fill(last.begin(), last.end(), 0.0);
        hydra[key(module, "B1.weight")] = hydra[key(module, "B0.weight")];
        for (double& v : hydra[key(module, "B1.weight")].values) v *= -2;
    }
    AnalyzeOptions options;
    options.adapters = {folder.write("hydra", hydra, 3), folder.write("lora", planted(1, 2, 0.25, 1), 1)};
    const Analysis found = analyze(options);
    CHECK(found.a.names == std::vector<std::string>{"hydra", "lora"});
    CHECK(found.b.names == std::vector<std::string>{"hydra B0", "hydra B1", "hydra B2", "lora"});
    CHECK(found.b.cosine(0, 1) == doctest::Approx(-1).epsilon(1e-12));
    CHECK(found.b.overlap(0, 1) == doctest::Approx(1).epsilon(1e-12));
    CHECK(std::isnan(found.b.cosine(0, 2)));
    CHECK(std::isnan(found.b.overlap(3, 2)));
    CHECK(found.b.map.size() == 3 * modules.size());
    // What is said of two adapters is not of the heads of one: B0 and B1 of hydra are opposed, and lora has another B.
    CHECK(found.b.mean_cosine == doctest::Approx(0).epsilon(1e-9));
    const std::string text = analysis_text(found);
    CHECK(has(text, "hydra, its heads"));
    CHECK(has(text, "-1.000"));
    CHECK_FALSE(has(text, "nan"));
    CHECK_FALSE(has(io::to_text(analysis_json(found), 0), "nan"));

    options.adapters = {folder.scratch / "hydra"};
    const Analysis alone = analyze(options);
    CHECK(alone.a.map.empty());
    CHECK(alone.b.cosine(0, 1) == doctest::Approx(-1).epsilon(1e-12));
    CHECK(has(conclusion(alone), "There is one A for all heads; the B's are opposed: -1.00"));
    CHECK(test::structure_error(analysis_page(alone)) == "");
}

TEST_CASE("analyze: a LoRA as PEFT writes it, and an A a head") {
    const Folder folder;
    Tensors peft, own;
    for (const auto& [name, matrix] : planted(1, 1, 0.25, 1)) {
        std::string other = name;
        if (has(name, "lora_B0")) other.replace(name.find("lora_B0"), 7, "lora_B");
        peft[other] = matrix;
    }
    for (const auto& [name, matrix] : planted(1, 2, 0.25, 2)) {
        if (has(name, "lora_A")) {
            own[name.substr(0, name.find("lora_A")) + "lora_A0.weight"] = matrix;
            own[name.substr(0, name.find("lora_A")) + "lora_A1.weight"] = random(matrix.rows, matrix.cols, 77);
        } else {
            own[name] = matrix;
        }
    }
    const auto config = io::Json::object({{"peft_type", "LORA"},
                                          {"r", rank},
                                          {"lora_alpha", 8},
                                          {"lora_dropout", 0.0},
                                          {"target_modules", io::Json(std::vector<std::string>{"q_proj", "down_proj"})},
                                          {"bias", "none"}});
    AnalyzeOptions options;
    options.adapters = {folder.write("peft", peft, config), folder.write("own", own, 2)};
    const Analysis found = analyze(options);
    CHECK(found.a.names == std::vector<std::string>{"peft", "own A0", "own A1"});
    CHECK(found.a.cosine(0, 1) > 0.9);
    CHECK(std::abs(found.a.cosine(0, 2)) < 0.2);
    // A start of another number of A's is none.
    options.start = {folder.scratch / "peft"};
    CHECK(has(error_of([&] { static_cast<void>(analyze(options)); }),
              "peft/adapter_model.safetensors: has 1 A's and 1 B's a module, "));
}

TEST_CASE("analyze: the map puts A's of one module together, and is a function of numbers and seed") {
    const Folder folder;
    AnalyzeOptions options;
    for (std::uint64_t i = 1; i <= 5; ++i)
        options.adapters.push_back(folder.write("a" + std::to_string(i), planted(1, i, 0.25, 1), 1));
    const Analysis found = analyze(options), again = analyze(options);
    REQUIRE(found.a.map.size() == 20);
    Index together = 0;
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK(found.a.map[i].x == again.a.map[i].x);
        std::size_t nearest = i;
        double least = INFINITY;
        for (std::size_t j = 0; j < 20; ++j) {
            const double apart = std::hypot(found.a.map[i].x - found.a.map[j].x, found.a.map[i].y - found.a.map[j].y);
            if (j != i && apart < least) least = apart, nearest = j;
        }
        together += found.a.map[nearest].module == found.a.map[i].module;
    }
    CHECK(together == 20);
    options.seed = 7;
    CHECK(analyze(options).a.map[0].x != found.a.map[0].x);
}

TEST_CASE("analyze: what it writes: a page that is well-formed, with names as text; all numbers as JSON") {
    const Folder folder;
    AnalyzeOptions options;
    options.adapters = {folder.write("<script>alert(1)<&'\"", planted(1, 1, 0.25, 2), 2),
                        folder.write("two\xff\x1b[2J", planted(1, 2, 0.25, 2), 2)};
    options.start = {folder.write("start", planted(1, 9, 0, 2), 2)};
    options.out = folder.scratch / "figure.html";
    options.json = folder.scratch / "numbers.json";
    run_analyze(options);
    const std::string page = test::content(options.out);
    CHECK(test::structure_error(page) == "");
    for (const char* part : {"<script", "http", "nan", "\x1b"}) CHECK_FALSE(has(page, part));
    for (const char* part : {"The A&#39;s of all modules by t-SNE", "Cosines of the changes A - A0", "layer 1",
                             "down_proj", "&lt;script&gt;alert(1)&lt;&amp;&#39;&quot;"})
        CHECK(has(page, part));
    const io::Json json = io::read_json(options.json);
    CHECK(json.find("pairs")->size() == 3);
    CHECK(json.find("modules")->size() == 4);
    CHECK(json.find("a")->find("map")->size() == 8);
    CHECK(json.find("b")->find("cosine")->size() == 4);
    const Analysis found = analyze(options);
    CHECK(*json.find("a")->find("mean_cosine")->get_if<double>() == found.a.mean_cosine);
    CHECK(*json.find("conclusion")->get_if<std::string>() == conclusion(found));
    options.out = options.adapters[0] / "figure.html";
    CHECK(has(error_of([&] { run_analyze(options); }), "would be written over"));
    options.out = options.json;
    CHECK(has(error_of([&] { run_analyze(options); }), "is the name of --out; choose another"));
}

TEST_CASE("analyze: adapters that cannot be compared are named, with module and shapes") {
    const Folder folder;
    const auto of = [](std::vector<std::filesystem::path> adapters, std::vector<std::filesystem::path> start = {}) {
        AnalyzeOptions options;
        options.adapters = std::move(adapters);
        options.start = std::move(start);
        return error_of([&] { static_cast<void>(analyze(options)); });
    };
    const auto good = planted(1, 1, 0.25, 1);
    const auto one = folder.write("one", good, 1), two = folder.write("two", planted(1, 2, 0.25, 1), 1);
    const std::string file = "/adapter_model.safetensors";
    CHECK(of({one}) == one.string() +
                           ": has one head, so that there is nothing to compare; name two adapters, or one of several "
                           "heads");
    CHECK(of({one, two}, {one, one, one}) ==
          "--start: given 3 times for 2 adapters, expected once for all or once for each");
    auto other = good;
    other[key(modules[2], "A.weight")] = random(rank, 50, 1);
    CHECK(of({one, folder.write("other shape", other, 1)}) ==
          one.string() + file + ": A of layers.1.self_attn.q_proj is (3, 48), in " +
              (folder.scratch / "other shape").string() + file +
              " (3, 50); compare adapters of the same base and rank");
    CHECK(has(of({one, two}, {folder.scratch / "other shape"}), "A of layers.1.self_attn.q_proj is (3, 48), in "));
    other = good;
    other.erase(key(modules[3], "A.weight"));
    other.erase(key(modules[3], "B0.weight"));
    const auto fewer = folder.write("fewer", other, 1);
    const std::string missing =
        one.string() + file + ": adapts layers.1.mlp.down_proj with A (3, 80) and B (48, 3), which " + fewer.string() +
        file + " does not; compare adapters of the same base and target modules";
    CHECK(of({one, fewer}) == missing);
    CHECK(of({fewer, one}) == missing);

    // Directories that are no whole adapters.
    other = good;
    other.erase(key(modules[3], "B0.weight"));
    CHECK(has(of({one, folder.write("without b", other, 1)}),
              ": layers.1.mlp.down_proj: expected lora_A and lora_B, found no lora_B"));
    other = good;
    other["base_model.model.lm_head.weight"] = random(2, 2, 1);
    CHECK(has(of({one, folder.write("more", other, 1)}), "expected the A, B or router of a linear layer, as "));
    other = good;
    other[key(modules[3], "B2.weight")] = random(48, rank, 1);
    CHECK(has(of({one, folder.write("gap", other, 1)}), "expected lora_B1, found lora_B2"));
    other[key(modules[3], "B1.weight")] = random(48, rank, 1);
    CHECK(has(of({one, folder.write("uneven", other, 1)}), "has 1 A's and 3 B's, "));
    other = good;
    other[key(modules[0], "B0.weight")] = random(64, 2, 1);
    CHECK(has(of({one, folder.write("ranks", other, 1)}), "A is (3, 48) and B (64, 2), expected as many rows of A as"));
    CHECK(has(of({one, folder.write("another rank", good, 1, 4)}),
              "rank 3 and 1 heads, adapter_config.json says 4 and 1"));
    CHECK(has(of({one, folder.scratch / "nowhere"}), "found nothing of that name"));
}

}  // namespace trainer_analyze_test
