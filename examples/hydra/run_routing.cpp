#include "run_routing.hpp"

#include <limits>
#include <string_view>
#include <utility>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

namespace hydra {

using namespace hydralora;
using io::Json;

RoutingLines::RoutingLines(std::filesystem::path file) : file_(std::move(file)) {
    if (!io::path_exists(file_)) return;
    const std::string name = file_.string();
    const auto content = io::MappedFile::open(file_);
    std::string_view rest = content.text();
    for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
        try {
            const Json line = io::parse_json(rest.substr(0, end), name);
            const Index step = io::JsonView(line, name)["step"].integer(0, std::numeric_limits<Index>::max());
            lines_.insert_or_assign(step, std::string(rest.substr(0, end)));
        } catch (const Error&) {
            return;
        }
        rest.remove_prefix(end + 1);
    }
}

void RoutingLines::write(Index step, const Json& line) {
    lines_.insert_or_assign(step, io::to_text(line));
    std::string text;
    for (const auto& [at, each] : lines_) text += each + '\n';
    io::replace_file(file_, text);
}

}  // namespace hydra
