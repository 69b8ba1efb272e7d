#include "analyze.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include <hydralora/analysis/principal_angles.hpp>
#include <hydralora/analysis/similarity.hpp>
#include <hydralora/analysis/t_sne.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/lora_modules.hpp>
#include <hydralora/io/write_file.hpp>

#include "chart.hpp"
#include "outputs.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

/// The mean of what was added, without NaN; NaN of nothing.
class Mean {
public:
    void add(double value) {
        if (std::isnan(value)) return;
        sum_ += value;
        ++count_;
    }
    [[nodiscard]] double value() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : nothing; }

private:
    double sum_ = 0;
    Index count_ = 0;
};

/// f(i, j) for the pairs of items that a mean is over: those of different adapters, or of one the heads among themselves.
template <class F>
void for_each_pair(const Likeness& kind, const F& f) {
    const auto& of = kind.adapter;
    const bool several = !of.empty() && of.front() != of.back();
    for (std::size_t i = 0; i < of.size(); ++i)
        for (std::size_t j = i + 1; j < of.size(); ++j)
            if (!several || of[i] != of[j]) f(i, j);
}

double mean_over_pairs(const Likeness& kind, const DoubleMatrix& m) {
    Mean mean;
    for_each_pair(kind,
                  [&](std::size_t i, std::size_t j) { mean.add(m(static_cast<Index>(i), static_cast<Index>(j))); });
    return mean.value();
}

double norm(const DoubleMatrix& m) { return std::sqrt(dense_detail::dot(m.row(0), m.row(0), m.rows * m.cols)); }

bool is_zero(const DoubleMatrix& m) {
    return std::all_of(m.values.begin(), m.values.end(), [](double v) { return v == 0; });
}

DoubleMatrix difference(const DoubleMatrix& from, const DoubleMatrix& what) {
    DoubleMatrix m = from;
    for (std::size_t e = 0; e < m.values.size(); ++e) m.values[e] -= what.values[e];
    return m;
}

/// Adds to each mean of pairs (I, I), row by row, the measure of that pair; NaN where one of the two is zero.
template <class Measure>
void add_pairs(const std::vector<const DoubleMatrix*>& items, std::vector<Mean>& means, const Measure& measure) {
    for (std::size_t i = 0; i < items.size(); ++i)
        for (std::size_t j = 0; j < items.size(); ++j)
            means[i * items.size() + j].add(is_zero(*items[i]) || is_zero(*items[j]) ? nothing : measure(i, j));
}

DoubleMatrix values_of(const std::vector<Mean>& means, Index count) {
    DoubleMatrix m(count, count);
    for (std::size_t e = 0; e < means.size(); ++e) m.values[e] = means[e].value();
    return m;
}

/// cos (I, I) of the matrices of one module.
DoubleMatrix cosines(const std::vector<const DoubleMatrix*>& items) {
    std::vector<MatrixView<const double>> views;
    for (const DoubleMatrix* m : items) views.push_back(m->view());
    return pairwise_cosine(std::span<const MatrixView<const double>>(views));
}

/// Each matrix as a point: flat, of length 1, so that distances tell of cosines; zeros behind the shorter ones.
void draw(Likeness& found, const std::vector<std::vector<const DoubleMatrix*>>& modules, std::uint64_t seed) {
    const auto items = static_cast<Index>(found.names.size());
    Index width = 0;
    for (std::size_t m = 0; m < modules.size(); ++m)
        for (Index i = 0; i < items; ++i) {
            const DoubleMatrix& matrix = *modules[m][static_cast<std::size_t>(i)];
            if (is_zero(matrix)) continue;
            found.map.push_back({i, static_cast<Index>(m)});
            width = std::max(width, matrix.rows * matrix.cols);
        }
    const auto n = static_cast<Index>(found.map.size());
    if (items < 2 || n < 2) return found.map.clear();
    DoubleMatrix points(n, width);
    for (Index p = 0; p < n; ++p) {
        const Placed& at = found.map[static_cast<std::size_t>(p)];
        const DoubleMatrix& m = *modules[static_cast<std::size_t>(at.module)][static_cast<std::size_t>(at.item)];
        dense_detail::add_multiple(points.row(p), 1 / norm(m), m.row(0), m.rows * m.cols);
    }
    DoubleMatrix y;
    found.drawn_by_components = n < 4;
    if (found.drawn_by_components) {
        y = pca(points.view(), std::min<Index>({2, n, width})).scores;
    } else {
        TSne how;
        how.perplexity =
            std::min({std::clamp(2.0 * static_cast<double>(items), 5.0, 30.0), static_cast<double>(n - 1) / 3});
        how.seed = Seed{seed};
        how.threads = 0;
        y = t_sne(points.view(), how).y;
    }
    for (Index p = 0; p < n; ++p) {
        Placed& at = found.map[static_cast<std::size_t>(p)];
        at.x = y(p, 0);
        at.y = y.cols > 1 ? y(p, 1) : 0;
    }
}

