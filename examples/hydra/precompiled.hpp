// What most units of the trainer read, compiled once.
#pragma once

#include "../../cmake/precompiled.hpp"

#include <hydralora/compiled.hpp>
#include <hydralora/io/gguf.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/llama_files.hpp>
#include <hydralora/model/generate.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/text/tokenizer.hpp>
