#pragma once
// Sends a response through a non-blocking socket from any thread. Blocks only for what is not last;
// the whole response has one deadline, on real time: a peer that reads slowly does not move it. The
// descriptor is the caller's. One thread at a time; another may shutdown(2) the socket to end it.
//
//   SocketWriter writer(fd, timeout);
//   writer.Begin();
//   Respond(response, exchange, now, writer, scratch);
//   writer.rest();  // what the kernel did not take of the last piece, to be sent by
//   writer.deadline()

#include <chrono>

#include "common/http/response_writer.h"

namespace sidecar::http {

class SocketWriter final : public Outlet {
 public:
  SocketWriter(int fd, Millis timeout) : fd_(fd), timeout_(timeout) {}

  void Begin();  // a new response; its time runs from its first byte
  Result<> Send(std::span<const std::string_view> parts, bool last) override;

  std::string& rest() { return rest_; }
  std::chrono::steady_clock::time_point deadline() const { return deadline_; }

 private:
  Result<> AwaitRoom() const;

  const int fd_;
  const Millis timeout_;
  std::chrono::steady_clock::time_point deadline_;
  std::string rest_;
};

}  // namespace sidecar::http
