// How a session gets in: its place, its turn, its address, and what a login without an answer
// costs.

#include <algorithm>
#include <array>
#include <cstdio>

#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

constexpr Millis kBudgetPatience{250};  // a backend that was told to end takes a moment
// What a login that was waited for once may take of each further run.
constexpr Millis kLook{50};
constexpr Millis kShortWait{200};  // likewise for another's login

Budget::Part PartOf(ServerSession::Use use) {
  switch (use) {
    case ServerSession::Use::kMain:
      return Budget::Part::kMain;
    case ServerSession::Use::kSlow:
      return Budget::Part::kSlow;
    case ServerSession::Use::kProbe:
    case ServerSession::Use::kVisit:
      break;
  }
  return Budget::Part::kOther;
}

double Seconds(Mono::duration span) { return std::chrono::duration<double>(span).count(); }

std::string Tenths(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", seconds);
  return text.data();
}

}  // namespace

Result<> ServerSession::Begin(const Scrape& scrape) {
  if (use_ == Use::kVisit && server_.budget().Unanswered(server_.key(), database_)) {
    return Fail(Errc::kUnavailable, "an earlier login has had no answer");
  }
  const Budget::Claim claim{.most = static_cast<int>(server_.options().max_connections),
                            .part = PartOf(use_)};
  auto permit = server_.budget().Take(claim, std::min(kBudgetPatience, Millis(scrape.LeftMs())));
  if (!permit) {
    // Its own sessions have the places of a lane: the server keeps them, which may end any moment.
    if (lane()) permit.error().code = Errc::kUnavailable;
    return Fail(std::move(permit.error()));
  }
  login_began_ = Now();
  silent_ = 0;
  asks_ = Asks();
  auto connection = Connect(scrape);
  if (!connection) {
    server_.LoginFailed(connection.error());
    return Fail(std::move(connection.error()));
  }
  connection_ = std::move(*connection);
  permit_ = std::move(*permit);
  return {};
}

// Where the question takes a connection of its own, and a line in the server's log, it is only
// asked when something is amiss: so one login at most is named into a silence.
bool ServerSession::Asks() const {
  const LoginState login = server_.login();
  const bool amiss = !pass_.alone() || login.left || (login.known && !login.up);
  return amiss || !server_.asked_apart() || server_.budget().Unanswered(server_.key());
}

Result<std::unique_ptr<Connection>> ServerSession::Connect(const Scrape& scrape) {
  attempt_began_ = Now();
  auto login = server_.conninfo().Resolve(database_);
  if (!login) return Fail(std::move(login.error()));
  const Mono until = attempt_began_ + server_.options().connect_timeout;
  if (auto filled = server_.addresses().Fill(scrape, until, *login); !filled) {
    return Fail(std::move(filled.error()));
  }
  places_ = HostAddresses::Count(*login);
  return Connection::Start(*login, asks_);
}

// One address after the other, each in its own time: libpq leaves one only when it refuses. The
// last one that has accepted is waited for on.
Result<Connection::Progress> ServerSession::Advance(const Scrape& scrape) {
  for (;;) {
    const Mono patience = attempt_began_ + server_.options().connect_timeout;
    auto progress = connection_->Advance(scrape, std::max(patience, Now() + kLook));
    if (!progress || *progress == Connection::Progress::kReady || Now() < patience) return progress;
    if (connection_->named()) return progress;
    const std::string place = connection_->Place();
    if (silent_ < places_) {
      server_.addresses().PutOff(place, Now());
      ++silent_;
    }
    if (silent_ >= places_ && connection_->accepted()) return progress;
    if (silent_ >= places_) return Fail(Errc::kUnavailable, "no answer from " + place);
    auto next = Connect(scrape);
    if (!next) return Fail(std::move(next.error()));
    connection_ = std::move(*next);
  }
}

// What has no answer by then the lane's next run goes on with. Nothing is kept of a visit, and who
// asked for --once has all the time that there is.
Scrape ServerSession::ForLogin(const Scrape& scrape) const {
  return lane() && !scrape.waits() ? scrape.Within(server_.LoginPatience()) : scrape;
}

