#pragma once
// The text of one gzip member, for tests. Throws when it is none, is cut, or more follows.

#include <zlib.h>

#include <array>
#include <stdexcept>
#include <string>

namespace sidecar {

inline std::string Gunzip(std::string data) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::runtime_error("inflateInit2");
  stream.next_in = reinterpret_cast<Bytef*>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
  std::string text;
  int state = Z_OK;
  while (state == Z_OK) {
    std::array<char, 16 << 10> piece{};
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    state = inflate(&stream, Z_NO_FLUSH);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!whole) throw std::runtime_error("not one whole gzip member");
  return text;
}

}  // namespace sidecar
