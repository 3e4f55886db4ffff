#pragma once
// How many connections there may be, counted as the server counts them: one that was closed or
// dropped counts until its backend is gone, because a backend whose client has left runs its
// statement to the end. Shared by everything that logs in, across reloads. Thread-safe.
//
//   auto permit = budget->Take({.most = 4, .part = Budget::Part::kMain}, Millis(200));
//   ...                                          // kLimit: all four are in use
//   budget->Leave(std::move(*permit), {.last = std::move(fd), .pid = pid, .started = started});

#include <array>
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
  // Who holds a place, and what it may take of them. Its backends that run on count against it.
  //   kMain: any. Nobody else takes the last that is left for it.
  //   kSlow: two, one where its session is and one where a backend runs on.
  //   kOther (visits, the login probe): one; a second where that leaves one free, which is for a
  //   session that is made anew before its backend has gone, and asks about those without answer.
  enum class Part : std::uint8_t { kMain, kSlow, kOther };

  // The right to hold one connection. What is destroyed without Leave was never named to a server,
  // or ended by it.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept : budget_(std::move(other.budget_)), part_(other.part_) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Free(); }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class Budget;
    Permit(std::shared_ptr<Budget> budget, Part part) : budget_(std::move(budget)), part_(part) {}
    void Free();

    std::shared_ptr<Budget> budget_;
    Part part_ = Part::kMain;
  };
  struct Claim {
    int most;
    Part part = Part::kMain;
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
  // Names what it leaves, for There.
  std::uint64_t Leave(Permit permit, Rest rest);
  // Whether that still has its place.
  bool There(std::uint64_t left);
  // A login or a statement there was given up on and may still run; a login to this database was,
  // by what can wait.
  bool Unanswered(std::string_view server);
  bool Unanswered(std::string_view server, std::string_view database);

  // Backends that are to be ended: those of `server`, and those of others (a reload may have called
  // the same server otherwise) of which it is known when they began, which names one backend
  // anywhere. Gone when their server says that they are not there.
  std::vector<std::pair<int, std::string>> HalfOpen(std::string_view server);
  void Gone(std::string_view server, int pid);
  // A session that could ask is there.
  void GotIn(std::string_view server);

  Use use();

 private:
  struct Ghost {
    std::uint64_t number;
    Rest rest;
    Part part;
    Mono since;  // when a session could last ask about it
    std::size_t drained = 0;
    bool waived = false;  // counts no more, but is to be ended if it is there
  };

  explicit Budget(const Clock& clock) : clock_(clock) {}
  void Sweep(Mono now);
  bool Has(const Claim& claim) const;
  bool Waive(const Claim& claim, Mono now);
  int Counted() const;
  int CountOf(Part part) const;  // held and counted
  int& Held(Part part) { return held_[static_cast<std::size_t>(part)]; }
  void Await(std::unique_lock<std::mutex>& lock, Millis longest);

  const Clock& clock_;
  std::weak_ptr<Budget> self_;
  std::mutex mutex_;           // guards what follows
  std::array<int, 3> held_{};  // by part
  std::uint64_t left_ = 0;
  std::list<Ghost> ghosts_;
};

}  // namespace sidecar::postgres