/// modules: the matrices of each, one an item; starts: likewise, or empty.
void measure(Likeness& found, SpanOf span, const std::vector<std::vector<const DoubleMatrix*>>& modules,
             const std::vector<std::vector<const DoubleMatrix*>>& starts, std::uint64_t seed) {
    const std::size_t items = found.names.size();
    std::vector<Mean> cosine(items * items), overlap(items * items), change(items * items);
    Mean chance;
    for (std::size_t m = 0; m < modules.size(); ++m) {
        const auto& matrices = modules[m];
        const DoubleMatrix all = cosines(matrices);
        const auto at = [](const DoubleMatrix& c) {
            return [&c](std::size_t i, std::size_t j) { return c(static_cast<Index>(i), static_cast<Index>(j)); };
        };
        add_pairs(matrices, cosine, at(all));
        Mean of_module;
        for_each_pair(found, [&](std::size_t i, std::size_t j) {
            of_module.add(is_zero(*matrices[i]) || is_zero(*matrices[j]) ? nothing : at(all)(i, j));
        });
        found.module_cosine.push_back(of_module.value());

        std::vector<DoubleMatrix> bases;
        for (const DoubleMatrix* matrix : matrices)
            bases.push_back(is_zero(*matrix) ? DoubleMatrix() : spanning_basis(matrix->view(), span));
        add_pairs(matrices, overlap,
                  [&](std::size_t i, std::size_t j) { return subspace_overlap(bases[i], bases[j]); });
        for (const DoubleMatrix& basis : bases)
            if (basis.cols > 0) chance.add(static_cast<double>(basis.rows) / static_cast<double>(basis.cols));

        if (starts.empty()) continue;
        std::vector<DoubleMatrix> changes;
        for (std::size_t i = 0; i < items; ++i) changes.push_back(difference(*matrices[i], *starts[m][i]));
        std::vector<const DoubleMatrix*> pointers;
        for (const DoubleMatrix& each : changes) pointers.push_back(&each);
        const DoubleMatrix changed = cosines(pointers);
        add_pairs(pointers, change, at(changed));
    }
    const auto count = static_cast<Index>(items);
    found.cosine = values_of(cosine, count);
    found.overlap = values_of(overlap, count);
    if (!starts.empty()) found.change_cosine = values_of(change, count);
    found.chance = chance.value();
    found.mean_cosine = mean_over_pairs(found, found.cosine);
    found.mean_overlap = mean_over_pairs(found, found.overlap);
    found.mean_change_cosine = starts.empty() ? nothing : mean_over_pairs(found, found.change_cosine);
    draw(found, modules, seed);
}

/// "run" for run/adapter, else the last component; whole paths where that does not tell all apart.
std::vector<std::string> short_names(const std::vector<fs::path>& paths) {
    std::vector<std::string> names;
    for (const fs::path& path : paths) {
        fs::path whole = path.lexically_normal();
        if (!whole.has_filename()) whole = whole.parent_path();
        if (whole.filename() == "adapter" && whole.parent_path().has_filename()) whole = whole.parent_path();
        names.push_back(whole.filename().string());
    }
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
    names.clear();
    for (const fs::path& path : paths) names.push_back(path.string());
    return names;
}

