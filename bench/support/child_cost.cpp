// child_cost PROGRAM ARGUMENT...: runs the program and prints what it and all that it started took, "SECONDS MIB": processor
// time in user and system mode, which other programs beside it hardly change, and the largest resident set of one process.
// Exits with the program's status.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "child_cost: expected a program to run\n");
        return 2;
    }
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        std::perror(argv[1]);
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        std::perror("child_cost");
        return 2;
    }
    rusage used{};
    getrusage(RUSAGE_CHILDREN, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
#if defined(__APPLE__)
    constexpr double unit = 1;  // bytes
#else
    constexpr double unit = 1024;
#endif
    std::printf("%.2f %.0f\n", seconds(used.ru_utime) + seconds(used.ru_stime),
                static_cast<double>(used.ru_maxrss) * unit / (1 << 20));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
