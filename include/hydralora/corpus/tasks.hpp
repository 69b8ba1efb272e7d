// Tasks that write to places of their own, on a few threads: which thread runs a task changes no result.
#pragma once

#include <algorithm>

#include "../core/process_limits.hpp"
#include "../core/thread_pool.hpp"

namespace hydralora::corpus {

/// task(i) for i in [0, count) on `threads` threads, 0 for as many as the machine has, the caller among them; rethrows what
/// a task throws. The threads live as long as the call, whose tasks are worth them.
template <class Task>
void for_each_task(int threads, Index count, Task&& task) {
    check(threads >= 0 && threads <= 1024, "corpus: threads = ", threads, ", expected 0 (all) to 1024");
    if (threads == 0) threads = available_processors();
    ThreadPool pool(static_cast<int>(std::clamp<Index>(count, 1, threads)));
    pool.run(count, [&](Index i, int) { task(i); });
}

/// range(begin, end) for the parts of [0, count) that are `size` long, the last one shorter.
template <class Range>
void for_each_slab(int threads, Index count, Index size, Range&& range) {
    for_each_task(threads, (count + size - 1) / size,
                  [&](Index slab) { range(slab * size, slab * size + size < count ? slab * size + size : count); });
}

}  // namespace hydralora::corpus
