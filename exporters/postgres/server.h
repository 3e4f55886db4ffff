#pragma once
// The server that is watched: how to log in, how many connections there may be, what the last login
// gave, and the sessions of its lanes. Kept over reloads that do not change where it is.
// Thread-safe.
//
//   auto lease = server->Take("main");             // for one run; nobody else has this session
//   if (auto ready = lease->Ready(scrape); !ready) return ready;
//   lease->Query(scrape, statement, reader);

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/base/runtime.h"
#include "exporters/postgres/budget.h"
#include "exporters/postgres/conninfo.h"
#include "exporters/postgres/host_addresses.h"
#include "exporters/postgres/login_gate.h"

namespace sidecar::postgres {

class ServerSession;

inline constexpr char kMainLane[] = "main", kSlowLane[] = "slow", kLoginLane[] = "login";

struct LoginState {
  bool known = false, up = false;
  double seconds = 0;  // how long the last one that succeeded took
  Mono at{};           // when the last one ended
  std::uint64_t succeeded = 0, failed = 0;
  std::string error{};  // why the last one failed
  // Since one succeeded: how many were given up on without an answer, and whether one of them had
  // said who we are.
  int given_up = 0;
  bool left = false;
};

class Server : public std::enable_shared_from_this<Server> {
 public:
  // `key` names the server among those that share the budget.
  Server(std::string key, Conninfo conninfo, std::shared_ptr<Budget> budget, Runtime runtime);
  ~Server();

  class Lease {
   public:
    Lease(std::shared_ptr<Server> server, std::string lane, std::unique_ptr<ServerSession> session);
    ~Lease();  // back to its lane, or closed if another took its place meanwhile
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ServerSession* operator->() const { return session_.get(); }
    ServerSession& operator*() const { return *session_; }

   private:
    std::shared_ptr<Server> server_;
    std::string lane_;
    std::unique_ptr<ServerSession> session_;
  };
  // The lane's session, or a new one where a run that was left behind still has it.
  std::unique_ptr<Lease> Take(const std::string& lane);
  // One that nobody keeps: of a database, of the login probe.
  std::unique_ptr<ServerSession> Open(std::string database);

  LoginState login() const;
  void LoggedIn(double seconds);
  void LoginFailed(const Error& error);
  void GaveUp();
  void LeftNamed();
  // The last one is of long before the next was due: all places are taken, so nobody could try, and
  // it says nothing any more.
  bool LoginOutdated() const;
  // When another is wanted, to see whether there can be one; none: they fail, or there was none
  // yet.
  std::optional<Mono> NextLogin() const;
  // What a scrape waits for a login: a second, or twice what the last one took, as far as
  // connect_timeout goes.
  Millis LoginPatience() const;
  // As Connection's of the last login that asked.
  bool asked_apart() const { return asked_apart_.load(std::memory_order_relaxed); }
  void AskedApart(bool apart) { asked_apart_.store(apart, std::memory_order_relaxed); }

  const std::string& key() const { return key_; }
  const Conninfo& conninfo() const { return conninfo_; }
  const ConnectOptions& options() const { return conninfo_.options(); }
  Budget& budget() const { return *budget_; }
  LoginGate& gate() { return gate_; }
  HostAddresses& addresses() { return addresses_; }
  const Clock& clock() const { return runtime_.clock; }
  Log& log() const { return runtime_.log; }

 private:
  const std::string key_;
  const Conninfo conninfo_;
  const std::shared_ptr<Budget> budget_;
  const Runtime runtime_;
  LoginGate gate_;
  HostAddresses addresses_;
  std::atomic<bool> asked_apart_ = false;

  mutable std::mutex mutex_;  // guards what follows
  LoginState login_;
  std::map<std::string, std::unique_ptr<ServerSession>> idle_;  // by lane
};

}  // namespace sidecar::postgres
