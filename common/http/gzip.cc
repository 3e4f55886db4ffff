#include "common/http/gzip.h"

#include <zlib.h>

#include <limits>
#include <optional>

#include "common/base/parse.h"
#include "common/http/token.h"

namespace sidecar::http {
namespace {

constexpr std::size_t kStep = 8 << 10;  // the output grows by this much at a time
constexpr int kGzipWindow = 15 + 16;    // 32 KiB, and a gzip header instead of zlib's
constexpr int kMemoryLevel = 8;

double Quality(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view parameter = NextPart(parameters, ';');
    const std::string_view name = NextPart(parameter, '=');
    if (!EqualsIgnoreCase(name, "q")) continue;
    const double quality = ParseNumber<double>(Trim(parameter)).value_or(0);
    return quality >= 0 && quality <= 1 ? quality : 0;
  }
  return 1;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  std::optional<double> gzip, any, identity;
  while (!accept_encoding.empty()) {
    std::string_view entry = NextPart(accept_encoding, ',');
    const std::string_view coding = NextPart(entry, ';');
    const double quality = Quality(entry);
    if (EqualsIgnoreCase(coding, "gzip") || EqualsIgnoreCase(coding, "x-gzip")) gzip = quality;
    if (EqualsIgnoreCase(coding, "identity")) identity = quality;
    if (coding == "*") any = quality;
  }
  const double wanted = gzip.value_or(any.value_or(0));
  return wanted > 0 && wanted >= identity.value_or(0);
}

struct Gzip::Impl {
  z_stream stream{};
  bool ready = false;
};

Gzip::Gzip() : impl_(std::make_unique<Impl>()) {}

Gzip::~Gzip() {
  if (impl_->ready) deflateEnd(&impl_->stream);
}

bool Gzip::Start() {
  if (impl_->ready) return deflateReset(&impl_->stream) == Z_OK;
  impl_->ready = deflateInit2(&impl_->stream, 1, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                              Z_DEFAULT_STRATEGY) == Z_OK;
  return impl_->ready;
}

void Gzip::Add(std::string_view piece, std::string& out) {
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, kMost);
    piece.remove_prefix(part.size());
    Run(part, Z_NO_FLUSH, out);
  }
}

void Gzip::Finish(std::string& out) { Run({}, Z_FINISH, out); }

void Gzip::Run(std::string_view piece, int flush, std::string& out) {
  z_stream& stream = impl_->stream;
  // zlib's interface is not const-correct; it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
  stream.avail_in = static_cast<uInt>(piece.size());
  do {
    const std::size_t used = out.size();
    out.resize(used + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = kStep;
    deflate(&stream, flush);
    out.resize(used + kStep - stream.avail_out);
  } while (stream.avail_out == 0);
}

}  // namespace sidecar::http