void check_start(const AdapterFactors& adapter, const AdapterFactors& start) {
    check_comparable(adapter, start);
    check(adapter.a_count() == start.a_count() && adapter.heads() == start.heads(), "--start ", start.file, ": has ",
          start.a_count(), " A's and ", start.heads(), " B's a module, ", adapter.file, " has ", adapter.a_count(),
          " and ", adapter.heads(), "; name the adapter that it began as");
}

/// The mean over the pairs of one adapter's items with another's, or of the heads of one.
double between(const Likeness& kind, const DoubleMatrix& m, Index first, Index second) {
    Mean mean;
    for (Index i = 0; i < m.rows; ++i)
        for (Index j = 0; j < m.rows; ++j)
            if (kind.adapter[static_cast<std::size_t>(i)] == first &&
                kind.adapter[static_cast<std::size_t>(j)] == second && (first != second || i < j))
                mean.add(m(i, j));
    return mean.value();
}

struct Pair {
    Index first, second;  // adapters; the same one: its heads among themselves
    double a_cosine, a_overlap, a_change, b_cosine, b_overlap;
};

std::vector<Pair> pairs_of(const Analysis& found) {
    std::vector<Pair> pairs;
    const auto count = static_cast<Index>(found.names.size());
    for (Index p = 0; p < count; ++p)
        for (Index q = p; q < count; ++q) {
            if (p == q && found.factors[static_cast<std::size_t>(p)].heads() < 2) continue;
            const bool changes = !found.a.change_cosine.values.empty();
            pairs.push_back({p, q, between(found.a, found.a.cosine, p, q), between(found.a, found.a.overlap, p, q),
                             changes ? between(found.a, found.a.change_cosine, p, q) : nothing,
                             between(found.b, found.b.cosine, p, q), between(found.b, found.b.overlap, p, q)});
        }
    return pairs;
}

std::string pair_name(const Analysis& found, const Pair& pair) {
    const std::string& first = found.names[static_cast<std::size_t>(pair.first)];
    return pair.first == pair.second ? first + ", its heads"
                                     : first + " - " + found.names[static_cast<std::size_t>(pair.second)];
}

/// Of a cosine or an overlap; nothing where there is none.
std::string shown(double value) { return std::isnan(value) ? "" : rounded(value, 3); }

const std::vector<std::string> pair_header{"pair", "cos A", "overlap A", "cos change of A", "cos B", "overlap B"};

std::vector<std::string> pair_row(const Analysis& found, const Pair& p) {
    return {pair_name(found, p), shown(p.a_cosine), shown(p.a_overlap),
            shown(p.a_change),   shown(p.b_cosine), shown(p.b_overlap)};
}

io::Json number(double value) { return std::isfinite(value) ? io::Json(value) : io::Json(); }

io::Json rows_of(const DoubleMatrix& m) {
    if (m.values.empty()) return {};
    io::Json rows = io::Json::array();
    for (Index i = 0; i < m.rows; ++i) {
        io::Json row = io::Json::array();
        for (Index j = 0; j < m.cols; ++j) row.push(number(m(i, j)));
        rows.push(row);
    }
    return rows;
}

io::Json likeness_json(const Likeness& kind) {
    io::Json map = io::Json::array(), names = io::Json::array();
    for (const std::string& name : kind.names) names.push(readable(name));
    for (const Placed& at : kind.map)
        map.push(io::Json::object({{"item", at.item}, {"module", at.module}, {"x", at.x}, {"y", at.y}}));
    return io::Json::object({{"items", names},
                             {"mean_cosine", number(kind.mean_cosine)},
                             {"mean_overlap", number(kind.mean_overlap)},
                             {"overlap_by_chance", number(kind.chance)},
                             {"mean_cosine_of_change", number(kind.mean_change_cosine)},
                             {"cosine", rows_of(kind.cosine)},
                             {"overlap", rows_of(kind.overlap)},
                             {"cosine_of_change", rows_of(kind.change_cosine)},
                             {"map", map}});
}

std::string scatter(const Analysis& found, const Likeness& kind, const std::string& letter) {
    if (kind.map.empty()) return {};
    std::vector<Dot> dots;
    for (const Placed& at : kind.map)
        dots.push_back({at.x, at.y, at.item,
                        kind.names[static_cast<std::size_t>(at.item)] + ", " +
                            found.factors.front().modules[static_cast<std::size_t>(at.module)].name});
    return scatter_chart(
        "The " + letter + "'s of all modules by " + (kind.drawn_by_components ? "principal components" : "t-SNE"),
        kind.names, dots);
}

