#include "common/config/parse_toml.h"

#include <gmock/gmock.h>

namespace sidecar::config {
namespace {

using ::testing::HasSubstr;

std::string Complaint(std::string text) {
  const SourceText source("f.toml", std::move(text), 0);
  const auto root = ParseToml(source);
  return root ? "" : root.error().message;
}

std::string Repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

TEST(ParseToml, PlacesKeysAndValues) {
  const SourceText source("f.toml", "\xEF\xBB\xBFx = 1\n[a.b]\n  key = 'v'\n", 0);
  const auto root = ParseToml(source);
  ASSERT_TRUE(root) << root.error().message;
  const Value& a = root->table.at("a");
  const Value& key = a.table.at("b").table.at("key");
  EXPECT_EQ(key.text, "v");
  EXPECT_EQ(source.At(key.place.offset), "f.toml:3");
  EXPECT_EQ(source.text().substr(key.place.offset, key.place.size), "'v'");
  EXPECT_EQ(source.text().substr(key.key.offset, key.key.size), "key");
  EXPECT_EQ(source.text().substr(a.key.offset, a.key.size), "a");
  EXPECT_EQ(root->table.at("x").integer, 1);
}

TEST(ParseToml, ReadsAllFormsOfIntegers) {
  const SourceText source("f.toml",
                          "a = 0x7fff_ffff_ffff_ffff\nb = -9_223_372_036_854_775_808\n"
                          "c = 0b101\nd = 0o17\ne = +5\nf = 0\n",
                          0);
  const auto root = ParseToml(source);
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->table.at("a").integer, INT64_MAX);
  EXPECT_EQ(root->table.at("b").integer, INT64_MIN);
  EXPECT_EQ(root->table.at("c").integer, 5);
  EXPECT_EQ(root->table.at("d").integer, 15);
  EXPECT_EQ(root->table.at("e").integer, 5);
  EXPECT_EQ(root->table.at("f").integer, 0);
}

TEST(ParseToml, RefusesNumbersThatToml11WouldClamp) {
  EXPECT_THAT(Complaint("a = 99999999999999999999\n"), HasSubstr("f.toml:1: this number does not"));
  EXPECT_THAT(Complaint("a = 0xffffffffffffffff\n"), HasSubstr("fit into 64 bits"));
  EXPECT_THAT(Complaint("a = 1e999\n"), HasSubstr("f.toml:1: this number does not"));
  EXPECT_EQ(Complaint("a = +1_0.5e-3\nb = +inf\nc = -nan\n"), "");
}

TEST(ParseToml, RefusesNestingThatWouldOverflowTheParsersStack) {
  const std::string why = "nested more than 64 deep";
  EXPECT_THAT(Complaint("a = " + Repeat("[", 20'000)), HasSubstr("f.toml:1: " + why));
  EXPECT_THAT(Complaint("a = " + Repeat("{a=", 10'000)), HasSubstr(why));
  EXPECT_THAT(Complaint(Repeat("a.", 10'000) + "a = 1"), HasSubstr(why));
  EXPECT_THAT(Complaint("[" + Repeat("a.", 10'000) + "a]"), HasSubstr(why));
  EXPECT_THAT(Complaint(Repeat("a.b.c.d = {", 20) + Repeat("}", 20)), HasSubstr(why));
  EXPECT_THAT(Complaint(Repeat("\"a\" . ", 100) + "a = 1"), HasSubstr(why));
}

TEST(ParseToml, CountsNoBracketsInStringsAndComments) {
  const std::string many = Repeat("[{.", 100);
  EXPECT_EQ(Complaint("# " + many + "\na = \"\\\"" + many + "\"\nb = '" + many + "'\nc = \"\"\"" +
                      many + "\n" + many + "\"\"\"\nd = '''\n" + many + "''''\ne = [" +
                      Repeat("1.5, ", 200) + "]\nf = \"\"\n"),
            "");
  EXPECT_EQ(Complaint("a = " + Repeat("[", 60) + Repeat("]", 60) + "\n"), "");
}

TEST(ParseToml, RefusesBytesThatAreNotUtf8) {
  EXPECT_EQ(Complaint("x = 1\na = \"\xff\"\n"), "f.toml:2: not valid UTF-8");
  EXPECT_EQ(Complaint("a = \"\xc0\x80\"\n"), "f.toml:1: not valid UTF-8");
  EXPECT_EQ(Complaint("a = \"\xed\xa0\x80\"\n"), "f.toml:1: not valid UTF-8");
  EXPECT_EQ(Complaint("a = \"\xe2\x82"), "f.toml:1: not valid UTF-8");
}

TEST(ParseToml, RefusesLinesThatWouldStallTheParser) {
  EXPECT_EQ(Complaint("a = \"" + std::string(70'000, 'x') + "\"\n"),
            "f.toml:1: a line of more than 64 KiB");
  EXPECT_EQ(Complaint("\na = [" + Repeat("1,", 1'001) + "]\n"),
            "f.toml:2: more than 1000 values in a line");
  EXPECT_EQ(Complaint("a = [" + Repeat("1,\n", 2'000) + "]\nb = '" + Repeat(",", 2'000) + "'\n"),
            "");
}

TEST(ParseToml, PutsACaretUnderSyntaxErrors) {
  EXPECT_EQ(Complaint("x = 1\na = tru\n"),
            "f.toml:2: syntax error: the next token is not a boolean\n"
            "    2 | a = tru\n      |     ^");
  EXPECT_THAT(Complaint("a = [1,\n2\nb = 3\n"), HasSubstr("f.toml:3: syntax error: missing array"));
  EXPECT_THAT(Complaint("a = \n"), HasSubstr("missing value after key-value separator"));
  EXPECT_THAT(Complaint("[a]\n[a]\n"),
              HasSubstr("f.toml:2: 'a' is defined twice, first in line 1"));
  EXPECT_THAT(Complaint("a = 1\rb = 2\n"), HasSubstr("f.toml:1: syntax error"));
  EXPECT_THAT(Complaint(std::string("a = 1\0", 6)), HasSubstr("f.toml:1: syntax error"));
}

TEST(ParseToml, ShowsTheNeighbourhoodOfTheCaretInALongLine) {
  const std::string complaint = Complaint("a = [" + Repeat("\"\xc3\xa9\", ", 500) + "oops]\n");
  EXPECT_THAT(complaint, HasSubstr("oops]"));
  EXPECT_LT(complaint.size(), 600U);
}

TEST(ParseToml, TakesEmptyFiles) {
  EXPECT_EQ(Complaint(""), "");
  EXPECT_EQ(Complaint("\r\n"), "");
  EXPECT_EQ(Complaint("# only a comment"), "");
}

}  // namespace
}  // namespace sidecar::config
