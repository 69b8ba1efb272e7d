// Attention through cuDNN, in a project that found the package: its source is compiled here.
#include <hydralora/thrust/cudnn_attention.hpp>

int main() {
    namespace cudnn = hydralora::cudnn;
    const hydralora::AttentionShape shape{.queries = 64, .keys = 64, .heads = 2, .kv_heads = 1, .head_dim = 64};
    const cudnn::Problem problem{cudnn::Direction::forward, shape, {.q = 128, .k = 64, .v = 64, .o = 128}};
    return cudnn::validate(problem, 90).empty() ? 0 : 1;
}
