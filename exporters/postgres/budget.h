#pragma once
// How many connections there may be, counted as the server counts them: one that was closed or
// dropped counts until its backend is gone, because a backend whose client has left runs its
// statement to the end. Shared by everything that logs in, across reloads. Thread-safe.
//
//   auto permit = budget->Take({.most = 4}, Millis(200));   // kLimit: all four are in use
//   ...
//   budget->Leave(std::move(*permit), {.last = std::move(fd), .pid = pid, .started = started});

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace sidecar::postgres {

class Budget {
 public:
  // The right to hold one connection. What is destroyed without Leave was never named to a server,
  // or ended by it.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept
        : budget_(std::move(other.budget_)), yielding_(other.yielding_) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Free(); }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class Budget;
    Permit(std::shared_ptr<Budget> budget, bool yielding)
        : budget_(std::move(budget)), yielding_(yielding) {}
    void Free();

    std::shared_ptr<Budget> budget_;
    bool yielding_ = false;
  };
  // What can wait says how many places it leaves to what cannot, and leaves one more: there a
  // session is made anew before its backend has gone, and asks about those without an answer. Its
  // own backends that run on count against its own part.
  struct Claim {
    int most;
    int left_to_others = 0;
    bool yielding() const { return left_to_others > 0; }
  };
  // What may still be there of a connection that is ours no more.
  struct Rest {
    UniqueFd last{};        // a duplicate of its socket, shut for writing: it ends with the backend
    int pid = 0;            // 0: not known, or a pooler's
    std::string started{};  // backend_start; with the pid it names one backend for ever
    std::string server{};   // whose backend it is
    std::optional<std::string> unanswered{};  // a login to this database ("": the configured one)
    bool dropped = false;                     // its last statement had no answer
  };
  struct Use {
    int open, half_open;
  };

  static std::shared_ptr<Budget> Make(const Clock& clock);

  // Waits up to `patience` for one that is given back. kLimit: all are in use.
  Result<Permit> Take(const Claim& claim, Millis patience);
  void Leave(Permit permit, Rest rest);
  // A login or a statement there was given up on and may still run; a login to this database was,
  // by what can wait.
  bool Unanswered(std::string_view server);
  bool Unanswered(std::string_view server, std::string_view database);

  // Backends of `server` that are to be ended; Gone when the server says that they are not there.
  std::vector<std::pair<int, std::string>> HalfOpen(std::string_view server);
  void Gone(std::string_view server, int pid);
  // A session that could ask is there.
  void GotIn(std::string_view server);

  Use use();

 private:
  struct Ghost {
    Rest rest;
    bool yielding;
    Mono since;  // when a session could last ask about it
    std::size_t drained = 0;
    bool waived = false;  // counts no more, but is to be ended if it is there
  };

  explicit Budget(const Clock& clock) : clock_(clock) {}
  void Sweep(Mono now);
  bool Has(const Claim& claim) const;
  bool Waive(const Claim& claim, Mono now);
  int Counted() const;
  void Await(std::unique_lock<std::mutex>& lock, Millis longest);

  const Clock& clock_;
  std::weak_ptr<Budget> self_;
  std::mutex mutex_;  // guards what follows
  int held_ = 0;
  int yielding_held_ = 0;  // of these
  std::list<Ghost> ghosts_;
};

}  // namespace sidecar::postgres