std::string pair_maps(const Likeness& kind, const std::string& letter, const std::string& spaces) {
    if (kind.names.size() < 2) return {};
    std::string html =
        heat_map("Cosines of the " + letter + "'s, mean over modules", kind.names, kind.names, kind.cosine.values, -1,
                 1) +
        heat_map("Overlap of the " + spaces + " of the " + letter + "'s (by chance " + fixed(kind.chance, 3) + ")",
                 kind.names, kind.names, kind.overlap.values, 0, 1);
    if (!kind.change_cosine.values.empty())
        html += heat_map("Cosines of the changes " + letter + " - " + letter + "0, mean over modules", kind.names,
                         kind.names, kind.change_cosine.values, -1, 1);
    return html;
}

/// Layers down, linear layers across.
std::string module_map(const Analysis& found, const Likeness& kind, const std::string& letter) {
    if (kind.names.size() < 2) return {};
    std::vector<std::string> rows, columns;
    std::set<Index> layers;
    std::set<std::size_t> targets;
    const auto& modules = found.factors.front().modules;
    for (const ModuleFactors& m : modules) layers.insert(m.layer), targets.insert(m.target);
    for (const Index layer : layers) rows.push_back("layer " + std::to_string(layer));
    for (const std::size_t target : targets) columns.emplace_back(io::lora_modules[target].name);
    std::vector<double> values(rows.size() * columns.size(), nothing);
    for (std::size_t m = 0; m < modules.size(); ++m)
        values[static_cast<std::size_t>(std::distance(layers.begin(), layers.find(modules[m].layer))) * columns.size() +
               static_cast<std::size_t>(std::distance(targets.begin(), targets.find(modules[m].target)))] =
            kind.module_cosine[m];
    return heat_map("Mean cosine of the " + letter + "'s, module by module", rows, columns, values, -1, 1);
}

}  // namespace

Analysis analyze(const AnalyzeOptions& options) {
    check(!options.adapters.empty(), "hydra analyze: expected at least one adapter");
    const std::size_t count = options.adapters.size();
    check(options.start.empty() || options.start.size() == 1 || options.start.size() == count, "--start: given ",
          options.start.size(), " times for ", count, " adapters, expected once for all or once for each");
    Analysis found;
    found.names = short_names(options.adapters);
    for (const fs::path& path : options.adapters) {
        found.factors.push_back(read_factors(path));
        check_comparable(found.factors.front(), found.factors.back());
    }
    check(count > 1 || found.factors.front().heads() > 1, options.adapters.front().string(),
          ": has one head, so that there is nothing to compare; name two adapters, or one of several heads");
    std::vector<AdapterFactors> starts;
    for (const fs::path& path : options.start) starts.push_back(read_factors(path));
    const auto start_of = [&](std::size_t p) -> const AdapterFactors& { return starts[starts.size() == 1 ? 0 : p]; };

    for (std::size_t p = 0; p < count; ++p) {
        const AdapterFactors& adapter = found.factors[p];
        if (!starts.empty()) check_start(adapter, start_of(p));
        const auto add = [&](Likeness& kind, Index matrices, const char* letter) {
            for (Index i = 0; i < matrices; ++i) {
                std::string name = found.names[p];
                if (matrices > 1) name.append(" ").append(letter).append(std::to_string(i));
                kind.names.push_back(name);
                kind.adapter.push_back(static_cast<Index>(p));
            }
        };
        add(found.a, adapter.a_count(), "A");
        add(found.b, adapter.heads(), "B");
    }

    const std::size_t modules = found.factors.front().modules.size();
    std::vector<std::vector<const DoubleMatrix*>> a(modules), b(modules), a0(starts.empty() ? 0 : modules);
    for (std::size_t m = 0; m < modules; ++m)
        for (std::size_t p = 0; p < count; ++p) {
            for (const DoubleMatrix& matrix : found.factors[p].modules[m].a) a[m].push_back(&matrix);
            for (const DoubleMatrix& matrix : found.factors[p].modules[m].b) b[m].push_back(&matrix);
            if (!starts.empty())
                for (const DoubleMatrix& matrix : start_of(p).modules[m].a) a0[m].push_back(&matrix);
        }
    measure(found.a, SpanOf::rows, a, a0, options.seed);
    measure(found.b, SpanOf::columns, b, {}, options.seed);

    if (starts.empty()) return found;
    found.common_start = true;
    std::vector<Mean> cosine(count), moved(count);
    for (std::size_t m = 0; m < modules; ++m)
        for (std::size_t i = 0; i < found.a.names.size(); ++i) {
            const auto p = static_cast<std::size_t>(found.a.adapter[i]);
            const DoubleMatrix &now = *a[m][i], &before = *a0[m][i];
            const bool some = !is_zero(before);
            cosine[p].add(some && !is_zero(now) ? hydralora::cosine(now.view(), before.view()) : nothing);
            moved[p].add(some ? norm(difference(now, before)) / norm(before) : nothing);
            found.common_start = found.common_start && before.values == a0[m].front()->values;
        }
    for (std::size_t p = 0; p < count; ++p) {
        found.start_cosine.push_back(cosine[p].value());
        found.moved.push_back(moved[p].value());
    }
    return found;
}

