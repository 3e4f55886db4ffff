#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "tests/support/run_collector.h"

namespace sidecar::host {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::time_t kLongAgo = 1'700'000'000;

std::string All(const std::vector<Error>& warnings) {
  std::string text;
  for (const Error& warning : warnings) text += warning.message + "\n";
  return text;
}

class Textfile : public ::testing::Test {
 protected:
  // Written long before the run, so that it counts as unchanged afterwards.
  void Write(const std::string& name, std::string_view text, long nanoseconds = 500'000'000) const {
    machine_.Write("d/" + name, text);
    Touch(name, nanoseconds);
  }
  void Touch(const std::string& name, long nanoseconds) const {
    const timespec times[] = {{kLongAgo, 0}, {kLongAgo, nanoseconds}};
    ASSERT_EQ(::utimensat(AT_FDCWD, Path(name).c_str(), times, 0), 0);
  }
  std::string Path(const std::string& name) const { return machine_.path() / "d" / name; }
  std::string Options(const std::string& pattern = "d") const {
    return "directory = [\"" + (machine_.path() / pattern).string() + "\"]\n";
  }
  // As the peer shows it, with the folder's name cut.
  CollectorRun Run(const std::string& pattern = "d") const {
    return Cut(RunCollector("textfile", machine_.path(), Options(pattern)));
  }
  CollectorRun Cut(CollectorRun run) const {
    const auto cut = [&](std::string& text) {
      const std::string folder = machine_.path().string() + "/";
      for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder, at)) {
        text.erase(at, folder.size());
      }
    };
    cut(run.text);
    cut(run.openmetrics);
    for (Error& warning : run.warnings) cut(warning.message);
    return run;
  }
  // That the file is left out with this reason and the good one is served.
  void ExpectRefused(const CollectorRun& run, const std::string& why) const {
    ASSERT_TRUE(run.result) << run.result.error().message;
    EXPECT_THAT(All(run.warnings), HasSubstr(why));
    EXPECT_THAT(run.text, HasSubstr("\ngood 1\n"));
    EXPECT_THAT(run.text, HasSubstr("node_textfile_scrape_error 1\n"));
    EXPECT_THAT(run.text, HasSubstr("mtime_seconds{file=\"d/good.prom\"} 1700000000\n"));
    EXPECT_THAT(run.text, Not(HasSubstr("d/z.prom\"}")));
    EXPECT_THAT(run.text, Not(HasSubstr("bad ")));
  }

  ScratchMachine machine_;
};

TEST_F(Textfile, ServesAllTypesOfSeveralFiles) {
  Write("a.prom",
        "# HELP c_total A counter.\\nTwo \\\\ lines \"q\"\n# TYPE c_total counter\n"
        "c_total{b=\"x\",a=\"y\\\"z\\\\\\n\"} 1e3\nc_total{b=\"only\"} 2\nc_total 3\n"
        "# TYPE h histogram\nh_bucket{le=\"+Inf\",p=\"1\"} 10\nh_bucket{le=\"1\",p=\"1\"} 3\n"
        "h_bucket{p=\"1\",le=\"0.5\"} 2\nh_sum{p=\"1\"} 12.5\nh_count{p=\"1\"} 10\n"
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} NaN\ns_sum 3\ns_count 4\n"
        "# TYPE g gauge\ng NaN\nshared 1\nraw_bucket{le=\"1\"} 4\nraw_bucket{le=\"+Inf\",x=\"\"} "
        "5\n");
  Write("b.prom", "shared{x=\"1\"} -Inf\nhelped{f=\"b\"} 1\n");
  Write("c.prom", "# HELP helped Here alone.\nhelped{f=\"c\"} +Inf\n");
  Write("empty.prom", "");
  Write("other.txt", "garbage");
  fs::create_symlink("../d/b.prom", Path("link.txt"));
  ExpectGolden(Run(), "textfile-types");
}

TEST_F(Textfile, WithoutADirectoryThereIsNothingAndNoError) {
  ExpectGolden(RunCollector("textfile", Fixture("vm")), "textfile");
  for (const char* options : {"", "directory = []", "directory = [\"\"]"}) {
    const CollectorRun run = RunCollector("textfile", machine_.path(), options);
    ASSERT_TRUE(run.result);
    EXPECT_TRUE(run.warnings.empty());
    EXPECT_EQ(run.samples, 1U);
    EXPECT_THAT(run.text, HasSubstr("node_textfile_scrape_error 0\n"));
  }
}

