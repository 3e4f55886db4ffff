#include "common/config/mask.h"

#include <gmock/gmock.h>

#include <random>
#include <utility>

#include "common/config/source_text.h"

namespace sidecar::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Masking {
  std::string_view value, masked;
};

TEST(Mask, MasksCredentialsInValues) {
  constexpr Masking kCases[] = {
      {"postgres://u:p@w@h:1/d?sslpassword=x&a=b", "postgres://u:***@h:1/d?sslpassword=***&a=b"},
      // Keywords and values: quotes, backslashes, blanks around '='.
      {"host=h Password = 'a b' port=1", "host=h Password = *** port=1"},
      {"password=p\"q", "password=***"},
      {"password='open", "password=***"},
      {R"(password='rechte\'s wort' host=h)", "password=*** host=h"},
      {R"(password=abc\ wort host=h)", "password=*** host=h"},
      {R"(password='a\\' host=h)", "password=*** host=h"},
      {R"(password=a\\ host=h)", "password=*** host=h"},
      {R"(password=wort\)", "password=***"},
      {"password='a'wort host=h", "password=*** host=h"},
      {"password='a'password= 'wort 2'x host=h", "password=*** host=h"},
      {"user=password= password= wort host=h", "user=password= *** host=h"},
      {"password=a'b host=h", "password=*** host=h"},
      {"password=a&wort host=h", "password=*** host=h"},
      {"user=u password\t=\n'wort\n2' host=h", "user=u password\t=\n*** host=h"},
      {"sslpassword=wort host=h", "sslpassword=*** host=h"},
      {"oauth_client_secret=wort host=h", "oauth_client_secret=*** host=h"},
      {"scram_client_key=wort host=h", "scram_client_key=*** host=h"},
      {"host=h user=u password=wort", "host=h user=u password=***"},
      {"application_name=a://b:c password='d@wort e' host=h", "application_name=a://b:*** host=h"},
      {"application_name=a://b password=wort:c@d host=h",
       "application_name=a://b password=*** host=h"},
      // URIs.
      {"postgres://u:topsecret@127.0.0.1:1/db?bogus=1", "postgres://u:***@127.0.0.1:1/db?bogus=1"},
      {"postgres://u:hunter2@host/db?passfile=/x&bogus=1",
       "postgres://u:***@host/db?passfile=/x&bogus=1"},
      {"postgres://u:t wort@host/db", "postgres://u:***@host/db"},
      {"postgres://u:pa/wort@host/db", "postgres://u:***@host/db"},
      {"postgres://u:pa?wort=1@host/db", "postgres://u:***@host/db"},
      {"postgres://u:pa\nwort@host/db", "postgres://u:***@host/db"},
      {"postgres://u:%40w%6Frt@host/db", "postgres://u:***@host/db"},
      {"postgres://:wort@host/db", "postgres://:***@host/db"},
      {"postgres://u:wort@a:1,b:2/db", "postgres://u:***@a:1,b:2/db"},
      {"postgres://u:wort@[::1]:1/db", "postgres://u:***@[::1]:1/db"},
      {"postgres://u:wort@a/x,postgres://v:wort@b/y", "postgres://u:***@b/y"},
      {"postgres://u@h:1/d?password=wort&a=b", "postgres://u@h:1/d?password=***&a=b"},
      {"postgres://u@h/d?password=a wort&a=b", "postgres://u@h/d?password=***&a=b"},
      {"postgres://u@h/d?pass%77ord=wort", "postgres://u@h/d?pass%77ord=***"},
      {"postgres://u@h/d?a=b&password=wort", "postgres://u@h/d?a=b&password=***"},
      {"postgres://h:1/d?password=a@wort&a=b", "postgres://h:***&a=b"},
      {"postgres://u:password=a@wort@h/d", "postgres://u:***"},
  };
  for (const auto& [value, masked] : kCases) EXPECT_EQ(MaskCredentials(value), masked) << value;
}

TEST(Mask, LeavesWhatHoldsNoCredentials) {
  for (const std::string_view value :
       {"", "://", "password", "password=", "password_file=/x", "postgres://u@h:1/d",
        "postgres://a:1,b:2/d?target_session_attrs=any", "postgres://u:@h/d", "http://[::1]:80/",
        "host=/run/x port=5432 dbname=d user=u passfile=/x", "service=here",
        "SELECT a[1:2] FROM t WHERE b @> c"}) {
    EXPECT_EQ(MaskCredentials(value), value);
  }
}

