#include "common/http/gzip.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <array>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "common/base/parse.h"
#include "common/http/token.h"

namespace sidecar::http {
namespace {

constexpr std::size_t kStep = 8 << 10;  // the output grows by this much at a time
constexpr int kLevel = 1;
constexpr std::size_t kMostAtOnce = std::numeric_limits<std::uint32_t>::max();

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

// igzip's interface is not const-correct; it only reads.
std::uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

void PutLittleEndian(std::uint32_t number, std::string& out) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out += static_cast<char>(number >> shift & 0xFFU);
  }
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
  std::uint32_t checksum, size;  // of the body so far
  bool headed;                   // its header is written
  bool open;                     // the stream holds what no flush has ended

  void Reset();
  void Run(std::string_view piece, int flush, bool last, std::string& out);
  void PutHeader(std::string& out);
};

void Gzip::Impl::Reset() {
  isal_deflate_init(&stream);
  stream.level = kLevel;
  stream.level_buf = level.data();
  stream.level_buf_size = static_cast<std::uint32_t>(level.size());
  open = false;
}

void Gzip::Impl::Run(std::string_view piece, int flush, bool last, std::string& out) {
  stream.next_in = Bytes(piece);
  stream.avail_in = static_cast<std::uint32_t>(piece.size());
  stream.flush = static_cast<std::uint16_t>(flush);
  stream.end_of_stream = last ? 1 : 0;
  do {
    const std::size_t used = out.size();
    out.resize(used + kStep);
    stream.next_out = reinterpret_cast<std::uint8_t*>(out.data() + used);
    stream.avail_out = kStep;
    isal_deflate(&stream);  // its errors are of wrong levels and flags, not of data
    out.resize(used + kStep - stream.avail_out);
  } while (stream.avail_out == 0);
  open = flush == NO_FLUSH;
}

void Gzip::Impl::PutHeader(std::string& out) {
  constexpr std::string_view kHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  if (!std::exchange(headed, true)) out.append(kHeader);
}

Gzip::Gzip() = default;
Gzip::~Gzip() = default;

bool Gzip::Start() {
  if (!impl_) impl_.reset(new (std::nothrow) Impl);  // not zeroed: what is not used costs nothing
  if (!impl_) return false;
  impl_->Reset();
  impl_->checksum = impl_->size = 0;
  impl_->headed = false;
  return true;
}

void Gzip::Add(std::string_view piece, std::string& out) {
  impl_->PutHeader(out);
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, kMostAtOnce);
    piece.remove_prefix(part.size());
    impl_->checksum = crc32_gzip_refl(impl_->checksum, Bytes(part), part.size());
    impl_->size += static_cast<std::uint32_t>(part.size());
    impl_->Run(part, NO_FLUSH, false, out);
  }
}

void Gzip::Splice(const Packed& packed, std::string& out) {
  impl_->PutHeader(out);
  if (impl_->open) impl_->Run({}, FULL_FLUSH, false, out);
  out.append(packed.bytes);
  impl_->checksum =
      static_cast<std::uint32_t>(crc32_combine_op(impl_->checksum, packed.checksum, packed.shift));
  impl_->size += static_cast<std::uint32_t>(packed.size);
}

void Gzip::Finish(std::string& out) {
  impl_->PutHeader(out);
  impl_->Run({}, NO_FLUSH, true, out);
  PutLittleEndian(impl_->checksum, out);
  PutLittleEndian(impl_->size, out);
}

Packed Gzip::Pack(std::string_view text) {
  Packed packed{.size = text.size()};
  while (!text.empty()) {
    const std::string_view part = text.substr(0, kMostAtOnce);
    text.remove_prefix(part.size());
    packed.checksum = crc32_gzip_refl(packed.checksum, Bytes(part), part.size());
    impl_->Run(part, FULL_FLUSH, false, packed.bytes);
  }
  packed.shift = static_cast<std::uint32_t>(crc32_combine_gen(static_cast<long>(packed.size)));
  packed.bytes.shrink_to_fit();
  return packed;
}

}  // namespace sidecar::http
