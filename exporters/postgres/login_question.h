#pragma once
// "Does anybody answer?", asked on a connection that has just been made: an SSLRequest, with which
// libpq begins by itself unless the login is in plain text. Who we are is said to who has answered.
// A startup packet waits in the queue of a postmaster that is stopped and becomes a session when it
// goes on, whoever has left by then; a question becomes nothing. Thread-safe.
// Source: PostgreSQL's protocol, SSLRequest: one byte, 'S' or 'N'. A Unix socket says 'N'.
//
//   if (BeginsInPlainText(conn) && SendQuestion(PQsocket(conn))) ...   // poll for an answer
//   if (TakeAnswer(PQsocket(conn)) == Answer::kPlain) PQconnectPoll(conn);

#include <cstdint>

struct pg_conn;

namespace sidecar::postgres {

enum class Answer : std::uint8_t {
  kNone,
  kPlain,   // taken off the connection, which is as if nothing had been said
  kOther,   // it waits for a handshake or says that it does not understand: of no use any more
  kClosed,  // without a word, as a proxy does by and by that has nobody behind it
};

// libpq's first word would be the startup packet: a Unix socket, sslmode disable or allow.
bool BeginsInPlainText(pg_conn* conn);
// The startup packet was sent: only then can a session come of it.
bool HasSaidWhoWeAre(pg_conn* conn);
bool SendQuestion(int socket);  // false: the connection is lost
Answer TakeAnswer(int socket);

}  // namespace sidecar::postgres
