#include "common/http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http/listener.h"

namespace sidecar::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(ParseTarget, TakesOriginAndAbsoluteForm) {
  const struct {
    const char *text, *path, *query;
  } cases[] = {
      {"/metrics", "/metrics", ""},
      {"/metrics?", "/metrics", ""},
      {"/metrics?a=b?c", "/metrics", "a=b?c"},
      {"/%6detrics", "/metrics", ""},
      {"/a+b", "/a+b", ""},
      {"http://host:9100/metrics?x=1", "/metrics", "x=1"},
      {"HTTPS://host", "/", ""},
      {"http://host?x=1", "/", "x=1"},
      {"//host/metrics", "//host/metrics", ""},
  };
  for (const auto& [text, path, query] : cases) {
    const auto target = ParseTarget(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->path, path) << text;
    EXPECT_EQ(target->query, query) << text;
  }
}

TEST(ParseTarget, RefusesOtherFormsAndMalformedPaths) {
  for (const char* text : {"", "*", "host:9100", "metrics", "http:///metrics", "http://", "/%",
                           "/%4", "/%4g", "/%%41", "ftp://host/"}) {
    EXPECT_FALSE(ParseTarget(text)) << text;
  }
}

TEST(ParseTarget, KeepsDecodedNulAndSlashAsBytesOfThePath) {
  EXPECT_EQ(ParseTarget("/a%00b")->path, std::string("/a\0b", 4));
  EXPECT_EQ(ParseTarget("/%2e%2e%2fetc")->path, "/../etc");
}

TEST(QueryValues, FindsRepeatedKeysHoweverTheyAreEscaped) {
  EXPECT_THAT(
      QueryValues("collect[]=cpu&x=1&collect%5B%5D=mem+info&%63ollect%5b]=a%26b", "collect[]"),
      ElementsAre("cpu", "mem info", "a&b"));
}

TEST(QueryValues, GivesAnEmptyValueWhereThereIsNone) {
  EXPECT_THAT(QueryValues("a&a=&b&=c&&a=x=y", "a"), ElementsAre("", "", "x=y"));
  EXPECT_THAT(QueryValues("a&a=&b&=c", "z"), IsEmpty());
  EXPECT_THAT(QueryValues("=c", ""), ElementsAre("c"));
}

TEST(QueryValues, LeavesMalformedEscapesAsTheyAre) {
  EXPECT_THAT(QueryValues("a=%&a=%4&a=%zz&a=%4%41", "a"), ElementsAre("%", "%4", "%zz", "%4A"));
}

TEST(ListenAddress, TakesWhatOperatorsWrite) {
  const struct {
    const char *text, *host;
    int port;
  } cases[] = {{":9100", "", 9100},
               {"0.0.0.0:9100", "0.0.0.0", 9100},
               {"127.0.0.1:0", "127.0.0.1", 0},
               {"[::1]:9100", "::1", 9100},
               {"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535},
               {"localhost:80", "localhost", 80}};
  for (const auto& [text, host, port] : cases) {
    const auto address = ParseListenAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(ListenAddress, RefusesWhatIsNone) {
  for (const char* text :
       {"", "9100", ":", "host:", ":65536", ":-1", ":+1", ": 80", ":http", "::1:80", "[]:80",
        "[host]:80", "[::1:80", "::1]:80", "[::1]80", "a b:80", "http://x:80"}) {
    const auto address = ParseListenAddress(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code, Errc::kConfig);
    EXPECT_THAT(address.error().message, StartsWith("listen " + std::string(text) + ": "));
  }
}

}  // namespace
}  // namespace sidecar::http
