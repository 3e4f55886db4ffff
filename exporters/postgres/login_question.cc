#include "exporters/postgres/login_question.h"

#include <libpq-fe.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

namespace sidecar::postgres {
namespace {

// Its length, and the version number that is none: 1234.5679.
constexpr std::array<unsigned char, 8> kSslRequest = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};

}  // namespace

bool BeginsInPlainText(pg_conn* conn) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int named = ::getpeername(PQsocket(conn), reinterpret_cast<sockaddr*>(&peer), &size);
  if (named == 0 && peer.ss_family == AF_UNIX) return true;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(PQconninfo(conn),
                                                                               &PQconninfoFree);
  const PQconninfoOption* option = options.get();
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    if (std::string_view(option->keyword) != "sslmode" || option->val == nullptr) continue;
    const std::string_view mode = option->val;
    return mode == "disable" || mode == "allow";
  }
  return false;
}

bool HasSaidWhoWeAre(pg_conn* conn) {
  switch (PQstatus(conn)) {
    case CONNECTION_NEEDED:
    case CONNECTION_STARTED:
    case CONNECTION_MADE:
    case CONNECTION_SSL_STARTUP:
    case CONNECTION_GSS_STARTUP:
      return false;
    default:
      return true;
  }
}

bool SendQuestion(int socket) {
  return ::send(socket, kSslRequest.data(), kSslRequest.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
         static_cast<ssize_t>(kSslRequest.size());
}

Answer TakeAnswer(int socket) {
  char answer = 0;
  const ssize_t got = ::recv(socket, &answer, 1, MSG_DONTWAIT | MSG_PEEK);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Answer::kNone;
  if (got != 1) return Answer::kClosed;
  if (answer != 'N') return Answer::kOther;
  static_cast<void>(::recv(socket, &answer, 1, MSG_DONTWAIT));
  return Answer::kPlain;
}

}  // namespace sidecar::postgres
