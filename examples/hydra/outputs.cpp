#include "outputs.hpp"

#include <algorithm>
#include <system_error>

#include <hydralora/core/check.hpp>
#include <hydralora/io/adapter_config.hpp>

namespace hydra {

namespace fs = std::filesystem;
using hydralora::check;

void check_output(const fs::path& path, std::string_view flag) {
    const fs::path name = path.has_filename() ? path : path.parent_path();  // "name/" is "name"
    check(name.has_filename(), flag, ": expected a name, found \"", path.string(), '"');
    const fs::path parent = name.has_parent_path() ? name.parent_path() : fs::path(".");
    std::error_code error;
    check(fs::is_directory(parent, error), flag, ' ', path.string(), ": there is no directory ", parent.string(),
          " to write it into; make it first");
}

void check_output(const fs::path& path, std::string_view flag, const std::vector<fs::path>& inputs) {
    check_output(path, flag);
    std::error_code error;
    const fs::path whole = fs::weakly_canonical(path, error);
    if (error) return;  // writing will say
    for (const fs::path& input : inputs) {
        if (input.empty()) continue;
        const fs::path other = fs::weakly_canonical(input, error);
        if (error) continue;
        const auto ends = std::mismatch(other.begin(), other.end(), whole.begin(), whole.end());
        const bool input_begins = ends.first == other.end(), output_begins = ends.second == whole.end();
        const bool beside = input_begins && !output_begins && !fs::exists(whole, error) &&
                            !fs::exists(other / hydralora::io::adapter_config_name, error);  // which is replaced whole
        check(!input_begins || beside, flag, ' ', path.string(), ": would be written over ", input.string(),
              ", which is read; choose another name");
        check(!output_begins, flag, ' ', path.string(), ": holds ", input.string(),
              ", which is read; choose another name");
    }
}

}  // namespace hydra
