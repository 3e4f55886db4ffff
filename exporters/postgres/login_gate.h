#pragma once
// One login at a time without an answer. A postmaster that is stopped still has its connections
// accepted by the kernel: what was given up on waits in its queue, and all of it is begun at once
// when it goes on. Thread-safe.
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
  // A login is given up on after this long, and it is another's turn.
  static constexpr Millis kLongestLogin{60'000};

  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)),
          number_(other.number_),
          alone_(other.alone_) {}
    Pass& operator=(Pass&& other) noexcept {
      Release();
      gate_ = std::exchange(other.gate_, nullptr);
      number_ = other.number_;
      alone_ = other.alone_;
      return *this;
    }
    ~Pass() { Release(); }
    void Release();
    // When it was given, nobody else had one: no login was without an answer.
    bool alone() const { return alone_; }

   private:
    friend class LoginGate;
    Pass(LoginGate* gate, std::uint64_t number, bool alone)
        : gate_(gate), number_(number), alone_(alone) {}

    LoginGate* gate_ = nullptr;
    std::uint64_t number_ = 0;
    bool alone_ = false;
  };

  // Waits while another login is under way, but not past `patience` of its age.
  Result<Pass> Enter(const Clock& clock, Mono until, Millis patience);

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::uint64_t holder_ = 0, last_ = 0;  // numbers of passes; 0: nobody
  int passes_ = 0;                       // also those whose turn is over
  Mono since_{};
};

}  // namespace sidecar::postgres
