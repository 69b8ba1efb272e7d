"""llama.cpp, of the package xllamacpp, answering a line for each line as bench/peers/peer_generate.cpp does:

    python3 bench/peers/llama_cpp_side.py FILE.gguf THREADS [LORA.gguf]

    tokens COUNT ID...    so many likeliest tokens behind the prompt of these
    time COUNT ID...      seconds a token, of those after the first, by llama.cpp's own clock

Everything else is as llama.cpp has it, but the sampler is the likeliest token alone and no prompt is kept.
"""
import json
import sys

import xllamacpp


def make_server(path, threads, lora):
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.verbosity = path, 2048, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    if lora:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(lora, 1.0)]
    return xllamacpp.Server(params)


def complete(server, count, prompt, **more):
    answer = server.handle_completions({"prompt": prompt, "n_predict": count, "ignore_eos": True, "temperature": 0,
                                        "samplers": ["top_k"], "top_k": 1, "cache_prompt": False, **more})
    answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
    if answer["timings"]["predicted_n"] != count:
        raise RuntimeError(f"asked for {count} tokens, got {answer['timings']['predicted_n']}")
    return answer


def main(path, threads, lora=None):
    server = make_server(path, int(threads), lora)
    for line in sys.stdin:
        what, count, *prompt = line.split()
        count, prompt = int(count), [int(word) for word in prompt]
        if what == "time":
            print(complete(server, count, prompt)["timings"]["predicted_ms"] / 1e3 / (count - 1), flush=True)
        else:
            answer = complete(server, count, prompt, logprobs=1)
            print(*(place["id"] for place in answer["choices"][0]["logprobs"]["content"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