TEST_F(Textfile, AMissingDirectoryIsAnErrorAndAPatternWithoutMatchToo) {
  for (const char* pattern : {"none", "none*"}) {
    const CollectorRun run = Run(pattern);
    ASSERT_TRUE(run.result);
    EXPECT_THAT(All(run.warnings), HasSubstr(std::string("'none") + (pattern[4] ? "*" : "") + "'"));
    EXPECT_THAT(run.text, HasSubstr("node_textfile_scrape_error 1\n"));
  }
}

TEST_F(Textfile, PatternsFindFoldersAndNoFileTwice) {
  machine_.Write("d1/a.prom", "a 1\n");
  machine_.Write("d2/a.prom", "b 1\n");
  const std::string root = machine_.path().string();
  const CollectorRun run = Cut(RunCollector(
      "textfile", machine_.path(), "directory = [\"" + root + "/d*\", \"" + root + "/./d1/\"]"));
  ASSERT_TRUE(run.result);
  EXPECT_EQ(All(run.warnings), "");
  EXPECT_EQ(run.samples, 5U);
  EXPECT_THAT(run.text, HasSubstr("{file=\"d1/a.prom\"}"));
  EXPECT_THAT(run.text, HasSubstr("{file=\"d2/a.prom\"}"));
}

TEST_F(Textfile, AnErrorStaysInItsFile) {
  Write("good.prom", "good 1\n");
  for (const auto& [text, why] :
       {std::pair{"bad 1\nbad{\n", "'d/z.prom': line 2: not a label name in 'bad{'\n"},
        std::pair{"bad 1 1234\n", "line 1: a client's timestamp"},
        std::pair{"bad{a=\"\xff\"} 1\n", "not UTF-8 in 'bad{a=\"\\xff\"} 1'"},
        std::pair{"bad 1", "no newline at the end"},
        std::pair{"# TYPE good gauge\ngood{a=\"1\"} 1\nbad 1\n", "good has another type"},
        std::pair{"# TYPE goo summary\nbad 1\n# TYPE goo_d gauge\ngoo_d 1\n# TYPE good summary\n"
                  "good_sum 1\ngood_count 1\n",
                  "line 5: good has another type"},
        std::pair{"bad 1\nnode_textfile_scrape_error 5\n", "has another type"},
        std::pair{"bad 1\n# TYPE node_textfile_mtime_seconds gauge\n"
                  "node_textfile_mtime_seconds{file=\"x\"} 5\n",
                  "has another type"}}) {
    SCOPED_TRACE(text);
    Write("z.prom", text);
    ExpectRefused(Run(), why);
  }
}

TEST_F(Textfile, TheNamesOfAHistogramsSamplesAreItsOwnAcrossFiles) {
  Write("a.prom", "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n");
  Write("b.prom", "h_count{a=\"1\"} 1\nbad 1\n");
  const CollectorRun run = Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(All(run.warnings), HasSubstr("'d/b.prom': line 1: h_count shares h_count with h"));
  EXPECT_THAT(run.text, Not(HasSubstr("bad")));
  EXPECT_THAT(run.text, HasSubstr("h_count 1\n"));
}

TEST_F(Textfile, TheFirstHelpCountsAndAnotherIsReported) {
  Write("a.prom", "helped{f=\"a\"} 1\n");
  Write("b.prom", "# HELP helped First.\nhelped{f=\"b\"} 1\n");
  Write("c.prom", "# HELP helped Second.\nhelped{f=\"c\"} 1\n");
  Write("d.prom", "helped{f=\"d\"} 1\n");  // here node_exporter 1.12.1 crashes
  const CollectorRun run = Run();
  ASSERT_TRUE(run.result);
  EXPECT_EQ(All(run.warnings),
            "'d/c.prom': line 1: HELP of helped differs from that of 'd/b.prom'\n");
  EXPECT_THAT(run.text, HasSubstr("# HELP helped First.\n"));
  EXPECT_THAT(run.text, HasSubstr("helped{f=\"c\"} 1\nhelped{f=\"d\"} 1\n"));
  EXPECT_THAT(run.text, HasSubstr("node_textfile_scrape_error 1\n"));
}

TEST_F(Textfile, ASeriesThatRepeatsIsLeftOutAndReported) {
  Write("a.prom", "x{a=\"1\",b=\"\"} 1\nx{a=\"1\"} 2\ny 1\n");
  Write("b.prom", "z 1\ny{c=\"\"} 2\nx{b=\"1\"} 3\nx{a=\"1\"} 4\n");
  const CollectorRun run = Run();
  ASSERT_TRUE(run.result);
  EXPECT_EQ(All(run.warnings),
            "'d/a.prom': line 2: a series of x was there before (1 left out)\n"
            "'d/b.prom': line 2: a series of y was there before (1 left out)\n"
            "'d/b.prom': line 4: a series of x was there before (1 left out)\n");
  EXPECT_THAT(run.text, HasSubstr("x{a=\"1\",b=\"\"} 1\n"));
  EXPECT_THAT(run.text, HasSubstr("x{a=\"\",b=\"1\"} 3\n"));
  EXPECT_THAT(run.text, HasSubstr("\ny 1\n"));
  EXPECT_THAT(run.text, HasSubstr("\nz 1\n"));
  EXPECT_EQ(run.samples, 7U);
}

