// The rows of a layer that are held against targets (bench/support/targets.txt, rows A, D, E, F, I and J), and the time of one
// step for row G, which two builds of this program tell in turn.
//
//   --targets=FILE  the table of targets       --json=FILE  append one JSON object a row to FILE
//   --threads=N     as many threads (default: as many as the machine has)      --quick  fewer cases
//   --step          nothing but the seconds of a step of 2048x2048 T=512 N=3: the least of some
//
//   T tokens, r rank, N heads

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <hydralora/core/isa.hpp>
#include <hydralora/core/process_limits.hpp>
#include <hydralora/panel/kernel.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../tests/support/allocation_counter.hpp"
#include "../thrust/row.hpp"
#include "layer.hpp"

namespace {

using namespace bench;

struct Options {
    std::string targets, json;
    int threads = hydralora::available_processors();
    bool quick = false, step = false;
};

/// The lines "row|case|sense|target|unit" of a file.
class Targets {
public:
    explicit Targets(const std::string& path) {
        std::ifstream file(path);
        check(file.good(), "target_rows: cannot read --targets=", path);
        for (std::string line; std::getline(file, line);) {
            std::vector<std::string> field(1);
            for (const char c : line)
                if (c == '|')
                    field.emplace_back();
                else
                    field.back() += c;
            if (line.empty() || line[0] == '#') continue;
            check(field.size() == 5, "target_rows: ", path, ": expected row|case|sense|target|unit, found ", line);
            const double value = std::stod(field[3]);
            names_[{field[0], field[1]}] = {field[0], field[1], field[4],
                                            field[2] == "<=" ? at_most(value) : at_least(value)};
        }
    }
    [[nodiscard]] const RowName& of(const std::string& row, const std::string& words) const {
        const auto found = names_.find({row, words});
        check(found != names_.end(), "target_rows: no target for row ", row, ", ", words);
        return found->second;
    }

private:
    std::map<std::pair<std::string, std::string>, RowName> names_;
};

/// Prints rows, and appends them to a file of JSON.
class Rows {
public:
    explicit Rows(const Options& options) : targets_(options.targets) {
        if (options.json.empty()) return;
        json_.open(options.json, std::ios::app);
        check(json_.good(), "target_rows: cannot write --json=", options.json);
    }
    /// A row by its case in the table; `more` is added to the case, the target is left out where it is not `judged`.
    void tell(const std::string& row, const std::string& words, const Spread& measured, const std::string& more = "",
              bool judged = true) {
        RowName name = targets_.of(row, words);
        name.words += more;
        if (!judged) name.target.reset();
        std::printf("%-3s%-52s %10.4g [%.4g, %.4g] %s", row.c_str(), name.words.c_str(), measured.median,
                    measured.least, measured.most, name.unit.c_str());
        if (name.target)
            std::printf("  %s %g: %s", name.target->sense == Target::Sense::at_most ? "<=" : ">=", name.target->value,
                        name.target->holds(measured.median) ? "holds" : "MISSED");
        std::printf("\n");
        std::fflush(stdout);
        if (json_.is_open()) json_ << line_of(name, measured, "bash bench/run.sh") << '\n' << std::flush;
    }

private:
    Targets targets_;
    std::ofstream json_;
};

/// Rounds of two things in turn, after one warm-up each.
template <class F, class G>
Rounds rounds_of(int count, F&& subject, G&& beside) {
    beside();
    subject();
    Rounds rounds;
    for (int i = 0; i < count; ++i) round_of(rounds, subject, beside);
    return rounds;
}

using PackedJoined = Joined<PackedJoinedWeight<B>>;

/// A: what the adapter adds to its packed frozen product. D: the share of the peak that the layer reaches.
void overhead_and_share(Rows& rows, const Options& options) {
    struct Case {
        Shape3 shape;
        Index heads;
    };
    std::vector<Case> cases = {{{2048, 2048, 512}, 3}, {{768, 3072, 512}, 3}};
    if (!options.quick)
        cases = {{{2048, 2048, 512}, 3},  {{2048, 2048, 512}, 8}, {{2048, 2048, 2048}, 3},
                 {{2048, 2048, 2048}, 8}, {{768, 3072, 512}, 3},  {{768, 3072, 512}, 8}};
    const std::string instructions(isa_name());
    for (const auto& [shape, heads] : cases) {
        Layer layer(shape, heads, options.threads);
        PackedJoined joined(layer);
        const double frozen = FrozenStep::flops(shape.tokens, shape.in, shape.out);
        const Rounds measured = rounds_of(
            rounds_for(2 * frozen, 4.0), [&] { joined.step(); }, [&] { layer.frozen_step(layer.packed); });
        const std::string name = words(shape) + " N=" + std::to_string(heads),
                          threads = " threads=" + std::to_string(options.threads);
        rows.tell("A", name, spread_of(measured.ratio), threads);
        if (instructions != "avx512" && instructions != "avx2") continue;
        const double limit = (frozen + adapter_flops(shape, heads)) / peak(options.threads).flops;
        const Spread time = spread_of(measured.subject);
        rows.tell("D", instructions, {limit / time.median, limit / time.most, limit / time.least},
                  ", " + name + threads);
    }
}

/// E: what forward keeps for backward besides x, and what a step allocates after the first two.
void memory(Rows& rows, const Options& options) {
    const Shape3 shape{2048, 2048, 512};
    Layer layer(shape, 3, options.threads);
    PackedJoined joined(layer);
    joined.step();
    joined.step();
    const long before = test::allocations();
    for (int i = 0; i < 3; ++i) joined.step();
    const long allocations = test::allocations() - before;
    const Index kept = joined.cache.u.size() + joined.cache.g.size();
    rows.tell("E", "cache beyond x, r=8 N=3",
              only(static_cast<double>(kept) * sizeof(float) / static_cast<double>(shape.tokens)));
    rows.tell("E", "allocations of a step", only(static_cast<double>(allocations)));
}

/// |a - b| / |b|
template <class T>
double difference(MatrixView<const float> a, MatrixView<const T> b) {
    double sum = 0, of = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) {
            const double d = static_cast<double>(a(i, j)) - static_cast<double>(b(i, j));
            sum += d * d;
            of += static_cast<double>(b(i, j)) * static_cast<double>(b(i, j));
        }
    return std::sqrt(sum / of);
}

