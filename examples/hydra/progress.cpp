#include "progress.hpp"

#include <unistd.h>

#include <cstdio>

#include "table.hpp"

namespace hydra {

using hydralora::Index;

Progress::Progress(Index first_step, Index steps)
    : first_(first_step), steps_(steps), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
    if (drawn_) std::fputs("\r\033[K", stderr);
    drawn_ = false;
}

void Progress::say(const std::string& line) {
    clear();
    std::fprintf(stderr, "%s\n", line.c_str());
}

void Progress::step(Index done, double loss, Index tokens) {
    smooth_loss_ = smooth_loss_ < 0 || !(smooth_loss_ == smooth_loss_) ? loss : 0.9 * smooth_loss_ + 0.1 * loss;
    const auto now = Clock::now();
    const bool last = done == steps_;
    if (std::chrono::duration<double>(now - last_).count() < (terminal_ ? 0.1 : 10.0) && !last) return;
    last_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double left = seconds / static_cast<double>(done - first_) * static_cast<double>(steps_ - done);
    const std::string text = "step " + std::to_string(done) + "/" + std::to_string(steps_) + "  loss " +
                             fixed(smooth_loss_, 4) + "  " +
                             grouped(static_cast<long long>(static_cast<double>(tokens) / seconds)) + " tokens/s  " +
                             (last ? "took " + duration(seconds) : duration(left) + " left");
    if (!terminal_) {
        std::fprintf(stderr, "%s\n", text.c_str());
        return;
    }
    constexpr int width = 24;
    const int full = static_cast<int>(static_cast<double>(done) / static_cast<double>(steps_) * width);
    std::string bar;
    for (int i = 0; i < width; ++i) bar += i < full ? '=' : i == full ? '>' : ' ';
    std::fprintf(stderr, "\r\033[K[%s] %s", bar.c_str(), text.c_str());
    std::fflush(stderr);
    drawn_ = true;
    if (last) {
        std::fputc('\n', stderr);
        drawn_ = false;
    }
}

}  // namespace hydra
