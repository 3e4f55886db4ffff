#include "common/http/acceptor.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

namespace sidecar::http {
namespace {

using Ec = boost::system::error_code;
using Stream = boost::asio::generic::stream_protocol;

constexpr std::chrono::milliseconds kPause{100};  // in a shortage: a retry at once would spin

class AcceptorImpl final : public Acceptor, public std::enable_shared_from_this<AcceptorImpl> {
 public:
  AcceptorImpl(boost::asio::io_context& io, UniqueFd socket, Admit admit, Shortage shortage)
      : fd_(socket.get()),
        socket_(io, Stream(AF_INET6, IPPROTO_TCP), fd_),
        pause_(io),
        admit_(std::move(admit)),
        shortage_(std::move(shortage)) {
    socket.Release();
  }

  void Await() {
    socket_.async_wait(Stream::socket::wait_read, [self = shared_from_this()](Ec error) {
      if (!error && self->socket_.is_open()) self->Accept();
    });
  }

  void Close() override {
    Ec ignored;
    socket_.close(ignored);
    pause_.cancel();
  }

 private:
  // One at a time, so that a connection's first request is read before a flood evicts it.
  void Accept() {
    UniqueFd fd(::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const int error = fd ? 0 : errno;
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      shortage_(error);
      return Pause();
    }
    Await();
    if (fd) admit_(std::move(fd));
  }

  void Pause() {
    pause_.expires_after(kPause);
    pause_.async_wait([self = shared_from_this()](Ec error) {
      if (!error && self->socket_.is_open()) self->Await();
    });
  }

  const int fd_;  // socket_ owns it
  Stream::socket socket_;
  boost::asio::steady_timer pause_;
  const Admit admit_;
  const Shortage shortage_;
};

}  // namespace

std::shared_ptr<Acceptor> Acceptor::Start(boost::asio::io_context& io, UniqueFd socket, Admit admit,
                                          Shortage shortage) {
  const auto acceptor =
      std::make_shared<AcceptorImpl>(io, std::move(socket), std::move(admit), std::move(shortage));
  acceptor->Await();
  return acceptor;
}

}  // namespace sidecar::http