Result<> ServerSession::Login(const Scrape& scrape) {
  // All members of a lane ask: what the first has waited for, the others of its scrape do not.
  if (connection_ && looked_at_ == scrape.id() && !scrape.waits()) return Fail(NoAnswerYet());
  looked_at_ = scrape.id();
  Scrape part = ForLogin(scrape);
  if (!connection_) {
    if (auto refused = backoff_.Refuses(scrape.id(), Now())) return Fail(std::move(*refused));
    const Millis left(part.LeftMs());
    auto pass = server_.gate().Enter(scrape.clock(),
                                     Now() + (backoff_.held() ? std::min(kShortWait, left) : left),
                                     server_.options().connect_timeout);
    if (!pass) {
      backoff_.Held(scrape.id(), pass.error());
      return Fail(std::move(pass.error()));
    }
    pass_ = std::move(*pass);
    part = ForLogin(scrape);  // the server has just answered another
    if (Millis(part.LeftMs()) < kLook) {
      pass_.Release();
      Error late{Errc::kUnavailable, "no time left after another's login"};
      backoff_.Held(scrape.id(), late);
      return Fail(std::move(late));
    }
    if (auto begun = Begin(part); !begun) return Refused(scrape, std::move(begun.error()));
  }
  auto progress = Advance(part);
  if (!progress) {
    // What closes without a word is a proxy of nobody: the next address has its turn.
    if (!connection_->named()) server_.addresses().PutOff(connection_->Place(), Now());
    Judge(progress.error());
    return Refused(scrape, std::move(progress.error()));
  }
  if (*progress == Connection::Progress::kPending) return Pending(scrape);
  logged_in_ = true;
  logged_in_at_ = Now();
  if (asks_) server_.AskedApart(connection_->asked_apart());
  server_.LoggedIn(Seconds(logged_in_at_ - login_began_));
  server_.budget().GotIn(server_.key());  // it can ask now: nobody else needs another's place
  pass_.Release();
  backend_ = connection_->pid();
  if (auto read = ReadFacts(scrape); !read) return Refused(scrape, std::move(read.error()));
  backoff_.Succeeded();
  return {};
}

// What a server says of one database (there is none; it lets us or nobody in) is about it alone.
void ServerSession::Judge(Error& error) {
  if (database_.empty() || !connection_->about_database()) {
    server_.LoginFailed(error);
  } else if (connection_->sqlstate() == "3D000") {
    error.code = Errc::kNoData;
  }
  if (error.code == Errc::kLimit) error.code = Errc::kUnavailable;  // the server's, not ours
}

Error ServerSession::NoAnswerYet() const {
  return {Errc::kUnavailable,
          "the login has had no answer for " + Tenths(Seconds(Now() - login_began_)) + " s"};
}

// Kept, and looked at by the next scrape: another attempt would only wait in the same queue. Of a
// visit nothing is kept, and that one database is slow to let us in says nothing about the server.
Result<> ServerSession::Pending(const Scrape& scrape) {
  const Mono now = Now();
  if (now - attempt_began_ < server_.options().connect_timeout) return Fail(NoAnswerYet());
  if (database_.empty()) server_.LoginFailed({Errc::kUnavailable, "the login has no answer"});
  if (now - login_began_ < Longest()) return Fail(NoAnswerYet());
  server_.addresses().PutOff(connection_->Place(), now);
  server_.GaveUp();
  return Refused(scrape, NoAnswerYet());
}

// Nothing comes of a login that was not named, so the first are given up sooner: what kept its dead
// socket may have gone by then. Each that is leaves a connection in the queue of a postmaster that
// is stopped, hence the doubling.
Millis ServerSession::Longest() const {
  if (connection_->named()) return LoginGate::kLongestLogin;
  const LoginState login = server_.login();
  const Millis last(static_cast<Millis::rep>(1'000 * login.seconds));
  const Millis first = 2 * std::max(server_.options().connect_timeout, last);
  return std::min(first * (1 << std::min(login.given_up, 12)), LoginGate::kLongestLogin);
}

Result<> ServerSession::Refused(const Scrape& scrape, Error error) {
  Close();
  backoff_.Failed(scrape.id(), Now(), error);
  return Fail(std::move(error));
}

}  // namespace sidecar::postgres
