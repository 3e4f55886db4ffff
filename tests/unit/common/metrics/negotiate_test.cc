#include <gtest/gtest.h>

#include <string>

#include "common/metrics/encoder.h"

namespace sidecar {
namespace {

constexpr const char* kText = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
constexpr const char* kOldOpenMetrics =
    "application/openmetrics-text; version=0.0.1; charset=utf-8";

std::string TypeFor(std::string_view accept) {
  const Negotiated answer = Negotiate(accept);
  EXPECT_EQ(answer.format == Format::kOpenMetrics, answer.content_type != kText) << accept;
  return answer.content_type;
}

TEST(Negotiate, AnswersPrometheusInOpenMetrics) {
  // 2.42 and 3.x.
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                    "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
                    "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
            kOpenMetrics);
}

TEST(Negotiate, AnswersEverybodyElseInText) {
  for (const char* accept :
       {"", "*/*", "text/*", "text/plain", "text/plain;version=0.0.4", "application/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        "application/json", "application/vnd.google.protobuf;encoding=delimited;q=1"}) {
    EXPECT_EQ(TypeFor(accept), kText) << accept;
  }
}

TEST(Negotiate, ComparesQualities) {
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.5,text/plain;q=0.5"), kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.499,text/plain;q=0.5"), kText);
  EXPECT_EQ(TypeFor("text/plain;q=0,application/openmetrics-text;q=0.001"), kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0"), kText);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.0,*/*"), kText);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.5,*/*"), kText);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.5,*/*,text/plain;q=0.1"), kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;q=0.5,text/plain;version=1.0.0"), kOpenMetrics);
}

TEST(Negotiate, EchoesTheOldVersionWhereItIsPreferred) {
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=0.0.1"), kOldOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=0.0.1;q=0.7,"
                    "application/openmetrics-text;version=1.0.0;q=0.6"),
            kOldOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=0.0.1,"
                    "application/openmetrics-text;version=1.0.0"),
            kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text"), kOpenMetrics);
  EXPECT_EQ(TypeFor("application/openmetrics-text;version=2.0.0"), kText);
}

TEST(Negotiate, ReadsWhatTheGrammarAllows) {
  for (const char* accept : {"APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1.000",
                             ",, application/openmetrics-text,", "application/openmetrics-text;",
                             "application/openmetrics-text;;version=1.0.0",
                             "\tapplication/openmetrics-text\t;\tversion=1.0.0",
                             "a/b;c=\"x,y;\\\"q=0\",application/openmetrics-text",
                             "application/openmetrics-text;q=1."}) {
    EXPECT_EQ(TypeFor(accept), kOpenMetrics) << accept;
  }
}

TEST(Negotiate, AnswersAMalformedHeaderInText) {
  for (const char* tail :
       {";q",     ";q=",    ";q=2",     ";q=1.001",         ";q=-1", ";q=0.5.5",    ";q=0.1234",
        ";q=.5",  ";q=nan", ";version", ";version=\"1.0.0", ";=1",   " text/plain", ",/plain",
        ",text/", ",text",  ",\xFF/*",  ";a=\"\\",          ",\x01", ";q =0.5"}) {
    EXPECT_EQ(TypeFor(std::string("application/openmetrics-text") + tail), kText) << tail;
  }
}

TEST(Negotiate, TakesHugeHeaders) {
  std::string accept;
  for (int i = 0; i < 200'000; ++i) accept += "a/b;q=0.1,";
  EXPECT_EQ(TypeFor(accept + "application/openmetrics-text"), kOpenMetrics);
  EXPECT_EQ(TypeFor(std::string(1'000'000, ',')), kText);
  EXPECT_EQ(TypeFor("a/b;c=\"" + std::string(1'000'000, '\\')), kText);
}

}  // namespace
}  // namespace sidecar
