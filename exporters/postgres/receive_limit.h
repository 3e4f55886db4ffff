#pragma once
// Bounds what libpq reads from its socket in one call, and counts it. PQconsumeInput reads on for
// as long as the socket has something and its buffer has room (pqReadData in libpq 15), and the
// buffer grows to whatever length a message claims: one row of 500 MB was read in one call, past
// every bound and deadline, whenever the server was the faster of the two. The program's own
// recv(2) takes the place of libc's, for libpq too, and answers EAGAIN once the limit of this
// thread is used up; without a limit it is libc's. One thread.
//
//   const ReceiveLimit limit(1U << 20U);
//   PQconsumeInput(conn);
//   came += limit.received();

#include <cstddef>

namespace sidecar::postgres {

class ReceiveLimit {
 public:
  explicit ReceiveLimit(std::size_t bytes);
  ~ReceiveLimit();
  ReceiveLimit(const ReceiveLimit&) = delete;
  ReceiveLimit& operator=(const ReceiveLimit&) = delete;

  std::size_t left() const { return bytes_ - received_; }
  std::size_t received() const { return received_; }
  void Add(std::size_t bytes) { received_ += bytes; }

 private:
  const std::size_t bytes_;
  std::size_t received_ = 0;
  ReceiveLimit* const outer_;
};

}  // namespace sidecar::postgres
