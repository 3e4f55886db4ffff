#pragma once
// A session with its life: login, facts, settings, prepared statements, renewal, and what becomes
// of it when it does not answer. Used by who leases it, one thread at a time; a login that had no
// answer is continued by the next run.
//
//   auto session = server->Open("orders");
//   if (auto ready = session->Ready(scrape); !ready) ...   // kNoData: there is no such database

#include <map>
#include <memory>
#include <string>

#include "exporters/postgres/asked_together.h"
#include "exporters/postgres/backoff.h"
#include "exporters/postgres/connection.h"
#include "exporters/postgres/server.h"
#include "exporters/postgres/session.h"

namespace sidecar::postgres {

class ServerSession final : public Session {
 public:
  // The lanes' come before what can wait; a visit's is not kept, not even one that is logging in.
  enum class Use : std::uint8_t { kMain, kSlow, kProbe, kVisit };

  // `database`: empty for the configured one. The server outlives it.
  ServerSession(Server& server, std::string database, Use use);
  ~ServerSession() override;

  Result<> Ready(const Scrape& scrape) override;
  Result<> Query(const Scrape& scrape, const Statement& statement, RowReader& reader) override;
  const Facts& facts() const override { return facts_; }

  // Who uses it keeps the server.
  void Attach(std::shared_ptr<Server> server) { attached_ = std::move(server); }
  void Close();
  // The last query's result was longer than it may be, which cost the connection.
  bool flooded() const { return flooded_; }
  // What the last query left behind (Budget::There), as nothing ended its statement; 0: nothing.
  std::uint64_t left() const { return left_by_query_; }
  void ForgetFacts() { facts_at_.reset(); }  // the next run reads them again
  bool logged_in() const { return logged_in_; }
  // A login has had no answer yet; Ready goes on with it.
  bool logging_in() const { return connection_ != nullptr && !logged_in_; }

 private:
  struct Settings {
    Millis statement_timeout{-1};  // below 0: nothing was set yet
    bool own_search_path = false;
    bool changed = false;  // by who knows what
    friend bool operator==(const Settings&, const Settings&) = default;
  };
  struct Prepared {
    std::string as, sql;
  };

  Scrape ForLogin(const Scrape& scrape) const;
  Result<> Login(const Scrape& scrape);
  Result<> Begin(const Scrape& scrape);
  Result<std::unique_ptr<Connection>> Connect(const Scrape& scrape);
  Result<Connection::Progress> Advance(const Scrape& scrape);
  bool Asks() const;
  Error NoAnswerYet() const;
  Result<> Pending(const Scrape& scrape);
  Millis Longest() const;
  void Judge(Error& error);
  Result<> Refused(const Scrape& scrape, Error error);
  void BeginScript(Millis statement_timeout);
  Result<> RunBounded(const Scrape& scrape, const char* sql, RowReader& reader);
  Result<> ReadFacts(const Scrape& scrape);
  Result<> EndHalfOpen(const Scrape& scrape);
  Result<> Set(const Scrape& scrape, const Settings& wanted);
  Result<> Prepare(const Scrape& scrape, const Statement& statement, const Prepared*& prepared);
  bool TimedByStatement() const;
  Result<> RunPrepared(const Scrape& scrape, const Statement& statement, RowReader& reader,
                       std::optional<Millis> timeout = {});
  bool IsPrepared(const Statement& statement) const;
  Result<> RunTimed(const Scrape& scrape, const Statement& statement, const Settings& wanted,
                    RowReader& reader);
  Result<> AskTogether(const Scrape& scrape, const Statement& statement);
  Result<> RunTogether(const Scrape& scrape, const Statement& statement, const Settings& wanted,
                       RowReader& reader);
  void Discard(const Scrape& scrape);
  Result<> RunPooled(const Scrape& scrape, const Statement& statement, const Settings& wanted,
                     RowReader& reader);
  void DropIfBroken();
  bool TooOld(Mono now) const;
  bool lane() const { return use_ == Use::kMain || use_ == Use::kSlow; }
  Mono Now() const { return server_.clock().mono(); }

  Server& server_;
  std::shared_ptr<Server> attached_;
  const std::string database_;
  const Use use_;
  std::unique_ptr<Connection> connection_;
  Budget::Permit permit_;
  LoginGate::Pass pass_;
  Backoff backoff_;
  bool flooded_ = false;
  std::uint64_t left_ = 0, left_by_query_ = 0;
  std::uint64_t looked_at_ = 0;             // the scrape that looked at it
  bool logged_in_ = false, ready_ = false;  // ready: looked at, and not used since
  Mono login_began_{}, logged_in_at_{};
  Mono attempt_began_{};  // at one address
  std::size_t places_ = 0, silent_ = 0;
  bool asks_ = false;  // whether anybody answers, before it says who it is

  Facts facts_;
  std::optional<Mono> facts_at_{};
  std::string hot_standby_;  // as the server reported it when the facts were read
  int backend_ = 0;
  std::string backend_start_;
  std::optional<Mono> reaped_{};
  std::vector<std::pair<int, std::string>> reaping_;  // then

  Settings settings_;
  std::map<std::string, Prepared, std::less<>> prepared_;  // by statement
  std::uint64_t last_prepared_ = 0;
  AskedTogether together_;
  bool together_broke_ = false;  // the last query's message of several broke the connection
  bool executes_ = true;         // EXECUTE knows what was prepared: a proxy may give it other names
  std::string script_;           // reused
};

}  // namespace sidecar::postgres
