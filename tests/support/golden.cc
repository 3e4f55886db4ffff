#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace sidecar {
namespace {

constexpr std::size_t kShown = 60;  // lines of a difference

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    lines.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

void Show(char mark, std::string_view line, std::size_t& shown, std::string& out) {
  if (++shown > kShown) return;
  out.append(1, mark).append(line);
  if (!line.ends_with('\n')) out.append("\n\\ no newline at the end\n");
}

// Lines that only one of the texts has, in order: after equal heads and tails, whatever comes next
// within a window is taken for where the texts meet again.
std::string Difference(std::string_view expected, std::string_view actual) {
  constexpr std::size_t kWindow = 200;
  const auto a = Lines(expected), b = Lines(actual);
  std::string out;
  std::size_t i = 0, j = 0, shown = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i, ++j;
      continue;
    }
    std::size_t skip_a = 0, skip_b = 0, best = 2 * kWindow;
    for (std::size_t x = 0; x < kWindow && i + x < a.size(); ++x) {
      for (std::size_t y = 0; x + y < best && j + y < b.size(); ++y) {
        if (a[i + x] == b[j + y]) skip_a = x, skip_b = y, best = x + y;
      }
    }
    if (best == 2 * kWindow) skip_a = a.size() - i, skip_b = b.size() - j;
    for (; skip_a > 0; --skip_a) Show('-', a[i++], shown, out);
    for (; skip_b > 0; --skip_b) Show('+', b[j++], shown, out);
  }
  if (shown > kShown) out += "... " + std::to_string(shown - kShown) + " more\n";
  return out;
}

}  // namespace

void ExpectGolden(std::string_view text, std::string_view path, std::source_location caller) {
  const int line = static_cast<int>(caller.line());
  const std::filesystem::path file = std::filesystem::path(SIDECAR_TESTS_DIR) / "golden" / path;
  const char* const update = std::getenv("UPDATE_GOLDEN");
  if (update != nullptr && std::string_view(update) == "1") {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return;
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    ADD_FAILURE_AT(caller.file_name(), line)
        << "there is no " << file.native() << "; UPDATE_GOLDEN=1 writes it";
    return;
  }
  const std::string expected{std::istreambuf_iterator<char>(stream), {}};
  if (text != expected) {
    ADD_FAILURE_AT(caller.file_name(), line)
        << file.native() << " differs (- golden, + now; UPDATE_GOLDEN=1 rewrites it):\n"
        << Difference(expected, text);
  }
}

}  // namespace sidecar