std::string conclusion(const Analysis& found) {
    constexpr double alike = 0.5;
    const auto word = [](double cosine) -> std::string {
        if (std::isnan(cosine)) return "cannot be compared, for they are zero";
        const std::string number = ": " + rounded(cosine, 2);
        if (cosine >= alike) return "are alike" + number;
        if (cosine >= alike / 2) return "are somewhat alike" + number;
        return (cosine > -alike / 2 ? "are not alike" : "are opposed") + number;
    };
    const bool several = found.a.names.size() > 1;
    const std::string b = "the B's " + word(found.b.mean_cosine);
    if (!several) return "There is one A for all heads; " + b + " (mean cosine over modules and pairs).";
    const std::string a = "The A's " + word(found.a.mean_cosine);
    std::string text = a + "; " + b + " (mean cosines over modules and pairs).";
    if (found.start_cosine.empty())
        return text + " Whether the A's learnt the same or only began the same, --start tells: the adapter at step 0.";
    Mean kept;
    for (const double cosine : found.start_cosine) kept.add(cosine);
    const double change = found.a.mean_change_cosine, stayed = kept.value();
    text += " The changes of A since the start " + word(change) + "; ";
    const bool at_start = stayed >= 0.9;
    text += "the cosine of A with its start is " + (std::isnan(stayed) ? std::string("unknown") : rounded(stayed, 2));
    if (found.a.mean_cosine >= alike && (std::isnan(change) || change < alike) && found.common_start)
        text += at_start ? ": the A's are alike because they have barely left a common start."
                         : ": the A's are alike by their common start, not by what they learnt.";
    else if (found.a.mean_cosine >= alike && change >= alike)
        text += ": the A's are alike in what they learnt, too.";
    else if (found.a.mean_cosine < alike && !found.common_start && !std::isnan(change))
        text += change >= alike ? ": from different starts, they learnt the same."
                                : ": from different starts, they stay different.";
    else
        text += ".";
    return text;
}

std::string analysis_text(const Analysis& found) {
    const auto& modules = found.factors.front().modules;
    std::string text = counted(static_cast<long long>(found.names.size()), "adapter") + ", " +
                       counted(static_cast<long long>(modules.size()), "module") + "; means over modules\n\n";
    Table pairs(pair_header);
    for (const Pair& pair : pairs_of(found)) {
        auto row = pair_row(found, pair);
        row[0] = escaped(row[0]);
        pairs.add(row);
    }
    text +=
        pairs.text() + "overlap by chance: A " + fixed(found.a.chance, 3) + ", B " + fixed(found.b.chance, 3) + "\n\n";
    if (!found.start_cosine.empty()) {
        Table starts({"adapter", "cos(A, A0)", "|A - A0| / |A0|"});
        for (std::size_t p = 0; p < found.names.size(); ++p)
            starts.add({escaped(found.names[p]), shown(found.start_cosine[p]), shown(found.moved[p])});
        text += starts.text() + '\n';
    }
    return text + conclusion(found) + '\n';
}

