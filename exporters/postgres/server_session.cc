#include "exporters/postgres/server_session.h"

#include <algorithm>
#include <array>

#include "exporters/postgres/read_facts.h"
#include "exporters/postgres/sql_tokens.h"

namespace sidecar::postgres {
namespace {

constexpr char kUnchecked[] = "SQL_ASCII";  // an encoding that is none
constexpr Millis kReapPause{1'000};
constexpr Millis kFactsTimeout{5'000};
// The server's timeout is to end a slow statement before ours ends the session.
constexpr Millis kServerFirst{50};
// Of each statement that is asked together with others: so much, and not less than so little.
constexpr Millis kTogether{100}, kLeastTogether{25};

// The next step down of 1, 1.25, 1.6 ... 10: what is left of a run differs with each, and a
// setting that stays costs no round trip.
Millis Step(Millis limit) {
  constexpr std::array<int, 10> kSteps = {100, 125, 160, 200, 250, 315, 400, 500, 630, 800};
  Millis::rep decade = 1;
  while (limit.count() >= decade * 10) decade *= 10;
  Millis::rep best = decade;
  for (const int step : kSteps) {
    const Millis::rep value = decade * step / 100;
    if (value <= limit.count()) best = value;
  }
  return Millis(std::max<Millis::rep>(best, 1));
}

// pg_stat_activity's rows of backends that should be gone.
class Pids final : public RowReader {
 public:
  Result<> Begin(std::span<const Column>) override { return {}; }
  Result<> Row(std::span<const Cell> cells) override {
    texts_.emplace_back(cells.empty() ? std::string_view() : cells[0].value_or(""));
    return {};
  }
  bool Has(int pid) const { return std::ranges::find(texts_, std::to_string(pid)) != texts_.end(); }

 private:
  std::vector<std::string> texts_;
};

}  // namespace

ServerSession::ServerSession(Server& server, std::string database, Use use)
    : server_(server), database_(std::move(database)), use_(use) {}

ServerSession::~ServerSession() { Close(); }

void ServerSession::Close() {
  if (connection_) {
    std::optional<std::string> unanswered;
    if (logging_in() && connection_->usable()) unanswered = database_;
    const bool dropped = logged_in_ && !connection_->usable() && !flooded_;
    if (unanswered && connection_->named()) server_.LeftNamed();
    UniqueFd last = connection_->Shut();
    if (last) {  // else the server closed it, or was never told who we are
      left_ = server_.budget().Leave(
          std::move(permit_),
          {.last = std::move(last),
           .pid = facts_.pooled ? 0 : backend_,  // a pooler's is not ours to end
           .started = backend_start_,
           .server = server_.key(),
           .unanswered = std::move(unanswered),
           .dropped = dropped});
    }
    connection_.reset();
  }
  permit_ = {};
  pass_.Release();
  logged_in_ = ready_ = false;
  backend_ = 0;
  backend_start_.clear();
  facts_at_.reset();
  settings_ = {};
  prepared_.clear();
  together_.Forget();
  executes_ = true;
}

void ServerSession::DropIfBroken() {
  if (connection_ && !connection_->usable()) Close();
}

// Not while nobody can log in or could try: an old session is better than none.
bool ServerSession::TooOld(Mono now) const {
  const Millis most = server_.options().session_max_age;
  return most > Millis(0) && now - logged_in_at_ > most && server_.login().up &&
         !server_.LoginOutdated();
}

// One message, one transaction: nothing stays on a connection that may not be ours.
void ServerSession::BeginScript(Millis statement_timeout) {
  // A standby takes no snapshot that is serializable, which may be the role's default.
  script_ = "SET LOCAL transaction_isolation = 'read committed'; SET LOCAL statement_timeout = " +
            std::to_string(statement_timeout.count()) +
            "; SET LOCAL lock_timeout = " + std::to_string(server_.options().lock_timeout.count()) +
            "; ";
  // Bytes that are no UTF-8 would fail their row (a server that checks nothing may hold them), of
  // the facts too: a database's name.
  if (connection_->Parameter("server_encoding") == kUnchecked) {
    script_ += "SET LOCAL client_encoding = 'SQL_ASCII'; ";
  }
}

// Before the settings of the session are made: a backend that waits for a lock would outlive it.
Result<> ServerSession::RunBounded(const Scrape& scrape, const char* sql, RowReader& reader) {
  const Millis run(scrape.LeftMs());
  BeginScript(Step(std::min(kFactsTimeout, run - std::min(kServerFirst, run / 4))));
  script_ += sql;
  return connection_->Run(scrape, {.how = Command::How::kScript, .sql = script_.c_str()}, &reader);
}

Result<> ServerSession::ReadFacts(const Scrape& scrape) {
  FactsReader reader;
  if (auto read = RunBounded(scrape, kFactsSql, reader); !read) {
    // A full disk of the server's; a limit of ours would be no fault of its.
    if (read.error().code == Errc::kLimit) read.error().code = Errc::kUnavailable;
    return Fail(std::move(read.error()).Wrap("facts"));
  }
  facts_ = std::move(reader.facts());
  facts_.server = connection_->Server();
  facts_.pooled = reader.pid() != backend_;  // a pooler invents the pid that it gives its clients
  backend_start_ = reader.started();
  facts_at_ = Now();
  hot_standby_ = connection_->Parameter("in_hot_standby");
  return {};
}

// A backend whose client has left runs its statement to the end; nobody waits for it, so it is
// ended, and its place is free once the server does not know it any more.
Result<> ServerSession::EndHalfOpen(const Scrape& scrape) {
  const Mono now = Now();
  if (facts_.pooled) return {};
  auto backends = server_.budget().HalfOpen(server_.key());
  if (backends.empty()) return {};
  if (reaped_ && now - *reaped_ < kReapPause && backends == reaping_) return {};
  reaped_ = now;
  reaping_ = backends;
  // One that was left before it said when it began is known by what else is ours about it.
  std::string known = "(0, '')", others = "0";
  for (const auto& [pid, started] : backends) {
    if (started.empty()) {
      others += ", " + std::to_string(pid);
    } else {
      known += ", (" + std::to_string(pid) + ", '" + started + "')";
    }
  }
  const std::string sql =
      "SELECT a.pid, pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a"
      " WHERE (a.pid, extract(epoch FROM a.backend_start)::text) IN (" +
      known + ") OR (a.pid IN (" + others +
      ") AND a.usename = session_user AND a.application_name ="
      " pg_catalog.current_setting('application_name') AND a.pid <> pg_catalog.pg_backend_pid())";
  Pids there;
  if (auto read = RunBounded(scrape, sql.c_str(), there); !read) return read;
  for (const auto& [pid, started] : backends) {
    // Of the others only the socket says that they have ended: the name may be another by now.
    if (!started.empty() && !there.Has(pid)) server_.budget().Gone(server_.key(), pid);
  }
  return {};
}

Result<> ServerSession::Ready(const Scrape& scrape) {
  ready_ = flooded_ = false;
  left_by_query_ = 0;
  // Looked at once in a scrape: two system calls before each of its statements would be most of
  // ours.
  if (logged_in_ && looked_at_ != scrape.id()) {
    looked_at_ = scrape.id();
    if (!connection_->Alive() || TooOld(Now())) Close();
  }
  if (!logged_in_) {
    if (auto in = Login(scrape); !in) return in;
  }
  const bool stale = !facts_at_ || Now() - *facts_at_ > server_.options().refresh_interval ||
                     connection_->Parameter("in_hot_standby") != hot_standby_;
  if (stale) {
    if (auto read = ReadFacts(scrape); !read) return DropIfBroken(), read;
  }
  if (auto ended = EndHalfOpen(scrape); !ended) DropIfBroken();
  ready_ = logged_in_;
  if (!ready_) return Fail(Errc::kUnavailable, "the session was lost");
  return {};
}

Result<> ServerSession::Set(const Scrape& scrape, const Settings& wanted) {
  if (settings_ == wanted) return {};
  script_.clear();
  if (settings_.changed) script_ += "RESET ROLE; RESET ALL; ";
  if (settings_.statement_timeout < Millis(0)) {
    script_ += "SET lock_timeout = " + std::to_string(server_.options().lock_timeout.count()) +
               "; SET default_transaction_read_only = on"
               "; SET idle_in_transaction_session_timeout = 10000; SET DateStyle = 'ISO'"
               "; SET default_transaction_isolation = 'read committed'"
               "; SET max_parallel_workers_per_gather = 0; SET jit = off; ";
    if (facts_.encoding == kUnchecked) script_ += "SET client_encoding = 'SQL_ASCII'; ";
  }
  script_ += "SET statement_timeout = " + std::to_string(wanted.statement_timeout.count()) +
             (wanted.own_search_path ? "; SET search_path TO DEFAULT; SET TimeZone TO DEFAULT"
                                     : "; SET search_path = pg_catalog; SET TimeZone = 'UTC'");
  auto set =
      connection_->Run(scrape, {.how = Command::How::kScript, .sql = script_.c_str()}, nullptr);
  if (!set) return Fail(std::move(set.error()).Wrap("settings"));
  settings_ = wanted;
  return {};
}

Result<> ServerSession::Prepare(const Scrape& scrape, const Statement& statement,
                                const Prepared*& prepared) {
  const auto found = prepared_.find(statement.name);
  if (found != prepared_.end() && found->second.sql == statement.sql) {
    prepared = &found->second;
    return {};
  }
  if (found != prepared_.end()) {
    together_.Forget();
    script_ = "DEALLOCATE " + found->second.as;
    prepared_.erase(found);
    auto gone = connection_->Run(scrape, {.sql = script_.c_str()}, nullptr);
    if (!gone) return gone;
  }
  Prepared made{"s" + std::to_string(++last_prepared_), std::string(statement.sql)};
  auto done = connection_->Run(
      scrape, {.how = Command::How::kPrepare, .sql = made.sql.c_str(), .name = made.as.c_str()},
      nullptr);
  if (!done) return done;
  prepared = &prepared_.emplace(statement.name, std::move(made)).first->second;
  return {};
}

// Whether statement_timeout is each statement's of a message: before 13 it is the message's.
bool ServerSession::TimedByStatement() const {
  return !facts_.pooled && facts_.version_num >= 130'000;
}

// `timeout`: this statement's, in place of the session's.
Result<> ServerSession::RunPrepared(const Scrape& scrape, const Statement& statement,
                                    RowReader& reader, std::optional<Millis> timeout) {
  if (statement.name.empty() || use_ == Use::kVisit) {  // a visit's session runs each once
    script_ = statement.sql;
    return connection_->Run(scrape, {.sql = script_.c_str(), .few_rows = statement.few_rows},
                            &reader);
  }
  const Prepared* prepared = nullptr;
  if (auto made = Prepare(scrape, statement, prepared); !made) return made;
  Command command{
      .how = Command::How::kPrepared, .name = prepared->as.c_str(), .few_rows = statement.few_rows};
  if (timeout) {
    script_ = "SET LOCAL statement_timeout = " + std::to_string(timeout->count()) + "; EXECUTE " +
              prepared->as;
    command = {.how = Command::How::kScript, .sql = script_.c_str(), .few_rows = true};
  }
  auto done = connection_->Run(scrape, command, &reader);
  const std::string& state = connection_->sqlstate();
  if (!done && state == "0A000") {
    prepared_.find(statement.name)->second.sql.clear();  // a table was altered: prepared anew
  } else if (!done && state == "26000") {
    prepared_.erase(prepared_.find(statement.name));  // the name is gone (DISCARD ALL)
  }
  return done;
}

bool ServerSession::IsPrepared(const Statement& statement) const {
  const auto found = prepared_.find(statement.name);
  return found != prepared_.end() && found->second.sql == statement.sql;
}

// With its own timeout in the same message, where that is possible.
Result<> ServerSession::RunTimed(const Scrape& scrape, const Statement& statement,
                                 const Settings& wanted, RowReader& reader) {
  const bool set_up = settings_.statement_timeout >= Millis(0) && !settings_.changed;
  if (set_up && executes_ && TimedByStatement() && IsPrepared(statement)) {
    auto done = RunPrepared(scrape, statement, reader, wanted.statement_timeout);
    if (done || connection_->sqlstate() != "26000") return done;
    executes_ = false;
  }
  if (auto set = Set(scrape, wanted); !set) return set;
  return RunPrepared(scrape, statement, reader);
}

// What the last two scrapes asked, in one message. An error of the server's is nobody's yet: who is
// next is asked alone. All of them together may take half of what the run has left.
Result<> ServerSession::AskTogether(const Scrape& scrape, const Statement& statement) {
  const std::vector<std::string> names = together_.Plan(statement.name);
  if (names.empty()) return {};
  const Millis each =
      std::min(kTogether, Millis(scrape.LeftMs()) / (2 * static_cast<Millis::rep>(names.size())));
  if (each < kLeastTogether) return {};
  script_ = "SET LOCAL statement_timeout = " + std::to_string(each.count());
  // It would be for all of them, and end the session (17).
  if (facts_.version_num >= 170'000) script_ += "; SET LOCAL transaction_timeout = 0";
  for (const std::string& name : names) {
    const auto found = prepared_.find(name);
    if (found == prepared_.end()) return {};
    script_ += "; EXECUTE " + found->second.as;
  }
  const Mono began = Now();
  std::vector<OwnedResult> results;
  auto done = connection_->Run(
      scrape, {.how = Command::How::kScript, .sql = script_.c_str(), .keep = &results}, nullptr);
  // Whose a result is is known by its place alone.
  if (done ? results.size() != names.size() : results.size() >= names.size()) results.clear();
  if (!done && connection_->sqlstate() == "26000") executes_ = false;
  together_.Keep(names, std::move(results), std::chrono::ceil<Millis>(Now() - began));
  if (connection_->usable()) return {};
  together_broke_ = true;
  return done;
}

Result<> ServerSession::RunTogether(const Scrape& scrape, const Statement& statement,
                                    const Settings& wanted, RowReader& reader) {
  const bool known = IsPrepared(statement);
  together_.Begin(scrape.id(), Now());
  OwnedResult result = known ? together_.Take(statement.name) : nullptr;
  if (!result) {
    if (auto set = Set(scrape, wanted); !set) return set;
    if (known && executes_) {
      if (auto asked = AskTogether(scrape, statement); !asked) return asked;
      result = together_.Take(statement.name);
    }
  }
  if (result) return connection_->Give(*result, reader);
  const Mono began = Now();
  auto done = RunPrepared(scrape, statement, reader);
  if (done) together_.AskedAlone(statement.name, std::chrono::ceil<Millis>(Now() - began));
  return done;
}

Result<> ServerSession::RunPooled(const Scrape& scrape, const Statement& statement,
                                  const Settings& wanted, RowReader& reader) {
  const bool users = statement.own_search_path;
  if (users && !IsQuery(statement.sql)) {
    return Fail(Errc::kParse, "behind a pooler only a query is run: SELECT, WITH, VALUES ...");
  }
  BeginScript(wanted.statement_timeout);
  const bool undone = users && MaySet(statement.sql);
  if (undone) script_.insert(0, "BEGIN; ");
  script_ += "SET LOCAL transaction_read_only = on; SET LOCAL DateStyle = 'ISO'; ";
  if (!wanted.own_search_path) {
    script_ += "SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'; ";
  }
  script_ += statement.sql;
  if (undone) script_ += "\n; ROLLBACK";  // behind a comment too
  return connection_->Run(scrape, {.how = Command::How::kScript, .sql = script_.c_str()}, &reader);
}

// What was no query (BEGIN, SET, DEALLOCATE) may have changed all that is known of the session.
void ServerSession::Discard(const Scrape& scrape) {
  prepared_.clear();
  together_.Forget();
  settings_ = {};
  Result<> done;
  if (connection_->in_transaction()) done = connection_->Run(scrape, {.sql = "ROLLBACK"}, nullptr);
  if (done && !facts_.pooled) done = connection_->Run(scrape, {.sql = "DISCARD ALL"}, nullptr);
  if (!done || connection_->in_transaction()) Close();
}

Result<> ServerSession::Query(const Scrape& scrape, const Statement& statement, RowReader& reader) {
  if (!std::exchange(ready_, false)) {
    if (auto ready = Ready(scrape); !ready) return ready;
    ready_ = false;
  }
  const Millis run(scrape.LeftMs());
  const Millis left = run - std::min(kServerFirst, run / 4);
  if (left <= Millis(0)) return Fail(Errc::kTimeout, "no time left");
  const Settings wanted{Step(std::min(statement.timeout, left)), statement.own_search_path};
  Result<> done;
  together_broke_ = false;
  if (facts_.pooled) {
    done = RunPooled(scrape, statement, wanted, reader);
  } else if (statement.own_timeout) {
    done = RunTimed(scrape, statement, wanted, reader);
  } else if (statement.few_rows && statement.timeout >= kTogether && use_ == Use::kMain &&
             TimedByStatement()) {
    done = RunTogether(scrape, statement, wanted, reader);
  } else {
    done = Set(scrape, wanted);
    if (done) done = RunPrepared(scrape, statement, reader);
  }
  // What broke the connection may have been another's statement, which shows when it is alone.
  flooded_ =
      !done && !together_broke_ && done.error().code == Errc::kLimit && !connection_->usable();
  const bool open = connection_ && connection_->usable();
  if (open && (connection_->in_transaction() || connection_->gave_no_rows())) Discard(scrape);
  // Users' may have set something for their session: it is not the next one's.
  if (statement.own_search_path && MaySet(statement.sql)) settings_ = {.changed = true};
  left_ = 0;
  DropIfBroken();
  left_by_query_ = flooded_ || together_broke_ ? 0 : left_;
  return done;
}

}  // namespace sidecar::postgres
