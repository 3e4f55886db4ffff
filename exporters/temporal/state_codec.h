#pragma once
// Numbers and text as bytes, for the state file. The reader trusts nothing: past the end, or on a
// number that cannot be, it turns bad, and from then on every read is zero or empty.
//
//   StateWriter out;
//   out.Number(floor).Text(name);
//   StateReader in(out.bytes());
//   if (!in.ok()) ...

#include <cstdint>
#include <string>
#include <string_view>

namespace sidecar::temporal {

class StateWriter {
 public:
  StateWriter& Number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>(value | 0x80U);
    bytes_ += static_cast<char>(value);
    return *this;
  }
  StateWriter& Signed(std::int64_t value) {  // zigzag, so that small ones are short
    const auto bits = static_cast<std::uint64_t>(value);
    return Number(bits << 1U ^ (value < 0 ? ~std::uint64_t{0} : 0));
  }
  StateWriter& Fixed(std::uint64_t value) {
    for (int i = 0; i < 8; ++i, value >>= 8U) bytes_ += static_cast<char>(value & 0xffU);
    return *this;
  }
  StateWriter& Text(std::string_view text) {
    Number(text.size());
    bytes_ += text;
    return *this;
  }
  const std::string& bytes() const& { return bytes_; }
  std::string&& bytes() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return Bad();
      const auto byte = static_cast<std::uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return Bad();
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    return Bad();
  }
  std::int64_t Signed() {
    const std::uint64_t bits = Number();
    return static_cast<std::int64_t>(bits >> 1U ^ ((bits & 1U) != 0 ? ~std::uint64_t{0} : 0));
  }
  std::uint64_t Fixed() {
    std::uint64_t value = 0;
    if (rest_.size() < 8) return Bad();
    for (unsigned i = 0; i < 8; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(rest_[i])) << 8U * i;
    }
    rest_.remove_prefix(8);
    return value;
  }
  std::string_view Text(std::size_t max) {
    const std::uint64_t size = Number();
    if (size > max || size > rest_.size()) {
      Bad();
      return {};
    }
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  // How many items follow, each of at least one byte: a count that cannot be is bad.
  std::size_t Items(std::size_t max) {
    const std::uint64_t count = Number();
    return count > max || count > rest_.size() ? Bad() : count;
  }
  std::uint64_t Bad() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace sidecar::temporal