/// F: the gradients of the layer against those of the same layer in double, the largest of all tensors'.
void gradients(Rows& rows, const Options& options) {
    const Shape3 shape = options.quick ? Shape3{768, 768, 256} : Shape3{2048, 2048, 512};
    using D = BasicEigenBackend<double>;
    Layer layer(shape, 3, options.threads);
    PackedJoined joined(layer);
    visit([&](const ParamPath&, auto& m) { layer.be.fill(m.view(), 0.0f); }, layer.grads);
    joined.step();

    D wide({.threads = options.threads});
    const auto widen = [&](const auto& m, Index cols) {
        ActivationBuffer<D> to(wide, m.rows(), cols);
        wide.cast(m.view().col_slice(0, cols), to.view());
        return to;
    };
    const auto w = widen(layer.w, shape.in), x = widen(joined.x, shape.in), dy = widen(joined.dy, shape.out);
    ActivationBuffer<D> y(wide, shape.tokens, shape.out), dx(wide, shape.tokens, shape.in);
    auto params = make_params(wide, layer.config), grads = make_params(wide, layer.config);
    visit([&](const ParamPath&, auto& to, const auto& from) { wide.cast(from.view(), to.view()); }, params,
          std::as_const(layer.params));
    const HydraLinear linear(DenseWeight<D>{w.view()}, HydraAdapter(wide, layer.config, views(params)));
    HydraLinear<D>::Cache cache;
    linear.forward(wide, x.view(), y.view(), cache);
    linear.backward(wide, x.view(), dy.view(), cache, dx.view(), views(grads));

    double most = difference(std::as_const(layer.dx).view(), std::as_const(dx).view());
    visit(
        [&](const ParamPath&, const auto& a, const auto& b) { most = std::max(most, difference(a.view(), b.view())); },
        std::as_const(layer.grads), std::as_const(grads));
    rows.tell("F", "gradients in float / in double", only(most), ", " + words(shape) + " N=3");
}

/// Of the numbers of a and b, how many have other bits.
Index differing(MatrixView<const float> a, MatrixView<const float> b) {
    Index count = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) count += std::memcmp(&a(i, j), &b(i, j), sizeof(float)) != 0;
    return count;
}

