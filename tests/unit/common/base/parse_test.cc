#include "common/base/parse.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sidecar {
namespace {

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (const auto line = NextLine(text)) lines.emplace_back(*line);
  return lines;
}

TEST(NextLine, TakesLinesWithoutTheirNewline) {
  EXPECT_EQ(Lines("a\nbc\n"), (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(Lines("a\n\nb"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(Lines("\n"), (std::vector<std::string>{""}));
  EXPECT_TRUE(Lines("").empty());
}

TEST(NextField, SkipsBlanksAndTabsAndIsEmptyAtTheEnd) {
  std::string_view rest = "  cpu0\t12  3 ";
  EXPECT_EQ(NextField(rest), "cpu0");
  EXPECT_EQ(NextField(rest), "12");
  EXPECT_EQ(NextField(rest), "3");
  EXPECT_EQ(NextField(rest), "");
  EXPECT_EQ(NextField(rest), "");
}

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(ParseNumber<std::uint64_t>("42"), 42U);
  EXPECT_EQ(ParseNumber<std::int64_t>("-42"), -42);
  EXPECT_EQ(ParseNumber<double>("0.25"), 0.25);
  for (const char* text : {"", " 42", "42 ", "42x", "0x2a", "+42", "4 2", "\xff"}) {
    EXPECT_FALSE(ParseNumber<std::uint64_t>(text)) << text;
  }
  EXPECT_FALSE(ParseNumber<std::uint64_t>("-1"));
}

TEST(ParseNumber, RefusesWhatDoesNotFitInsteadOfWrapping) {
  EXPECT_EQ(ParseNumber<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(ParseNumber<std::uint64_t>("18446744073709551616"));
  EXPECT_FALSE(ParseNumber<std::uint64_t>(std::string(400, '9')));
  EXPECT_FALSE(ParseNumber<std::uint8_t>("256"));
  EXPECT_FALSE(ParseNumber<double>("1e400"));
}

TEST(Quoted, EscapesWhatIsNotPrintableAsciiAndCutsAt80Bytes) {
  EXPECT_EQ(Quoted("MemFree: 1 kB"), "'MemFree: 1 kB'");
  EXPECT_EQ(Quoted(std::string_view("a\0\n\xff\x7f", 5)), "'a\\x00\\x0a\\xff\\x7f'");
  EXPECT_EQ(Quoted(std::string(80, 'a')), "'" + std::string(80, 'a') + "'");
  EXPECT_EQ(Quoted(std::string(81, 'a')), "'" + std::string(80, 'a') + "...'");
  EXPECT_EQ(Quoted(""), "''");
}

}  // namespace
}  // namespace sidecar
