#include "evaluate.hpp"

namespace hydra {

using namespace hydralora;

bool same_answer(const Speech& speech, std::string_view a, std::string_view b) {
    return speech.vocabulary.is_bytes() ? a == b : text::without_outer_space(a) == text::without_outer_space(b);
}

template std::vector<DomainScore> evaluate(HostBackend&, const Llama<HostBackend>&, Index, const std::vector<Domain>&,
                                           const Speech&, const EvaluationOptions&, RoutingMeasure*);

}  // namespace hydra
