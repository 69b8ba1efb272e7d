// The one main of all test programs. A program runs the cases of the files that it is asked for, and fails if there are none.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

namespace {

unsigned chosen = 0;

struct Count : doctest::IReporter {
    explicit Count(const doctest::ContextOptions&) {}
    void report_query(const doctest::QueryData&) override { chosen = 1; }  // --help and lists, which run nothing
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& run) override { chosen = run.numTestCasesPassingFilters; }
    void test_case_start(const doctest::TestCaseData&) override {}
    void test_case_reenter(const doctest::TestCaseData&) override {}
    void test_case_end(const doctest::CurrentTestCaseStats&) override {}
    void test_case_exception(const doctest::TestCaseException&) override {}
    void subcase_start(const doctest::SubcaseSignature&) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData&) override {}
    void log_message(const doctest::MessageData&) override {}
    void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("count", 0, Count);

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    const int status = context.run();
    if (status == 0 && chosen == 0 && !context.shouldExit()) {
        std::fprintf(stderr, "no test case is of the files asked for\n");
        return 1;
    }
    return status;
}