/// I: 1, 2, 3 and 4 threads give the same bits; 2 are about twice as fast as 1.
void threads(Rows& rows) {
    const Shape3 shape{2048, 2048, 512};
    Layer one(shape, 3, 1), two(shape, 3, 2);
    PackedJoined joined_one(one), joined_two(two);
    const auto clear = [](Layer& l) { visit([&](const ParamPath&, auto& m) { l.be.fill(m.view(), 0.0f); }, l.grads); };
    clear(one);
    joined_one.step();
    Index count = 0;
    const auto compare_to_one = [&](Layer& other, PackedJoined& joined) {
        clear(other);
        joined.step();
        count += differing(std::as_const(one.y).view(), std::as_const(other.y).view()) +
                 differing(std::as_const(one.dx).view(), std::as_const(other.dx).view());
        visit([&](const ParamPath&, const auto& a, const auto& b) { count += differing(a.view(), b.view()); },
              std::as_const(one.grads), std::as_const(other.grads));
    };
    compare_to_one(two, joined_two);
    for (const int n : {3, 4}) {
        Layer many(shape, 3, n);
        PackedJoined joined(many);
        compare_to_one(many, joined);
    }
    rows.tell("I", "numbers that differ on 2, 3, 4 threads", only(static_cast<double>(count)));
    if (hydralora::available_processors() < 2) return;
    const Rounds measured = rounds_of(
        9, [&] { joined_one.step(); }, [&] { joined_two.step(); });
    rows.tell("I", "1 thread / 2 threads", spread_of(measured.ratio), ", 2048x2048 T=512 N=3");
}

/// J: W0 in bfloat16 on both sides of its products, beside the same in float. Faster only where the processor multiplies
/// bfloat16; elsewhere the row tells and is not judged.
void bfloat16_weight(Rows& rows, const Options& options) {
    const Shape3 shape{2048, 2048, 512};
    Layer layer(shape, 1, options.threads);
    Buffer<B, bfloat16> stored(layer.be, shape.out, shape.in);
    for (Index i = 0; i < stored.size(); ++i) stored.view().data[i] = static_cast<bfloat16>(layer.w.view().data[i]);
    const PackedWeight<B> halves(layer.be, std::as_const(stored).view(), {}, {.storage = PanelStorage::bfloat16_dots});
    const auto step = [&](const PackedWeight<B>& weight) {
        weight.apply(layer.be, layer.x.view(), layer.y.view());
        weight.apply_transposed(layer.be, layer.dy.view(), layer.dx.view());
    };
    const auto& floats = layer.packed.weight();
    const Rounds measured = rounds_of(
        9, [&] { step(halves); }, [&] { step(floats); });
    const bool dots = panel::dot_kernel() != nullptr;
    rows.tell("J", "bfloat16 W0 / float W0, time", spread_of(measured.ratio), dots ? "" : " (no AVX512_BF16 here)",
              dots);
    rows.tell("J", "bfloat16 W0 / float W0, memory",
              only(static_cast<double>(halves.bytes()) / static_cast<double>(floats.bytes())));
}

/// G's half: the least time of a step in this build.
double step_seconds(const Options& options) {
    Layer layer({2048, 2048, 512}, 3, options.threads);
    PackedJoined joined(layer);
    joined.step();
    double least = 1e9;
    for (int i = 0; i < 7; ++i) {
        const double start = seconds();
        joined.step();
        least = std::min(least, seconds() - start);
    }
    return least;
}

int run(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const auto value = [&](std::string_view name) -> std::optional<std::string> {
            if (argument.rfind(name, 0) != 0) return std::nullopt;
            return std::string(argument.substr(name.size()));
        };
        if (argument == "--quick")
            options.quick = true;
        else if (argument == "--step")
            options.step = true;
        else if (const auto file = value("--targets="))
            options.targets = *file;
        else if (const auto json = value("--json="))
            options.json = *json;
        else if (const auto n = value("--threads="); n && std::atoi(n->c_str()) > 0)
            options.threads = std::atoi(n->c_str());
        else
            fail("unknown argument ", argument,
                 "; known: --targets=FILE, --json=FILE, --threads=N (1 or more), --quick, --step");
    }
    if (options.step) {
        std::printf("%.6f\n", step_seconds(options));
        return 0;
    }
    Rows rows(options);
    overhead_and_share(rows, options);
    memory(rows, options);
    gradients(rows, options);
    threads(rows);
    bfloat16_weight(rows, options);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const Error& error) {
        std::fprintf(stderr, "target_rows: %s\n", error.what());
        return 2;
    }
}