// What --config.print wrote is read and printed again.
TEST(Mask, ChangesNothingOnceMasked) {
  constexpr std::string_view kParts[] = {"://", "@", ":", "=", "password", "token", "'",   "\\",
                                         " ",   "&", "?", "a", "/",        "_file", "%77", "\n"};
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same every time
  for (int round = 0; round < 50'000; ++round) {
    std::string value = round % 2 == 0 ? "a://" : "";
    for (int i = 0; i < 14; ++i) value += kParts[random() % std::size(kParts)];
    const std::string masked = MaskCredentials(value);
    ASSERT_EQ(MaskCredentials(masked), masked) << value;
  }
}

TEST(Mask, FindsTheValueOfASecretInALine) {
  constexpr std::pair<std::string_view, std::size_t> kCases[] = {
      {"api_token = \"x\"", 11},
      {"a = { PASSWORD = 1 }", 16},
      {"\"password\" = 1", 12},
      {"dsn = 'password x port=1'", 15},
      {"dsn = 'u?%70assword=x'", 20},
      {"password_file = \"/x\"", std::string_view::npos},
      {"password", std::string_view::npos},
      {"enabled = true", std::string_view::npos}};
  for (const auto& [line, found] : kCases) EXPECT_EQ(FindSecretValue(line), found) << line;
}

TEST(Mask, FindsTheLoginInALine) {
  constexpr Masking kCases[] = {
      {"dsn = 'postgres://u:a wort@h:1/d'", "a wort"},
      {"dsn = 'postgres:/u:wort@h/d'", "/u:wort"},
      {"dsn = 'u:wort@h/d'", "wort"},
      {"dsn = 'postgres://u:wo\"rt@h/d'", "wo\"rt"},
      {"dsn = 'postgres://u:wo", "wo"},
      {"dsn = 'postgres://h:5432/d'", ""},
      {"dsn = 'postgres://u@h:x'", ""},
      {"listen = ['[::1]:9100']", ""},
      {"a = 'x@y'", ""},
  };
  for (const auto& [line, login] : kCases) {
    const Range range = FindLoginPassword(line);
    EXPECT_EQ(line.substr(range.begin, range.end - range.begin), login) << line;
  }
}

std::string Rendered(std::string_view line, std::string_view marked) {
  const SourceText source("f.toml", std::string(line), 0);
  return source.Render({&source, line.find(marked), marked.size()}, "why");
}

TEST(Mask, LeavesCredentialsOutOfTheLineOfAFault) {
  for (const std::string_view line : {
           "dsn = 'postgres://u:topsecret@127.0.0.1:1/db?bogus=1'",
           "dsn = 'postgres://u:topsecret=1@127.0.0.1:1/db?bogus=1'",
           "dsn = 'postgres://u:passtopsecret=1@127.0.0.1:1/db?bogus=1'",
           "dsn = 'postgres://u:topsecret@127.0.0.1:1/db?passfile=/x&bogus=1'",
           "dsn = 'postgres://u:a token=topsecret@h/db?bogus=1'",
           "dsn = 'postgres://u:a/topsecret@h?bogus=1'",
           "dsn = 'postgres://u\\u003atopsecret@h?bogus=1'",
           "dsn = 'postgres://h?bogus=1&%70assword=a topsecret'",
           "dsn = 'u:topsecret@h'",
           "dsn = 'host=h password topsecret port=1'",
           R"(dsn = "password='a\\' topsecret' bogus=1")",
           R"(dsn = "password=a\\ topsecret bogus=1")",
           "dsn = 'postgres://u:x', api_token = 'topsecret@h'",
           "dsn = \"\"\"postgres://u:topsecret",
           "dsn = '''\ntopsecret",
           "dsn = \"\"\"a\\\"\"\"\"\" # \"\"\"\nb='''\n\n topsecret@h/db'''",
       }) {
    const std::string rendered = Rendered(line, "topsecret");
    EXPECT_THAT(rendered, Not(HasSubstr("topsecret"))) << line;
    EXPECT_THAT(rendered, HasSubstr("***")) << line;
  }
}

TEST(Mask, KeepsTheCaretWhereTheRestOfTheLineStands) {
  EXPECT_EQ(Rendered("a = 'x://u:secret@h' # bogus", "# bogus"),
            "f.toml:1: why\n"
            "    1 | a = 'x://u:***\n"
            "      |               ^");
  EXPECT_EQ(Rendered("a = 'x://u:hunter2@h' # bogus", "# bogus"),
            "f.toml:1: why\n"
            "    1 | a = 'x://u:***@h' # bogus\n"
            "      |                   ^~~~~~~");
  EXPECT_EQ(Rendered("sql = \"\"\"\nSELECT 1\n\"\"\"", "\"\"\""),
            "f.toml:1: why\n"
            "    1 | sql = \"\"\"\n"
            "      |       ^~~");
}

}  // namespace
}  // namespace sidecar::config
