#pragma once
// A blocking HTTP client over a raw socket, so that a test can also send what no client would.
// Everything that waits gives up after 30 s and throws, which fails the test. One thread.
//
//   HttpClient client(server->port());
//   client.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
//   const HttpReply reply = client.Read();

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace sidecar {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without chunk framing
  bool complete = false;                       // the body's end was announced and has come
};

class HttpClient {
 public:
  // 127.0.0.1, or `host` (IPv4 or IPv6). A small receive buffer makes a slow reader.
  explicit HttpClient(int port, const std::string& host = "127.0.0.1", int receive_buffer = 0);

  void Send(std::string_view bytes);
  [[nodiscard]] bool TrySend(std::string_view bytes);  // false: the server has closed
  HttpReply Read(bool head = false);  // one response; what follows is kept for the next call
  HttpReply Get(std::string_view target, std::string_view headers = {});
  std::string ReadSome(std::size_t most);  // empty: closed by the server
  bool AwaitClosed();                      // drops what comes; false: still open after 30 s
  void ShutdownWrite();
  void Reset();  // closes with RST

 private:
  bool Fill();
  std::string TakeLine();
  std::string Take(std::size_t bytes);
  void ReadChunks(HttpReply& reply);

  UniqueFd fd_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what was not taken yet
};

}  // namespace sidecar
