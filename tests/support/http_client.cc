#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace sidecar {
namespace {

constexpr timeval kPatience{30, 0};

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return text;
}

void Connect(const UniqueFd& fd, int port, const std::string& host) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(static_cast<std::uint16_t>(port));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = six.sin6_port;
  const bool ipv6 = ::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1;
  ::inet_pton(AF_INET, host.c_str(), &four.sin_addr);
  const auto* address =
      ipv6 ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
  if (::connect(fd.get(), address, ipv6 ? sizeof six : sizeof four) != 0) {
    throw std::runtime_error("connect failed");
  }
}

}  // namespace

HttpClient::HttpClient(int port, const std::string& host, int receive_buffer)
    : fd_(::socket(host.find(':') == std::string::npos ? AF_INET : AF_INET6,
                   SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (receive_buffer > 0) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  Connect(fd_, port, host);
}

void HttpClient::Send(std::string_view bytes) {
  if (!TrySend(bytes)) throw std::runtime_error("the server has closed");
}

bool HttpClient::TrySend(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HttpClient::Fill() {
  const std::string more = ReadSome(256 << 10);
  buffer_.erase(0, std::exchange(begin_, 0));
  buffer_ += more;
  return !more.empty();
}

std::string HttpClient::ReadSome(std::size_t most) {
  std::string bytes(most, '\0');
  const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0 && errno == EAGAIN) throw std::runtime_error("nothing received in 30 s");
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

bool HttpClient::AwaitClosed() {
  try {
    while (!ReadSome(64 << 10).empty()) {
    }
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

void HttpClient::ShutdownWrite() { ::shutdown(fd_.get(), SHUT_WR); }

void HttpClient::Reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd_.Reset();
}

std::string HttpClient::TakeLine() {
  while (buffer_.find("\r\n", begin_) == std::string::npos) {
    if (!Fill()) throw std::runtime_error("closed by the server");
  }
  const std::size_t length = buffer_.find("\r\n", begin_) - begin_;
  return Take(length + 2).substr(0, length);
}

std::string HttpClient::Take(std::size_t bytes) {
  while (buffer_.size() - begin_ < bytes && Fill()) {
  }
  std::string taken = buffer_.substr(begin_, bytes);
  begin_ += taken.size();
  return taken;
}

void HttpClient::ReadChunks(HttpReply& reply) {
  while (true) {
    std::string line;
    try {
      line = TakeLine();
    } catch (const std::runtime_error&) {
      return;  // cut: not complete
    }
    const std::size_t size = std::stoul(line, nullptr, 16);
    const std::string chunk = Take(size + 2);
    reply.body.append(chunk, 0, size);
    if (chunk.size() < size + 2) return;
    if (size == 0) break;
  }
  reply.complete = true;
}

HttpReply HttpClient::Read(bool head) {
  HttpReply reply;
  const std::string status = TakeLine();
  if (!status.starts_with("HTTP/1.1 ") || status.size() < 12) {
    throw std::runtime_error("no status line: " + status);
  }
  reply.status = std::stoi(status.substr(9, 3));
  for (std::string line = TakeLine(); !line.empty(); line = TakeLine()) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("no header: " + line);
    reply.headers.emplace(Lower(line.substr(0, colon)), line.substr(colon + 2));
  }
  if (head || reply.status == 100) {
    reply.complete = true;
  } else if (reply.headers.contains("content-length")) {
    const std::size_t size = std::stoul(reply.headers["content-length"]);
    reply.body = Take(size);
    reply.complete = reply.body.size() == size;
  } else if (reply.headers.contains("transfer-encoding")) {
    ReadChunks(reply);
  } else {
    while (Fill()) {
    }
    reply.body = Take(buffer_.size() - begin_);
  }
  return reply;
}

HttpReply HttpClient::Get(std::string_view target, std::string_view headers) {
  Send("GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n" + std::string(headers) +
       "\r\n");
  return Read();
}

}  // namespace sidecar
