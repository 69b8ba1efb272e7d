# cmake -DHYDRA=<program> -DBASE=<model directory> -DDATA=<text> -DOUT=<directory> -P memory_plan_test.cmake
# What `hydra plan` says against the peak that training with the same options had.
cmake_minimum_required(VERSION 3.22)

function(compare name)
    execute_process(COMMAND "${HYDRA}" plan --base "${BASE}" ${ARGN} --eval-examples 8 OUTPUT_VARIABLE plan COMMAND_ERROR_IS_FATAL ANY)
    if(NOT plan MATCHES "in all +([0-9,]+)")
        message(FATAL_ERROR "${name}: no sum in the plan:\n${plan}")
    endif()
    string(REPLACE "," "" planned "${CMAKE_MATCH_1}")
    file(REMOVE_RECURSE "${OUT}/${name}")
    execute_process(COMMAND "${HYDRA}" train "${DATA}" --base "${BASE}" ${ARGN} --steps 2 --eval-examples 8 --eval-answers 0
            --out "${OUT}/${name}"
        OUTPUT_QUIET ERROR_VARIABLE told RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "${name}: training failed:\n${told}")
    endif()
    file(READ "${OUT}/${name}/report.json" report)
    string(JSON bytes GET "${report}" peak_memory_bytes)
    math(EXPR peak "${bytes} / 1048576")
    math(EXPR low "${peak} * 90 / 100")
    math(EXPR high "${peak} * 110 / 100")
    message(STATUS "${name}: planned ${planned} MiB, peak ${peak} MiB")
    if(planned LESS low OR planned GREATER high)
        message(FATAL_ERROR "${name}: planned ${planned} MiB, the peak was ${peak} MiB: more than 10 % apart\n${plan}")
    endif()
endfunction()

file(MAKE_DIRECTORY "${OUT}")
compare(all --batch 8 --length 256)
compare(inputs --batch 16 --length 256 --keep inputs)
compare(parts --batch 16 --length 256 --accumulation 2)
compare(routers --batch 1 --length 64 --router-init components --router-sample 500)
compare(full --batch 4 --length 256 --method full)
