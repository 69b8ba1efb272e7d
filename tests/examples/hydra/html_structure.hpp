// Whether a page is well-formed, by plain reading.
#pragma once

#include <string>
#include <vector>

namespace test {

/// "" where every tag that opens closes, in order; else what is wrong.
inline std::string structure_error(const std::string& html) {
    std::vector<std::string> open;
    for (std::size_t at = html.find('<'); at != html.npos; at = html.find('<', at + 1)) {
        const std::size_t end = html.find('>', at);
        if (end == html.npos) return "a tag without an end";
        const std::string tag = html.substr(at + 1, end - at - 1);
        if (tag.empty() || tag.find('<') != tag.npos) return "a < that is no tag's: <" + tag;
        const std::string name = tag.substr(0, tag.find_first_of(" \n"));
        if (tag[0] == '!' || tag.back() == '/' || name == "meta") continue;
        if (tag[0] != '/') {
            open.push_back(name);
            continue;
        }
        if (open.empty() || "/" + open.back() != tag)
            return tag + " closes " + (open.empty() ? "nothing" : open.back());
        open.pop_back();
    }
    return open.empty() ? "" : open.back() + " stays open";
}

}  // namespace test
