#include "common/config/document.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/golden.h"
#include "tests/unit/common/config/options.h"

namespace sidecar {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FaultsOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Options;

class DocumentFiles : public ::testing::Test {
 protected:
  DocumentFiles() {
    std::string pattern = fs::temp_directory_path() / "config-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  ~DocumentFiles() override { fs::remove_all(root_); }

  std::string Write(const std::string& name, std::string_view text) {
    std::ofstream(root_ / name, std::ios::binary) << text;
    return root_ / name;
  }

  fs::path root_;
};

std::string WithoutOrigins(const std::string& printed) {
  std::string bare;
  for (std::string_view rest = printed; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    bare += std::string(line.substr(0, line.rfind("  # "))) + "\n";
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return bare;
}

std::string PrintOf(Document& document) {
  Options options;
  options.Read(document.Root());
  const auto read = document.Root().Finish();
  EXPECT_TRUE(read) << read.error().message;
  return document.Print();
}

TEST(Document, PrintsTheEffectiveConfigurationWithOriginsAndWithoutCredentials) {
  auto document = Document::Parse(R"([log]
level = "a \"quoted\"\tü\u0001"
[postgres]
dsn = "postgresql://monitor:hunter2@db:5432/orders"
password_file = "/run/secrets/pg"
[[postgres.queries]]
name = "orders"
scale = 1e30
[[postgres.queries]]
)",
                                  "sidecar.toml");
  ASSERT_TRUE(document) << document.error().message;
  // 1e30 is out of range: the default stays, and printing goes on.
  Options options;
  options.Read(document->Root());
  EXPECT_FALSE(document->Root().Finish());
  const std::string printed = document->Print();
  EXPECT_THAT(printed, Not(HasSubstr("hunter2")));
  ExpectGolden(printed, "config/print.toml");
}

TEST(Document, PrintsTheSameAgainAfterLoadingWhatItPrinted) {
  const Sources sources{.file = {},
                        .dir = {},
                        .environment = {{"SIDECAR_POSTGRES_PASSWORD_ENV", "PW"},
                                        {"SIDECAR_POSTGRES_DSN", "user='a' password='x y' port=1"}},
                        .flags = {{"web.listen-address", "[::1]:9100"},
                                  {"web.listen-address", "\\ \" \n \x7f # ,"},
                                  {"collector.cpu.timeout", "1d2h3m4s5ms"}}};
  auto first = Document::Load(sources);
  ASSERT_TRUE(first);
  const std::string printed = PrintOf(*first);
  auto second = Document::Parse(printed, "printed.toml");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(WithoutOrigins(printed), WithoutOrigins(PrintOf(*second)));
  EXPECT_THAT(printed, HasSubstr("timeout = \"1d2h3m4s5ms\"  # --collector.cpu.timeout"));
  EXPECT_THAT(printed, HasSubstr("password_env = \"PW\"  # SIDECAR_POSTGRES_PASSWORD_ENV"));
  EXPECT_THAT(printed, HasSubstr("dsn = \"user='a' password=*** port=1\""));
}

TEST_F(DocumentFiles, MergesADirectoryInTheOrderOfNames) {
  Write("20-more.toml",
        "[host.collectors.cpu]\nguest = true\n[[postgres.queries]]\nname = \"b\"\n");
  Write("10-base.toml",
        "[host.collectors.cpu]\nenabled = false\n[[postgres.queries]]\nname = \"a\"\n");
  Write("30-other.txt", "no TOML");
  Write(".hidden.toml", "no TOML");
  fs::create_directory(root_ / "folder.toml");
  auto document = Document::Load({.file = {}, .dir = root_, .environment = {}, .flags = {}});
  ASSERT_TRUE(document) << document.error().message;
  Options options;
  options.Read(document->Root());
  ASSERT_TRUE(document->Root().Finish());
  EXPECT_FALSE(options.cpu);
  EXPECT_TRUE(options.guest);
  ASSERT_EQ(options.queries.size(), 2U);
  EXPECT_EQ(options.queries[0].name, "a");
  EXPECT_EQ(options.queries[1].name, "b");
}

TEST_F(DocumentFiles, FollowsTheLinksOfAConfigMapOnce) {
  fs::create_directory(root_ / "..2026_01_01");
  Write("..2026_01_01/a.toml", "[log]\nlevel = \"warn\"\n");
  fs::create_symlink("..2026_01_01", root_ / "..data");
  fs::create_symlink("..data/a.toml", root_ / "a.toml");
  auto document = Document::Load({.file = {}, .dir = root_, .environment = {}, .flags = {}});
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_THAT(PrintOf(*document),
              HasSubstr("level = \"warn\"  # " + std::string(root_) + "/a.toml:2"));
}

TEST_F(DocumentFiles, NamesBothPlacesOfAScalarThatTwoFilesSet) {
  const std::string file = Write("main.toml", "[log]\nlevel = \"info\"\n[web]\n");
  fs::create_directory(root_ / "d");
  Write("d/x.toml", "\n[log]\nlevel = \"warn\"\n[host]\nlisten = []\n");
  Write("d/y.toml", "[host]\nlisten = []\nxyz = 1\n");
  auto document =
      Document::Load({.file = file, .dir = root_ / "d", .environment = {}, .flags = {}});
  ASSERT_TRUE(document) << document.error().message;
  const std::string faults = FaultsOf(*document);
  EXPECT_THAT(faults, HasSubstr("/d/x.toml:3: 'level' is also set in " + file + ":2\n"));
  EXPECT_THAT(faults, HasSubstr("/d/y.toml:2: 'listen' is also set in "));
  EXPECT_THAT(faults, HasSubstr("/d/y.toml:3: unknown key 'xyz' in [host]"));
}

TEST_F(DocumentFiles, SaysWhatCannotBeRead) {
  const auto complaint = [](const Sources& sources) {
    auto document = Document::Load(sources);
    return document ? "" : document.error().message;
  };
  EXPECT_THAT(complaint({.file = root_ / "none.toml", .dir = {}, .environment = {}, .flags = {}}),
              HasSubstr("none.toml: No such file"));
  EXPECT_THAT(complaint({.file = {}, .dir = root_ / "none", .environment = {}, .flags = {}}),
              HasSubstr("none: No such file"));
  const std::string large = Write("large.toml", "#" + std::string(1U << 20U, '\n'));
  EXPECT_THAT(complaint({.file = large, .dir = {}, .environment = {}, .flags = {}}),
              HasSubstr("large.toml: a file of more than 1 MiB"));
  fs::create_symlink("nowhere", root_ / "broken.toml");
  EXPECT_THAT(complaint({.file = {}, .dir = root_, .environment = {}, .flags = {}}),
              HasSubstr("broken.toml: No such file"));
}

}  // namespace
}  // namespace sidecar
