#include "common/app/pages.h"

#include <cstdio>

#include "common/app/version.h"

namespace sidecar {
namespace {

constexpr std::string_view kStyle =
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#222;background:#fafafa}"
    "header{background:#20435c;color:#fff;padding:.8em 1.5em}header a{color:#cde}"
    "main{padding:1em 1.5em}table{border-collapse:collapse;background:#fff}"
    "th,td{border:1px solid #ddd;padding:.3em .7em;text-align:left}th{background:#eef2f5}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}tr.bad td{background:#fdecea}"
    "@media(prefers-color-scheme:dark){body{background:#16191c;color:#ddd}table{background:#1e2226}"
    "th{background:#2a3036}th,td{border-color:#3a4046}a{color:#8bc}tr.bad td{background:#4a2522}}"
    "</style>";

std::string Head(std::string_view title) {
  const std::string escaped = EscapeHtml(title);
  std::string page =
      "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>";
  page.append(escaped).append("</title>").append(kStyle).append("</head><body><header><h1>");
  page.append(escaped).append("</h1><p>Version ").append(Version()).append(", revision ");
  return page.append(Revision()).append("</p></header><main>");
}

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", seconds);
  return text;
}

void AppendRow(std::string& page, const MemberStatus& member) {
  page += member.error.empty() ? "<tr>" : "<tr class=\"bad\">";
  const auto cell = [&page](std::string_view kind, const std::string& text) {
    page.append("<td").append(kind).append(">").append(EscapeHtml(text)).append("</td>");
  };
  constexpr std::string_view kNumber = " class=\"n\"";
  cell("", member.name);
  cell("", member.lane);
  cell("", member.state);
  cell(kNumber, std::to_string(member.samples));
  cell(kNumber, std::to_string(member.dropped));
  cell(kNumber, Seconds(member.seconds));
  cell(kNumber, member.age_seconds < 0 ? "" : Seconds(member.age_seconds));
  cell("", member.error);
  page += "</tr>";
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string LandingPage(std::string_view name, std::span<const ExporterStatus> exporters) {
  std::string page = Head(name);
  page += "<ul>";
  const auto link = [&page](std::string_view path, std::string_view text) {
    page.append("<li><a href=\"").append(EscapeHtml(path)).append("\">");
    page.append(EscapeHtml(text)).append("</a></li>");
  };
  for (const ExporterStatus& exporter : exporters) {
    link(exporter.metrics_path, "Metrics: " + exporter.name);
  }
  link("/status", "Status: each collector's state, last error, duration and samples");
  link("/config", "Configuration in effect");
  link("/-/healthy", "Healthy");
  link("/-/ready", "Ready");
  return page + "</ul></main></body></html>\n";
}

std::string StatusPage(std::string_view name, std::span<const ExporterStatus> exporters) {
  std::string page = Head(std::string(name) + ": status");
  for (const ExporterStatus& exporter : exporters) {
    page.append("<h2>").append(EscapeHtml(exporter.name)).append("</h2>");
    page +=
        "<table><thead><tr><th>collector</th><th>lane</th><th>state</th><th>samples</th>"
        "<th>dropped</th><th>seconds</th><th>age</th><th>last error</th></tr></thead><tbody>";
    for (const MemberStatus& member : exporter.members) AppendRow(page, member);
    page += "</tbody></table>";
  }
  return page + "<p><a href=\"/\">Back</a></p></main></body></html>\n";
}

}  // namespace sidecar