TEST_F(Textfile, WhatIsNoRegularFileIsNotOpened) {
  Write("good.prom", "good 1\n");
  ASSERT_EQ(::mkfifo(Path("z.prom").c_str(), 0600), 0);
  ExpectRefused(Run(), "'d/z.prom': not a regular file");
  fs::remove(Path("z.prom"));
  fs::create_directory(Path("z.prom"));
  ExpectRefused(Run(), "'d/z.prom': not a regular file");
  fs::remove(Path("z.prom"));
  fs::create_symlink("/dev/zero", Path("z.prom"));
  ExpectRefused(Run(), "'d/z.prom': not a regular file");
  fs::remove(Path("z.prom"));
  fs::create_symlink("/proc/self/status", Path("z.prom"));  // longer than its size, which is 0
  ExpectRefused(Run(), "'d/z.prom': changed while it was read");
  fs::remove(Path("z.prom"));
  fs::create_symlink("nowhere", Path("z.prom"));
  ExpectRefused(Run(), "No such file");
  fs::remove(Path("z.prom"));
  fs::create_symlink("z.prom", Path("z.prom"));
  ExpectRefused(Run(), "Too many levels");
}

TEST_F(Textfile, FilesPastTheBoundsAreLeftOut) {
  Write("good.prom", "good 1\n");
  Write("z.prom", "bad 1\n");
  fs::resize_file(Path("z.prom"), (8U << 20U) + 1);
  ExpectRefused(Run(), "'d/z.prom': more than 8 MiB");
  std::string many;
  for (int i = 0; i < 10; ++i) many += "bad{i=\"" + std::to_string(i) + "\"} 1\n";
  Write("z.prom", many);
  ExpectRefused(Cut(RunCollector("textfile", machine_.path(), Options() + "series_limit = 12")),
                "more than 6 series");
  ExpectRefused(Cut(RunCollector("textfile", machine_.path(), Options() + "series_limit = 20")),
                "more than 10 series in all");
}

TEST_F(Textfile, ThousandFilesAreServedAndNoMore) {
  for (int i = 0; i < 1'002; ++i) machine_.Write("d/" + std::to_string(i) + ".prom", "");
  const CollectorRun run = Run();
  ASSERT_TRUE(run.result);
  EXPECT_EQ(run.samples, 1'001U);
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0].message, HasSubstr("more than 1000 files"));
}

TEST_F(Textfile, AChangedReplacedOrRemovedFileIsSeen) {
  Write("a.prom", "x 1\n");
  CollectorUnderTest textfile("textfile", machine_.path(), Options());
  textfile.clock().StepWall(std::chrono::hours(24 * 3650));  // all files have settled
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 1\n"));
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 1\n"));
  Write("a.prom", "x 2\n", 500'000'001);
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 2\n"));
  Write("new", "x 3\n", 500'000'001);
  fs::rename(Path("new"), Path("a.prom"));
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 3\n"));
  fs::remove(Path("a.prom"));
  EXPECT_EQ(textfile.Run().samples, 1U);
}

TEST_F(Textfile, AFileThatIsStillFreshIsReadEachTime) {
  Write("a.prom", "x 1\n");
  CollectorUnderTest textfile("textfile", machine_.path(), Options());
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 1\n"));
  // Its status changes after the fake clock's now, so that no stat could tell.
  Write("a.prom", "x 2\n");
  EXPECT_THAT(textfile.Run().text, HasSubstr("\nx 2\n"));
}

TEST_F(Textfile, HostileNamesStayValid) {
  Write("\xff\n\"\\.prom", "x 1\n");
  Write("\x01.prom", "y{\n");
  const CollectorRun run = Run();
  ASSERT_TRUE(run.result);
  EXPECT_THAT(run.text, HasSubstr("{file=\"d/\xef\xbf\xbd\\n\\\"\\\\.prom\"}"));
  EXPECT_THAT(All(run.warnings), HasSubstr("\\x01.prom': line 1: not a label name in 'y{'"));
}

}  // namespace
}  // namespace sidecar::host
