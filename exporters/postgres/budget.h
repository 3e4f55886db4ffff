#pragma once
// How many connections there may be, counted as the server counts them: one that was closed or
// dropped counts until its backend is gone, because a backend whose client has left runs its
// statement to the end. Shared by everything that logs in, across reloads. Thread-safe.
//
//   auto permit = budget->Take(4, Millis(200));   // kLimit: all four are in use
//   ...
//   budget->Leave(std::move(*permit), {.last = std::move(fd), .pid = pid, .started = started});

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar::postgres {

class Budget {
 public:
  // The right to hold one connection. What is destroyed without Leave never reached a server.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept : budget_(std::move(other.budget_)) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Free(); }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class Budget;
    explicit Permit(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
    void Free();

    std::shared_ptr<Budget> budget_;
  };
  // What may still be there of a connection that is ours no more.
  struct Rest {
    UniqueFd last{};        // a duplicate of its socket, shut for writing: it ends with the backend
    int pid = 0;            // 0: the login had no answer yet
    std::string started{};  // backend_start; with the pid it names one backend for ever
    std::string server{};   // whose backend it is
  };
  struct Use {
    int open, half_open;
  };

  static std::shared_ptr<Budget> Make(const Clock& clock);

  // One of `most`. Waits up to `patience` for one that is given back. kLimit: all are in use.
  Result<Permit> Take(int most, Millis patience);
  void Leave(Permit permit, Rest rest);

  // Backends of `server` that are to be ended; Gone when the server says that they are not there.
  std::vector<std::pair<int, std::string>> HalfOpen(std::string_view server);
  void Gone(std::string_view server, int pid);

  Use use();

 private:
  struct Ghost {
    Rest rest;
    Mono since;
    std::size_t drained = 0;
  };

  explicit Budget(const Clock& clock) : clock_(clock) {}
  void Sweep(Mono now);
  void Await(std::unique_lock<std::mutex>& lock, Millis longest);

  const Clock& clock_;
  std::weak_ptr<Budget> self_;
  std::mutex mutex_;  // guards what follows
  int held_ = 0;
  std::list<Ghost> ghosts_;
};

}  // namespace sidecar::postgres
