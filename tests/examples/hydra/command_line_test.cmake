# The program as people call it: exit status and the words they see. Needs HYDRA (the program) and OUT (a scratch folder).
file(REMOVE_RECURSE "${OUT}")
file(MAKE_DIRECTORY "${OUT}")
foreach(i RANGE 1 40)
    math(EXPR twice "2 * ${i}")
    file(APPEND "${OUT}/double.jsonl" "{\"instruction\": \"double\", \"input\": \"${i}\", \"output\": \"${twice}\"}\n")
endforeach()
file(WRITE "${OUT}/broken.jsonl" "{\"text\": \"fine\"}\n{\"text\": fine}\n")
file(WRITE "${OUT}/empty.txt" "")
set(failures 0)

# expect(<status> <regular expression> <arguments...>): the command ends so, and says so on either stream.
function(expect status pattern)
    execute_process(COMMAND "${HYDRA}" ${ARGN} WORKING_DIRECTORY "${OUT}" RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 60)
    if(NOT result STREQUAL status OR NOT said MATCHES "${pattern}")
        string(REPLACE ";" " " shown "${ARGN}")
        message(SEND_ERROR "hydra ${shown}\n  expected status ${status} and \"${pattern}\", found status ${result} and:\n${said}")
        math(EXPR failures "${failures} + 1")
        set(failures ${failures} PARENT_SCOPE)
    endif()
endfunction()

set(tiny --width 16 --layers 1 --model-heads 2 --kv-heads 1 --head-dim 8 --feed-forward 24 --max-positions 64 --length 48 --batch 8
    --eval-examples 4 --eval-answers 1)
expect(0 "pretrain.*train.*eval.*generate.*inspect" --help)
expect(0 "--rank.*--heads.*--targets" train --help)
expect(2 "subcommand is required")
expect(2 "--base is required" train double.jsonl --out x)
expect(0 "Model: base/model" pretrain double.jsonl --out base --steps 5 ${tiny})

set(train train double.jsonl --base base/model --length 48 --batch 8 --eval-examples 4 --eval-answers 1)
expect(0 "trainable parameters.*Adapter: run/adapter" ${train} --rank 2 --steps 5 --out run)
expect(1 "run: exists already; choose another --out" ${train} --steps 5 --out run)
expect(1 "rank = 40, expected 1 to min" ${train} --rank 40 --out x)
expect(1 "heads = 0, expected 1 to 1024" ${train} --heads 0 --out x)
expect(1 "target modules: \"w_proj\" is unknown, expected one of: q_proj, k_proj" ${train} --targets q_proj,w_proj --out x)
expect(1 "--gate: \"hard\" is unknown, expected one of: none, uniform, softmax, top_k" ${train} --gate hard --out x)
expect(2 "--lr" ${train} --lr fast --out x)
expect(1 "broken.jsonl:2:11: not JSON" train broken.jsonl --base base/model --length 48 --out x)
expect(1 "empty.txt: expected text, found an empty file" train empty.txt --base base/model --length 48 --out x)
expect(1 "nowhere.txt" train nowhere.txt --base base/model --length 48 --out x)
if(EXISTS "${OUT}/x")
    message(SEND_ERROR "a refused command left ${OUT}/x")
endif()

expect(0 "double" eval double.jsonl --base base/model --adapter run/adapter --length 48 --examples 4 --answers 1 --json scores.json)
expect(0 "\"rank\": 2.*held-out bits per byte" inspect run)
expect(0 "layers.0.mlp.up_proj.lora_route.weight" inspect run/adapter)
expect(0 "embed_tokens" inspect base/model)
expect(0 "run.*run" inspect run run)
expect(1 "expected a safetensors file or the directory" inspect double.jsonl)
expect(1 "nowhere: is not an adapter directory" generate x --base base/model --adapter nowhere)
expect(1 "Sampling: top_p = 0" generate x --base base/model --top-p 0)
expect(0 "" generate "double\n4" --base base/model --adapter run/adapter --tokens 5 --temperature 0.7 --top-k 5 --seed 3)

file(WRITE "${OUT}/run.toml" "[train]\nbase = \"base/model\"\nrank = 3\ntargets = [\"q_proj\", \"v_proj\"]\nlr = 2e-3\nsteps = 4\nlength = 48\nbatch = 8\n")
expect(0 "Adapter: toml/adapter" train double.jsonl --out toml --config run.toml)
file(READ "${OUT}/toml/run.json" run)
if(NOT run MATCHES "\"rank\": 3" OR NOT run MATCHES "\"q_proj\",[^a-z]*\"v_proj\"[^,]" OR NOT run MATCHES "\"lr\": 0.002")
    message(SEND_ERROR "run.json does not tell what run.toml asked for:\n${run}")
endif()
file(WRITE "${OUT}/wrong.toml" "[train]\nrnak = 3\n")
expect(2 "wrong.toml.*rnak.*options stand under" ${train} --out x --config wrong.toml)

# Another base: the adapter is refused.
expect(0 "Model" pretrain double.jsonl --out other --steps 2 --seed 7 ${tiny})
expect(1 "was trained on another base" eval double.jsonl --base other/model --adapter run/adapter --length 48)

# Ctrl-C saves and says how to go on; resumed, the run ends as if nothing had happened.
expect(0 "Adapter" ${train} --steps 400 --out whole)
execute_process(
    COMMAND sh -c "\"$0\" \"$@\" --steps 400 --out stopped & child=$!; while [ \"$(cat stopped/metrics.jsonl 2>/dev/null | wc -l)\" -lt 20 ]; do sleep 0.02; done; kill -INT $child; wait $child"
        "${HYDRA}" ${train}
    WORKING_DIRECTORY "${OUT}" RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 60)
if(NOT result EQUAL 130 OR NOT said MATCHES "Interrupted after step.*--resume continues")
    message(SEND_ERROR "kill -INT: expected status 130, found ${result} and:\n${said}")
endif()
expect(0 "Adapter" ${train} --steps 400 --out stopped --resume)
execute_process(COMMAND "${CMAKE_COMMAND}" -E compare_files "${OUT}/whole/adapter/adapter_model.safetensors" "${OUT}/stopped/adapter/adapter_model.safetensors"
    RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(SEND_ERROR "the resumed run ended with other bits")
endif()