io::Json analysis_json(const Analysis& found) {
    io::Json adapters = io::Json::array(), modules = io::Json::array(), pairs = io::Json::array();
    for (std::size_t p = 0; p < found.names.size(); ++p) {
        const AdapterFactors& adapter = found.factors[p];
        io::Json one = io::Json::object({{"name", readable(found.names[p])},
                                         {"file", readable(adapter.file)},
                                         {"rank", adapter.modules.front().a.front().rows},
                                         {"heads", adapter.heads()},
                                         {"a_matrices", adapter.a_count()}});
        if (!found.start_cosine.empty())
            one.set("cosine_with_start", number(found.start_cosine[p])).set("moved", number(found.moved[p]));
        adapters.push(one);
    }
    for (std::size_t m = 0; m < found.factors.front().modules.size(); ++m)
        modules.push(io::Json::object({{"name", found.factors.front().modules[m].name},
                                       {"a_cosine", number(found.a.module_cosine[m])},
                                       {"b_cosine", number(found.b.module_cosine[m])}}));
    for (const Pair& pair : pairs_of(found))
        pairs.push(io::Json::object({{"first", pair.first},
                                     {"second", pair.second},
                                     {"a_cosine", number(pair.a_cosine)},
                                     {"a_overlap", number(pair.a_overlap)},
                                     {"a_cosine_of_change", number(pair.a_change)},
                                     {"b_cosine", number(pair.b_cosine)},
                                     {"b_overlap", number(pair.b_overlap)}}));
    io::Json whole = io::Json::object({{"adapters", adapters},
                                       {"modules", modules},
                                       {"pairs", pairs},
                                       {"a", likeness_json(found.a)},
                                       {"b", likeness_json(found.b)},
                                       {"conclusion", conclusion(found)}});
    if (!found.start_cosine.empty()) whole.set("common_start", found.common_start);
    return whole;
}

std::string analysis_page(const Analysis& found) {
    std::vector<std::vector<std::string>> pairs, starts;
    for (const Pair& pair : pairs_of(found)) pairs.push_back(pair_row(found, pair));
    for (std::size_t p = 0; p < found.start_cosine.size(); ++p)
        starts.push_back({found.names[p], shown(found.start_cosine[p]), shown(found.moved[p])});
    std::string body = "<p>" + html_escaped(conclusion(found)) + "</p>\n" + html_table(pair_header, pairs);
    if (!starts.empty()) body += html_table({"adapter", "cos(A, A0)", "|A - A0| / |A0|"}, starts);
    body +=
        "<p>Numbers are means over the adapted linear layers. Overlap is the mean squared cosine of the principal "
        "angles "
        "between row spaces of A, between column spaces of B: 1 for the same space, by chance " +
        fixed(found.a.chance, 3) + " and " + fixed(found.b.chance, 3) +
        ". In the maps each point is the A or B of one module, as a direction; near neighbours are alike, and the "
        "distances between groups mean little.</p>\n";
    return html_page("What separately trained adapters share",
                     body + scatter(found, found.a, "A") + scatter(found, found.b, "B") +
                         pair_maps(found.a, "A", "row spaces") + pair_maps(found.b, "B", "column spaces") +
                         module_map(found, found.a, "A") + module_map(found, found.b, "B"));
}

void run_analyze(const AnalyzeOptions& options) {
    auto inputs = options.adapters;
    inputs.insert(inputs.end(), options.start.begin(), options.start.end());
    if (!options.out.empty()) check_output(options.out, "--out", inputs);
    if (!options.json.empty()) check_output(options.json, "--json", inputs);
    check(options.out.empty() || options.out != options.json, "--json ", options.json.string(),
          ": is the name of --out; choose another");
    const Analysis found = analyze(options);
    std::printf("%s", analysis_text(found).c_str());
    if (!options.json.empty()) io::replace_file(options.json, io::to_text(analysis_json(found), 2) + '\n');
    if (options.out.empty()) return;
    io::replace_file(options.out, analysis_page(found));
    std::printf("Figures: %s\n", options.out.string().c_str());
}

}  // namespace hydra
