#pragma once
// One connection of libpq, never blocking: every wait is a poll(2) of its socket that ends with the
// run's deadline or stop. (libpq looks up a host name itself, and blocks: give it addresses,
// host_addresses.h.) One thread at a time; a login may be continued by another run.
//
//   auto connection = Connection::Start(login, /*asks=*/true);
//   auto progress = connection->Advance(scrape, until);       // kPending: call again later
//   auto done = connection->Run(scrape, {.sql = "SELECT 1"}, reader);

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/collect/scrape.h"
#include "exporters/postgres/conninfo.h"
#include "exporters/postgres/result_rows.h"
#include "exporters/postgres/rows.h"
#include "exporters/postgres/stop_event.h"

namespace sidecar::postgres {

struct Command {
  enum class How : std::uint8_t {
    kScript,   // several statements, the rows of all of them; as PQexec
    kOnce,     // one statement
    kPrepare,  // `sql` as `name`; no rows
    kPrepared  // what was prepared as `name`
  };
  How how = How::kOnce;
  const char* sql = "";
  const char* name = "";
  bool few_rows = false;  // session.h
  // Each result that has rows is put here, up to the first error, and not read; none of them where
  // they are larger together than what is kept for later.
  std::vector<OwnedResult>* keep = nullptr;
};

class Connection {
 public:
  enum class Progress : std::uint8_t { kReady, kPending };

  // `asks`: says who it is only to who answers, also in plain text (login_question.h). kInternal:
  // out of memory. Everything else is said by Advance.
  static Result<std::unique_ptr<Connection>> Start(const Login& login, bool asks);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The login, as far as it comes until then, and a second further after each answer.
  Result<Progress> Advance(const Scrape& scrape, Mono until);
  // Every row to the reader (none: the rows are thrown away). After an error of the server the
  // connection is still usable; after a deadline, or a reader that stops a long result, it is not.
  Result<> Run(const Scrape& scrape, const Command& command, RowReader* reader);

  // The rows of a result that was kept.
  Result<> Give(const PGresult& result, RowReader& reader);

  // Looks at an idle connection without waiting: false once the server has ended it.
  bool Alive();
  bool usable() const { return !broken_; }
  // Of the last error; empty when it was not the server's.
  const std::string& sqlstate() const { return sqlstate_; }
  // Of a login that was refused: it says nothing about the server's other databases.
  bool about_database() const { return about_database_; }
  bool accepted() const;
  bool gave_no_rows() const { return gave_no_rows_; }  // the last one was no query: SET, DISCARD
  bool in_transaction() const;
  bool named() const { return named_; }  // who we are was said: before that no session comes of it
  // The question took a connection of its own, for the answer was a handshake or an error.
  bool asked_apart() const { return asked_apart_; }
  std::string Place() const;  // "10.0.0.1 5432"
  int pid() const;
  std::string Parameter(const char* name) const;  // what the server reports: "server_encoding"
  std::string Server() const;                     // "host:port"

  // Ends it without waiting. The socket, shut for writing, by which to see that the backend has
  // gone; none when no server was told who we are.
  UniqueFd Shut();

 private:
  struct Pg;
  struct Reading;
  explicit Connection(std::unique_ptr<Pg> pg);

  enum class Woken : std::uint8_t { kReady, kLate };
  Woken Wait(const Scrape& scrape, short events, Mono until);
  void Step();
  bool Ask();
  void TakeAnswer();
  Result<> Send(const Command& command);
  Result<> Flush(const Scrape& scrape);
  Result<> AwaitResult(const Scrape& scrape);
  Result<> Read(const Scrape& scrape, RowReader* reader, std::vector<OwnedResult>* keep);
  void Take(OwnedResult result, Reading& reading);
  void TakeRows(const PGresult& result, Reading& reading);
  void KeepWhole(OwnedResult result, Reading& reading);
  void TakeError(const PGresult* result, Reading& reading);
  Result<> Late();
  Result<> Lost();

  std::unique_ptr<Pg> pg_;
  StopEvent stop_;
  std::string secret_;
  std::string sqlstate_;
  std::size_t login_bytes_ = 0;
  bool broken_ = false;
  bool about_database_ = false, gave_no_rows_ = false;
  bool asks_ = false, waits_for_answer_ = false;
  bool named_ = false, asked_apart_ = false;
  std::vector<std::string> asked_;  // places
};

}  // namespace sidecar::postgres
