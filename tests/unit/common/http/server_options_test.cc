#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/document.h"
#include "common/http/server.h"

namespace sidecar {
namespace {

using ::testing::HasSubstr;

Result<> Read(std::vector<std::pair<std::string, std::string>> environment,
              ServerOptions& options) {
  auto document =
      Document::Load({.file = {}, .dir = {}, .environment = std::move(environment), .flags = {}});
  if (!document) return Fail(std::move(document.error()));
  TableReader root = document->Root();
  TableReader web = root.Table("web");
  options.Read(web);
  return root.Finish();
}

TEST(ServerOptions, ReadsEveryLimit) {
  ServerOptions options;
  const auto read = Read({{"SIDECAR_WEB_MAX_CONNECTIONS", "7"},
                          {"SIDECAR_WEB_MAX_HEADER_BYTES", "2048"},
                          {"SIDECAR_WEB_MAX_BODY_BYTES", "0"},
                          {"SIDECAR_WEB_HEADER_TIMEOUT", "1s"},
                          {"SIDECAR_WEB_IDLE_TIMEOUT", "2m"},
                          {"SIDECAR_WEB_WRITE_TIMEOUT", "1500ms"}},
                         options);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(options.max_connections, 7);
  EXPECT_EQ(options.max_header_bytes, 2'048);
  EXPECT_EQ(options.max_body_bytes, 0);
  EXPECT_EQ(options.header_timeout, Millis(1'000));
  EXPECT_EQ(options.idle_timeout, Millis(120'000));
  EXPECT_EQ(options.write_timeout, Millis(1'500));
}

TEST(ServerOptions, RefusesLimitsOutOfRange) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"max_connections", "0"},
                                                        {"max_header_bytes", "10"},
                                                        {"max_body_bytes", "999999999"},
                                                        {"idle_timeout", "0s"},
                                                        {"header_timeout", "2h"}}) {
    std::string variable = "SIDECAR_WEB_" + name;
    for (char& c : variable) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    ServerOptions options;
    const auto read = Read({{variable, value}}, options);
    ASSERT_FALSE(read) << name;
    EXPECT_EQ(read.error().code, Errc::kConfig);
    EXPECT_THAT(read.error().message, HasSubstr(variable + ": must be between"));
  }
}

}  // namespace
}  // namespace sidecar
