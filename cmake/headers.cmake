# Every public header and the one source beside them, by hand, one line each, in the order of the folders; the test
# `house.header_list` compares this list with the tree, so a header that is not listed (or no longer exists) fails there.
set(HYDRALORA_HEADERS
    hydralora/fwd.hpp
    hydralora/hydralora.hpp
    hydralora/version.hpp
    # core
    hydralora/core/check.hpp
    hydralora/core/config.hpp
    hydralora/core/enum_names.hpp
    hydralora/core/isa.hpp
    hydralora/core/mutual_information.hpp
    hydralora/core/params.hpp
    hydralora/core/precision.hpp
    hydralora/core/random.hpp
    hydralora/core/random_words.hpp
    hydralora/core/thread_pool.hpp
    hydralora/core/view.hpp
    # backend
    hydralora/backend/buffer.hpp
    hydralora/backend/compose.hpp
    hydralora/backend/compose/adamw.hpp
    hydralora/backend/compose/add.hpp
    hydralora/backend/compose/attention.hpp
    hydralora/backend/compose/cross_entropy.hpp
    hydralora/backend/compose/dropout.hpp
    hydralora/backend/compose/either.hpp
    hydralora/backend/compose/elements.hpp
    hydralora/backend/compose/embedding.hpp
    hydralora/backend/compose/exponential.hpp
    hydralora/backend/compose/norm.hpp
    hydralora/backend/compose/rms_norm.hpp
    hydralora/backend/compose/rope.hpp
    hydralora/backend/compose/route.hpp
    hydralora/backend/compose/row_access.hpp
    hydralora/backend/compose/row_loops.hpp
    hydralora/backend/compose/sgd.hpp
    hydralora/backend/compose/square_root.hpp
    hydralora/backend/compose/stored_product.hpp
    hydralora/backend/compose/swiglu.hpp
    hydralora/backend/concept.hpp
    hydralora/backend/group.hpp
    hydralora/backend/planning_backend.hpp
    hydralora/backend/stored_view.hpp
    # panel
    hydralora/panel/kernel.hpp
    hydralora/panel/tile.hpp
    # eigen
    hydralora/eigen/eigen_backend.hpp
    hydralora/eigen/product.hpp
    hydralora/eigen/vector_loops.hpp
    # thrust
    hydralora/thrust.hpp
    hydralora/thrust/cpp_system.hpp
    hydralora/thrust/cuda_check.hpp
    hydralora/thrust/cuda_cuts.hpp
    hydralora/thrust/cuda_functors.hpp
    hydralora/thrust/cuda_graph.hpp
    hydralora/thrust/cuda_groups.hpp
    hydralora/thrust/cuda_product.hpp
    hydralora/thrust/cuda_system.hpp
    hydralora/thrust/cudnn_attention.cpp
    hydralora/thrust/cudnn_attention.hpp
    hydralora/thrust/cudnn_backend.hpp
    hydralora/thrust/host_product.hpp
    hydralora/thrust/host_system.hpp
    hydralora/thrust/omp_system.hpp
    hydralora/thrust/product_plans.hpp
    hydralora/thrust/thrust_backend.hpp
    # weight
    hydralora/weight/frozen_weight.hpp
    hydralora/weight/packed_matrix.hpp
    hydralora/weight/packed_weight.hpp
    hydralora/weight/panel_sums.hpp
    # adapter
    hydralora/adapter/collapse.hpp
    hydralora/adapter/config.hpp
    hydralora/adapter/hydra_adapter.hpp
    hydralora/adapter/hydra_linear.hpp
    hydralora/adapter/joined_linear.hpp
    hydralora/adapter/joined_weight.hpp
    hydralora/adapter/narrow_products.hpp
    hydralora/adapter/packed_joined_weight.hpp
    hydralora/adapter/params.hpp
    # nn
    hydralora/nn/attention.hpp
    hydralora/nn/cross_entropy.hpp
    hydralora/nn/embedding.hpp
    hydralora/nn/rms_norm.hpp
    hydralora/nn/rope.hpp
    hydralora/nn/swiglu.hpp
    # model
    hydralora/model/block.hpp
    hydralora/model/config.hpp
    hydralora/model/generate.hpp
    hydralora/model/joined.hpp
    hydralora/model/llama.hpp
    hydralora/model/params.hpp
    # optim
    hydralora/optim/adamw.hpp
    hydralora/optim/clip.hpp
    hydralora/optim/rule.hpp
    hydralora/optim/schedule.hpp
    hydralora/optim/sgd.hpp
    # corpus
    hydralora/corpus/components.hpp
    hydralora/corpus/dbscan.hpp
    hydralora/corpus/elbow.hpp
    hydralora/corpus/k_means.hpp
    hydralora/corpus/overlap.hpp
    hydralora/corpus/rows.hpp
    hydralora/corpus/silhouette.hpp
    hydralora/corpus/tasks.hpp
    hydralora/corpus/term_table.hpp
    hydralora/corpus/terms.hpp
    hydralora/corpus/tf_idf.hpp
    # analysis
    hydralora/analysis/dense.hpp
    hydralora/analysis/pca.hpp
    hydralora/analysis/principal_angles.hpp
    hydralora/analysis/routing_health.hpp
    hydralora/analysis/routing_summary.hpp
    hydralora/analysis/row_svd.hpp
    hydralora/analysis/similarity.hpp
    hydralora/analysis/symmetric_eigen.hpp
    hydralora/analysis/t_sne.hpp
    # io
    hydralora/io/adapter_config.hpp
    hydralora/io/adapter_directory.hpp
    hydralora/io/adapter_files.hpp
    hydralora/io/adapter_kind.hpp
    hydralora/io/checked.hpp
    hydralora/io/checkpoint.hpp
    hydralora/io/checksum.hpp
    hydralora/io/dtype.hpp
    hydralora/io/file.hpp
    hydralora/io/file_calls.hpp
    hydralora/io/gguf.hpp
    hydralora/io/gguf_adapter.hpp
    hydralora/io/gguf_header.hpp
    hydralora/io/gguf_types.hpp
    hydralora/io/gguf_writer.hpp
    hydralora/io/json.hpp
    hydralora/io/json_value.hpp
    hydralora/io/json_view.hpp
    hydralora/io/json_write.hpp
    hydralora/io/llama_config.hpp
    hydralora/io/llama_files.hpp
    hydralora/io/lora_modules.hpp
    hydralora/io/model_files.hpp
    hydralora/io/peft.hpp
    hydralora/io/peft_config.hpp
    hydralora/io/quote.hpp
    hydralora/io/safetensors.hpp
    hydralora/io/safetensors_header.hpp
    hydralora/io/safetensors_writer.hpp
    hydralora/io/shard_index.hpp
    hydralora/io/staged_directory.hpp
    hydralora/io/tensor_entry.hpp
    hydralora/io/write_file.hpp
    # text
    hydralora/text/added_tokens.hpp
    hydralora/text/bpe.hpp
    hydralora/text/chat_format.hpp
    hydralora/text/decode.hpp
    hydralora/text/growth_limit.hpp
    hydralora/text/normalise.hpp
    hydralora/text/pre_tokenise.hpp
    hydralora/text/tokenizer.hpp
    hydralora/text/tokenizer_file.hpp
    hydralora/text/tokenizer_parts.hpp
    hydralora/text/tokenizer_steps.hpp
    hydralora/text/unicode.hpp
    hydralora/text/unicode_tables.hpp
    hydralora/text/vocabulary.hpp
    hydralora/text/white_space.hpp
    # thrust
)
