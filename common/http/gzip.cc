#include "common/http/gzip.h"

#include <isa-l/igzip_lib.h>

#include <array>
#include <limits>
#include <new>
#include <optional>

#include "common/base/parse.h"
#include "common/http/token.h"

namespace sidecar::http {
namespace {

constexpr std::size_t kStep = 8 << 10;  // the output grows by this much at a time
constexpr int kLevel = 1;

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
  isal_zstream stream;
  std::array<std::uint8_t, ISAL_DEF_LVL1_DEFAULT> level;
};

Gzip::Gzip() = default;
Gzip::~Gzip() = default;

bool Gzip::Start() {
  if (!impl_) impl_.reset(new (std::nothrow) Impl);  // not zeroed: what is not used costs nothing
  if (!impl_) return false;
  isal_zstream& stream = impl_->stream;
  isal_deflate_init(&stream);
  stream.level = kLevel;
  stream.level_buf = impl_->level.data();
  stream.level_buf_size = static_cast<std::uint32_t>(impl_->level.size());
  stream.gzip_flag = IGZIP_GZIP;
  return true;
}

void Gzip::Add(std::string_view piece, std::string& out) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, kMost);
    piece.remove_prefix(part.size());
    Run(part, false, out);
  }
}

void Gzip::Finish(std::string& out) { Run({}, true, out); }

void Gzip::Run(std::string_view piece, bool last, std::string& out) {
  isal_zstream& stream = impl_->stream;
  // igzip's interface is not const-correct; it only reads.
  stream.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(piece.data()));
  stream.avail_in = static_cast<std::uint32_t>(piece.size());
  stream.end_of_stream = last ? 1 : 0;
  do {
    const std::size_t used = out.size();
    out.resize(used + kStep);
    stream.next_out = reinterpret_cast<std::uint8_t*>(out.data() + used);
    stream.avail_out = kStep;
    isal_deflate(&stream);  // its errors are of wrong levels and flags, not of data
    out.resize(used + kStep - stream.avail_out);
  } while (stream.avail_out == 0);
}

}  // namespace sidecar::http
