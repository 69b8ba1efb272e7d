// Bytes as a GGUF file: opened, every field and every tensor read, and its tokenizer, if it has one, used.
#include <hydralora/io/gguf.hpp>
#include <hydralora/text/tokenizer_gguf.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace hydralora;
using namespace hydralora::io;

template <class T>
void read_field(const GgufFile& file, const GgufField& field) {
    if (field.type == GgufType::array)
        static_cast<void>(file.values<T>(field.key));
    else
        static_cast<void>(file.value<T>(field.key));
}

void read_field(const GgufFile& file, const GgufField& field) {
    switch (field.element) {
        case GgufType::u8:
            return read_field<std::uint8_t>(file, field);
        case GgufType::i8:
            return read_field<std::int8_t>(file, field);
        case GgufType::u16:
            return read_field<std::uint16_t>(file, field);
        case GgufType::i16:
            return read_field<std::int16_t>(file, field);
        case GgufType::u32:
            return read_field<std::uint32_t>(file, field);
        case GgufType::i32:
            return read_field<std::int32_t>(file, field);
        case GgufType::f32:
            return read_field<float>(file, field);
        case GgufType::boolean:
            return read_field<bool>(file, field);
        case GgufType::string:
            return read_field<std::string_view>(file, field);
        case GgufType::u64:
            return read_field<std::uint64_t>(file, field);
        case GgufType::i64:
            return read_field<std::int64_t>(file, field);
        case GgufType::f64:
            return read_field<double>(file, field);
        case GgufType::array:
            return;
    }
}

void use_tokenizer(const GgufFile& file) {
    const auto [tokenizer, tokens] = text::tokenizer_from_gguf(file);
    const auto known = [&, &tokenizer = tokenizer](std::int32_t id) {
        if (id < 0 || id >= tokenizer.size()) std::abort();
    };
    for (const std::int32_t id : tokenizer.prefix()) known(id);
    for (const std::int32_t id : tokens.ends) known(id);
    for (const auto specials : {text::Specials::as_text, text::Specials::recognised}) {
        const auto ids = tokenizer.encode("aab ab  12'll\n</s><s>\u00e9\U0001f600\xff", specials);
        for (const std::int32_t id : ids) known(id);
        static_cast<void>(tokenizer.decode(ids, text::Decode::with_specials));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const GgufFile file(std::as_bytes(std::span(data, size)), "input");
        for (const GgufField& field : file.fields()) {
            try {
                read_field(file, field);
            } catch (const Error&) {
                continue;  // text that is not UTF-8, a bool of 2
            }
        }
        for (const GgufEntry& entry : file.entries()) {
            const Shape shape = entry.shape.matrix();
            if (!entry.type.plain || shape.size() > (1 << 20)) continue;
            std::vector<float> values(static_cast<std::size_t>(shape.size()));
            try {
                file.read_as(entry.name, host_view(values.data(), shape.rows, shape.cols));
            } catch (const Error&) {
                continue;  // integers
            }
        }
        use_tokenizer(file);
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
