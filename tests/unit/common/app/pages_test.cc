#include "common/app/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Pages, LandingPageLinksEachExportersMetrics) {
  const ExporterStatus exporters[] = {{"host", "/metrics/host", {}},
                                      {"temporal", "/metrics/temporal", {}}};
  const std::string page = LandingPage("sidecar-exporter", exporters);
  EXPECT_THAT(page, HasSubstr("<h1>sidecar-exporter</h1>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"/metrics/host\">Metrics: host</a>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"/metrics/temporal\">Metrics: temporal</a>"));
}

TEST(Pages, StatusShowsAFailedMembersErrorAndMarksItsRow) {
  MemberStatus member{};
  member.name = "cpu";
  member.lane = "main";
  member.state = "idle";
  member.error = "parse: bad line";
  member.samples = 17;
  member.age_seconds = -1;
  const ExporterStatus exporters[] = {{"host", "/metrics", {member}}};
  const std::string page = StatusPage("host-exporter", exporters);
  EXPECT_THAT(page, HasSubstr("<tr class=\"bad\"><td>cpu</td><td>main</td><td>idle</td>"));
  EXPECT_THAT(page, HasSubstr("parse: bad line"));
}

TEST(Pages, EscapesWhatCameFromOutside) {
  MemberStatus member{};
  member.error = "<script>alert('x')</script>&\"";
  const ExporterStatus exporters[] = {{"host", "/metrics", {member}}};
  const std::string page = StatusPage("x", exporters);
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"));
}

}  // namespace
}  // namespace sidecar
