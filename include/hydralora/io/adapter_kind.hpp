// What kind of adapter a path holds. What is none that we read is refused by name, with what to do about it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/check.hpp"
#include "adapter_config.hpp"
#include "file.hpp"
#include "json_view.hpp"
#include "json_write.hpp"
#include "mlx_adapter.hpp"
#include "peft_config.hpp"

namespace hydralora::io {

/// native: ours. released: of the released HydraLoRA code. peft: of PEFT. mlx: of mlx-lm. gguf: of llama.cpp, a file.
enum class AdapterKind { native, released, peft, mlx, gguf };
/// For messages.
inline constexpr std::array<std::string_view, 5> adapter_kind_texts{
    "an adapter of ours", "a released HydraLoRA adapter", "a LoRA of PEFT", "a LoRA of mlx-lm", "a LoRA of llama.cpp"};
[[nodiscard]] constexpr std::string_view text_of(AdapterKind kind) {
    return adapter_kind_texts[static_cast<std::size_t>(kind)];
}

/// Refuses a pickle, which runs code when it is read, with the two lines of Python that convert it without running any.
[[noreturn]] inline void refuse_pickle(const std::filesystem::path& file) {
    const auto quoted = [](const std::filesystem::path& path) {
        std::string text;
        append_json_string(text, is_utf8(path.string()) ? path.string() : "adapter_model.bin");
        return text;
    };
    auto target = file;
    target.replace_extension(".safetensors");
    fail(
        file.string(),
        ": expected safetensors, found a pickle of PyTorch, which can run code when it is read and is never read here; "
        "convert it once, in Python:\n  import torch, safetensors.torch\n  safetensors.torch.save_file({k: "
        "v.clone().contiguous() for k, v in torch.load(",
        quoted(file), ", map_location=\"cpu\", weights_only=True).items()}, ", quoted(target),
        ", metadata={\"format\": \"pt\"})");
}

/// Throws unless the adapter is one that commands use as it is.
inline void check_no_import(AdapterKind kind, const std::filesystem::path& path) {
    check(kind == AdapterKind::native || kind == AdapterKind::released, path.string(), ": is ", text_of(kind),
          "; `hydra import` makes an adapter of it first");
}

namespace adapter_kind_detail {

/// Of a path that is no directory.
[[nodiscard]] inline AdapterKind kind_of_file(const std::filesystem::path& path) {
    const auto file = MappedFile::open(path);
    const auto head = file.text().substr(0, 4);
    const std::string extension = path.extension().string();
    if (head == "GGUF") return AdapterKind::gguf;
    constexpr std::array<std::string_view, 5> pickles{".bin", ".pt", ".pth", ".ckpt", ".pkl"};
    if (head == "PK\3\4" || head.starts_with('\x80') ||
        std::find(pickles.begin(), pickles.end(), extension) != pickles.end())
        refuse_pickle(path);
    fail(path.string(), ": expected an adapter directory with ", adapter_config_name, " and ", adapter_tensors_name,
         ", found a file; name the directory that it is in");
}

}  // namespace adapter_kind_detail

/// Looks at names, first bytes and what adapter_config.json says of its kind; options and tensors are not looked at.
[[nodiscard]] inline AdapterKind kind_of(const std::filesystem::path& path) {
    check(path_exists(path), path.string(), ": expected an adapter directory, found nothing of that name");
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) return adapter_kind_detail::kind_of_file(path);
    if (!path_exists(path / adapter_config_name))
        fail(path.string(), ": expected an adapter directory, found no ", adapter_config_name, " in it",
             path_exists(path / "config.json") ? "; it is a model directory"
             : path_exists(path / "adapter" / adapter_config_name)
                 ? concat("; there is one in ", (path / "adapter").string())
                 : std::string());
    const AdapterJson config = read_adapter_json(path);
    const JsonView json = config.view();
    if (is_mlx_config(config.document)) {
        check(path_exists(path / mlx_tensors_name), path.string(), ": expected ", mlx_tensors_name, " beside ",
              adapter_config_name, " of mlx-lm, found none; name the directory that mlx_lm.lora wrote");
        return AdapterKind::mlx;
    }
    if (!path_exists(path / adapter_tensors_name)) {
        if (path_exists(path / "adapter_model.bin")) refuse_pickle(path / "adapter_model.bin");
        fail(path.string(), ": expected ", adapter_tensors_name, " beside ", adapter_config_name, ", found none");
    }
    const std::string& type = json["peft_type"].string();
    if (type == "HYDRALORA") return AdapterKind::native;
    return type == "LORA" && json["lora_nums"].exists() ? AdapterKind::released : AdapterKind::peft;
}

/// The kind of an adapter whose options we read; others are refused by name. Tensors are looked at when they are loaded.
[[nodiscard]] inline AdapterKind adapter_kind(const std::filesystem::path& path) {
    const AdapterKind kind = kind_of(path);
    if (kind != AdapterKind::released && kind != AdapterKind::peft) return kind;
    const AdapterJson config = read_adapter_json(path);
    const JsonView json = config.view();
    if (kind == AdapterKind::peft) {
        static_cast<void>(peft_config_from_json(config.document, config.file));
    } else {
        check_plain_lora(config.document, config.file);
        if (json["use_rslora"].exists() && json["use_rslora"].boolean())
            json["use_rslora"].refuse("false: the released HydraLoRA code scales by alpha / r");
    }
    return kind;
}

}  // namespace hydralora::io
