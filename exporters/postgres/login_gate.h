#pragma once
// One login at a time without an answer. A postmaster that is stopped still has its connections
// accepted by the kernel: each attempt that was given up on would become a backend once it goes on,
// all at once. Thread-safe.
//
//   auto pass = gate.Enter(clock, until, Millis(3'000));   // kUnavailable: another has no answer
//   ... the login ...
//   pass->Release();

#include <condition_variable>
#include <mutex>
#include <utility>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sidecar::postgres {

class LoginGate {
 public:
  // A login is given up on after this long, and its place is free.
  static constexpr Millis kLongestLogin{60'000};

  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)), number_(other.number_) {}
    Pass& operator=(Pass&& other) noexcept {
      Release();
      gate_ = std::exchange(other.gate_, nullptr);
      number_ = other.number_;
      return *this;
    }
    ~Pass() { Release(); }
    void Release();

   private:
    friend class LoginGate;
    Pass(LoginGate* gate, std::uint64_t number) : gate_(gate), number_(number) {}

    LoginGate* gate_ = nullptr;
    std::uint64_t number_ = 0;
  };

  // Waits while another login is under way, but not past `patience` of its age.
  Result<Pass> Enter(const Clock& clock, Mono until, Millis patience);

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::uint64_t holder_ = 0, last_ = 0;  // numbers of passes; 0: nobody
  Mono since_{};
};

}  // namespace sidecar::postgres
