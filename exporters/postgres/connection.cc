#include "exporters/postgres/connection.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "exporters/postgres/login_question.h"
#include "exporters/postgres/receive_limit.h"
#include "exporters/postgres/sqlstate.h"

namespace sidecar::postgres {
namespace {

// How often a result that keeps coming looks at the clock.
constexpr int kRowsBetweenLooks = 64;
// libpq keeps a row until it is whole, however large the server makes it.
constexpr std::size_t kMostRowBytes = 8U << 20U;
constexpr std::size_t kMostLoginBytes = 1U << 20U;
constexpr std::size_t kMostKeptBytes = 2U << 20U;  // of all results of a command
constexpr std::size_t kReadAtOnce = 256U << 10U;
// What may be thrown away of a result whose reader has enough, before the connection goes instead.
constexpr Millis kDrain{20};
// For the next step of a login whose server has just answered one.
constexpr Millis kNextStep{1'000};

std::string ErrorField(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

struct Connection::Pg {
  explicit Pg(PGconn* c) : conn(c) {}
  ~Pg() { PQfinish(conn); }
  Pg(const Pg&) = delete;
  Pg& operator=(const Pg&) = delete;

  PGconn* const conn;
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  ResultRows rows;
};

Connection::Connection(std::unique_ptr<Pg> pg) : pg_(std::move(pg)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::Start(const Login& login, bool asks) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : login.parameters) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const conn = PQconnectStartParams(keys.data(), values.data(), /*expand_dbname=*/0);
  if (conn == nullptr) return Fail(Errc::kInternal, "libpq: out of memory");
  std::unique_ptr<Connection> connection(new Connection(std::make_unique<Pg>(conn)));
  connection->secret_ = login.password;
  connection->asks_ = asks;
  PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);  // until the login is done: ReadLoginFailure
  PQsetNoticeReceiver(
      conn, [](void*, const PGresult*) {}, nullptr);  // else they go to stderr
  return connection;
}

Connection::Woken Connection::Wait(const Scrape& scrape, short events, Mono until) {
  pollfd polled[] = {{.fd = PQsocket(pg_->conn), .events = events, .revents = 0},
                     {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
  int ready = 0;
  do {
    const auto own = std::chrono::ceil<Millis>(until - scrape.clock().mono()).count();
    ready = ::poll(polled, 2, static_cast<int>(std::clamp<Millis::rep>(own, 0, scrape.LeftMs())));
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && polled[0].revents != 0 ? Woken::kReady : Woken::kLate;
}

// Each place once, on the first connection that libpq makes to it.
bool Connection::Ask() {
  PGconn* const conn = pg_->conn;
  if (!asks_ || PQstatus(conn) != CONNECTION_MADE) return false;
  std::string place = PQhost(conn) + (' ' + Place());
  if (std::ranges::find(asked_, place) != asked_.end()) return false;
  asked_.push_back(std::move(place));
  if (!BeginsInPlainText(conn)) return false;
  broken_ = !SendQuestion(PQsocket(conn));
  return true;
}

void Connection::TakeAnswer() {
  const Answer answer = postgres::TakeAnswer(PQsocket(pg_->conn));
  waits_for_answer_ = answer == Answer::kNone;
  if (answer == Answer::kNone) return;
  pg_->polling = PGRES_POLLING_WRITING;
  if (answer == Answer::kOther) {
    asked_apart_ = true;
    static_cast<void>(PQresetStart(pg_->conn));  // what fails is in its status
  }
  broken_ = answer == Answer::kClosed;
}

// One step of the login: libpq's, or a question of ours in between.
void Connection::Step() {
  PGconn* const conn = pg_->conn;
  if (waits_for_answer_) {
    TakeAnswer();
    return;
  }
  if (Ask()) {
    waits_for_answer_ = true;
    pg_->polling = PGRES_POLLING_READING;
    return;
  }
  // Parameters of a peer without end are all kept by libpq.
  const ReceiveLimit limit(kReadAtOnce);
  pg_->polling = PQconnectPoll(conn);
  login_bytes_ += limit.received();
  if (PQstatus(conn) != CONNECTION_BAD) named_ = HasSaidWhoWeAre(conn);
}

Result<Connection::Progress> Connection::Advance(const Scrape& scrape, Mono until) {
  stop_.Forget();
  const std::stop_callback wake(scrape.stop(), [this] { stop_.Write(); });
  for (;;) {
    if (pg_->polling == PGRES_POLLING_OK) break;
    if (pg_->polling == PGRES_POLLING_FAILED || PQstatus(pg_->conn) == CONNECTION_BAD) {
      broken_ = true;
      LoginFailure failure = ReadLoginFailure(PQerrorMessage(pg_->conn));
      sqlstate_ = failure.sqlstate;
      about_database_ = IsAboutDatabase(failure);
      return Fail(sqlstate_.empty() ? Errc::kUnavailable : CodeOf(sqlstate_),
                  Redacted(failure.message, secret_));
    }
    const short events = pg_->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (Wait(scrape, events, until) == Woken::kLate) return Progress::kPending;
    if (events == POLLIN) until = std::max(until, scrape.clock().mono() + kNextStep);
    Step();
    if (login_bytes_ > kMostLoginBytes) {
      broken_ = true;
      return Fail(Errc::kUnavailable, Server() + " sent more than a login may be answered with");
    }
    if (broken_) {
      return Fail(Errc::kUnavailable, Server() + " closed the connection without an answer");
    }
  }
  PQsetErrorVerbosity(pg_->conn, PQERRORS_DEFAULT);
  PQsetnonblocking(pg_->conn, 1);
  return Progress::kReady;
}

Result<> Connection::Late() {
  broken_ = true;
  return Fail(Errc::kTimeout, "no answer in time");
}

Result<> Connection::Lost() {
  broken_ = true;
  return Fail(Errc::kUnavailable, Redacted(PQerrorMessage(pg_->conn), secret_));
}

Result<> Connection::Send(const Command& command) {
  PGconn* const conn = pg_->conn;
  int sent = 0;
  switch (command.how) {
    case Command::How::kScript:
      sent = PQsendQuery(conn, command.sql);
      break;
    case Command::How::kOnce:
      sent = PQsendQueryParams(conn, command.sql, 0, nullptr, nullptr, nullptr, nullptr, 0);
      break;
    case Command::How::kPrepare:
      sent = PQsendPrepare(conn, command.name, command.sql, 0, nullptr);
      break;
    case Command::How::kPrepared:
      sent = PQsendQueryPrepared(conn, command.name, 0, nullptr, nullptr, nullptr, 0);
      break;
  }
  if (sent == 0) return Lost();
  const bool whole = command.few_rows || command.keep != nullptr;
  if (command.how != Command::How::kPrepare && !whole) PQsetSingleRowMode(conn);
  return {};
}

Result<> Connection::Flush(const Scrape& scrape) {
  std::size_t came = 0;
  for (;;) {
    const int left = PQflush(pg_->conn);
    if (left == 0) return {};
    if (left < 0) return Lost();
    if (Wait(scrape, POLLIN | POLLOUT, Mono::max()) == Woken::kLate) return Late();
    const ReceiveLimit limit(kReadAtOnce);
    if (PQconsumeInput(pg_->conn) == 0) return Lost();
    came += limit.received();
    if (came > kMostRowBytes) return Late();  // it sends, and does not read
  }
}

// A peer that never stops sending is always readable: the time is looked at beside the socket.
Result<> Connection::AwaitResult(const Scrape& scrape) {
  std::size_t came = 0;
  while (PQisBusy(pg_->conn) != 0) {
    if (scrape.LeftMs() <= 0 || scrape.stop().stop_requested()) return Late();
    if (Wait(scrape, POLLIN, Mono::max()) == Woken::kLate) return Late();
    const ReceiveLimit limit(kReadAtOnce);
    if (PQconsumeInput(pg_->conn) == 0) return Lost();
    came += limit.received();
    if (came > kMostRowBytes) {
      broken_ = true;
      return Fail(Errc::kLimit,
                  "more than " + std::to_string(kMostRowBytes >> 20U) + " MiB in a row");
    }
  }
  return {};
}

Result<> Connection::Run(const Scrape& scrape, const Command& command, RowReader* reader) {
  sqlstate_.clear();
  gave_no_rows_ = false;
  if (scrape.LeftMs() <= 0 || scrape.stop().stop_requested()) {
    return Fail(Errc::kTimeout, "no time left");  // nothing was sent: the connection is as it was
  }
  stop_.Forget();
  const std::stop_callback wake(scrape.stop(), [this] { stop_.Write(); });
  if (auto sent = Send(command); !sent) return sent;
  if (auto flushed = Flush(scrape); !flushed) return flushed;
  return Read(scrape, reader, command.keep);
}

// What has come of a statement so far: results follow one another, the first error counts.
struct Connection::Reading {
  RowReader* reader;
  std::vector<OwnedResult>* keep;
  std::size_t kept_bytes = 0;
  std::optional<Error> error{};
  bool begun = false;
  Mono drained_by{};  // of what comes after an error

  void Keep(Error e) {
    if (!error) error = std::move(e);
  }
};

Result<> Connection::Read(const Scrape& scrape, RowReader* reader, std::vector<OwnedResult>* keep) {
  Reading reading{.reader = reader, .keep = keep};
  int until_look = kRowsBetweenLooks;
  for (;;) {
    if (auto there = AwaitResult(scrape); !there) {
      return reading.error ? Fail(std::move(*reading.error)) : there;
    }
    OwnedResult result(PQgetResult(pg_->conn));
    if (!result) break;
    const bool failed_before = reading.error.has_value();
    Take(std::move(result), reading);
    if (broken_) break;
    if (reading.error && !failed_before) reading.drained_by = scrape.clock().mono() + kDrain;
    if (--until_look > 0) continue;
    until_look = kRowsBetweenLooks;
    if (scrape.LeftMs() <= 0 || scrape.stop().stop_requested()) return Late();
    if (reading.error && scrape.clock().mono() > reading.drained_by) {
      broken_ = true;
      break;
    }
  }
  if (reading.error) return Fail(std::move(*reading.error));
  gave_no_rows_ = reading.reader != nullptr && !reading.begun;
  if (gave_no_rows_) {
    return Fail(Errc::kParse, "the statement gives no rows");
  }
  return {};
}

void Connection::Take(OwnedResult result, Reading& reading) {
  switch (PQresultStatus(result.get())) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
      if (reading.error) return;
      if (reading.keep != nullptr) return KeepWhole(std::move(result), reading);
      if (reading.reader != nullptr) TakeRows(*result, reading);
      return;
    case PGRES_FATAL_ERROR:
      TakeError(result.get(), reading);
      return;
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH:
      broken_ = true;
      reading.Keep({Errc::kParse, "COPY is no query"});
      return;
    default:
      return;  // SET, PREPARE
  }
}

void Connection::TakeRows(const PGresult& result, Reading& reading) {
  Result<> done;
  if (!reading.begun) done = pg_->rows.Begin(result, *reading.reader);
  reading.begun = true;
  if (done) done = pg_->rows.Give(result, *reading.reader);
  if (!done) reading.Keep(std::move(done.error()));
}

Result<> Connection::Give(const PGresult& result, RowReader& reader) {
  if (auto begun = pg_->rows.Begin(result, reader); !begun) return begun;
  return pg_->rows.Give(result, reader);
}

// Past their bound none of them is kept: their number says so.
void Connection::KeepWhole(OwnedResult result, Reading& reading) {
  reading.kept_bytes += PQresultMemorySize(result.get());
  if (reading.kept_bytes > kMostKeptBytes) {
    reading.keep->clear();
  } else {
    reading.keep->push_back(std::move(result));
  }
}

void Connection::TakeError(const PGresult* result, Reading& reading) {
  if (PQstatus(pg_->conn) == CONNECTION_BAD) broken_ = true;
  const std::string state = ErrorField(result, PG_DIAG_SQLSTATE);
  if (sqlstate_.empty()) sqlstate_ = state;
  if (state.empty()) {
    reading.Keep({Errc::kUnavailable, Redacted(PQerrorMessage(pg_->conn), secret_)});
  } else {
    reading.Keep(
        {CodeOf(state), ErrorField(result, PG_DIAG_MESSAGE_PRIMARY) + " (SQLSTATE " + state + ")"});
  }
}

bool Connection::Alive() {
  if (broken_ || PQstatus(pg_->conn) != CONNECTION_OK) return false;
  constexpr int kMostReads = 16;
  for (int i = 0; i < kMostReads; ++i) {
    pollfd polled{.fd = PQsocket(pg_->conn), .events = POLLIN, .revents = 0};
    if (::poll(&polled, 1, 0) == 0) return true;
    const ReceiveLimit limit(kReadAtOnce);
    if (PQconsumeInput(pg_->conn) == 0) return false;
    static_cast<void>(PQisBusy(pg_->conn));  // parses what came: parameters, notices
    if (PQstatus(pg_->conn) != CONNECTION_OK) return false;
  }
  return false;
}

int Connection::pid() const { return PQbackendPID(pg_->conn); }

std::string Connection::Parameter(const char* name) const {
  const char* const value = PQparameterStatus(pg_->conn, name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string Connection::Server() const {
  const char* const host = PQhost(pg_->conn);
  const char* const port = PQport(pg_->conn);
  return std::string(host == nullptr ? "" : host) + ":" + (port == nullptr ? "" : port);
}

bool Connection::in_transaction() const { return PQtransactionStatus(pg_->conn) != PQTRANS_IDLE; }

bool Connection::accepted() const { return PQstatus(pg_->conn) != CONNECTION_STARTED; }

std::string Connection::Place() const {
  const char* const address = PQhostaddr(pg_->conn);
  const char* const port = PQport(pg_->conn);
  return std::string(address == nullptr ? "" : address) + " " + (port == nullptr ? "" : port);
}

UniqueFd Connection::Shut() {
  UniqueFd last;
  const int socket = PQsocket(pg_->conn);
  if (socket >= 0 && named_) last.Reset(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
  // A connection with a statement running must not send its farewell into the middle of it.
  if (broken_ && socket >= 0) ::shutdown(socket, SHUT_WR);
  broken_ = true;
  pg_.reset();
  if (last) ::shutdown(last.get(), SHUT_WR);
  return last;
}

}  // namespace sidecar::postgres
