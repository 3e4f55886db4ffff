#include "exporters/temporal/visibility_query.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace sidecar::temporal {
namespace {

std::string Literal(std::int64_t us, std::string_view end) {
  using std::chrono::sys_days;
  constexpr std::int64_t kLast = 32'503'680'000'000'000;  // the year 3000
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::microseconds(std::clamp<std::int64_t>(us, 0, kLast))};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "'%04d-%02u-%02uT%02d:%02d:%02d.%06d", int{date.year()},
      unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(size)).append(end).append("Z'");
}

}  // namespace

std::string Between(std::string_view attribute, std::int64_t low_us, std::int64_t high_us) {
  return std::string(attribute) + " BETWEEN " + Literal(low_us, "") + " AND " +
         Literal(high_us, "999");
}

}  // namespace sidecar::temporal
