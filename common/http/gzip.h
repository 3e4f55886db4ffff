#pragma once
// A response body, compressed while it is written, by ISA-L's igzip: a third of the CPU of zlib's
// level 1 and no more bytes (ADR 0005). One state (365 kB) serves many bodies. One thread at a
// time.
//
//   if (http::AcceptsGzip(request.header("Accept-Encoding")) && gzip.Start()) {
//     gzip.Add(piece, out);
//     gzip.Finish(out);

#include <memory>
#include <string>
#include <string_view>

#include "common/metrics/packed.h"

namespace sidecar::http {

// gzip is named, or covered by "*", with a quality above 0 that is not below identity's. A quality
// that is no number counts as 0.
bool AcceptsGzip(std::string_view accept_encoding);

class Gzip {
 public:
  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  [[nodiscard]] bool Start();  // a new body, whatever became of the last; false: no memory
  void Add(std::string_view piece, std::string& out);   // appends
  void Splice(const Packed& packed, std::string& out);  // the text of `packed`
  void Finish(std::string& out);
  // For Splice. Before the first Add of a body.
  Packed Pack(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar::http
