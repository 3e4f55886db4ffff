#include "common/http/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include "common/base/pool.h"
#include "common/http/acceptor.h"
#include "common/http/listener.h"
#include "common/http/reserve.h"
#include "common/http/session.h"
#include "common/log/log.h"

namespace sidecar {
namespace {

namespace asio = boost::asio;
using Ec = boost::system::error_code;
using Stream = asio::generic::stream_protocol;
using Steady = std::chrono::steady_clock;
using http::Next;

constexpr std::size_t kDiscard = 256 << 10;  // of a refused request, so that its answer arrives
constexpr Millis kLinger{1'000};
constexpr int kPoolTries = 8;  // 1 + 2 + 4 + ... + 128 ms
constexpr auto kNever = Steady::time_point::max();
const Stream kStream(AF_INET6, IPPROTO_TCP);  // Asio keeps it and never looks: true of IPv4 too

class Connection;
using Connections = std::list<std::shared_ptr<Connection>>;

// What listeners, connections and handlers that still run share; the last of them ends it.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const ServerOptions& options, Router router, Runtime runtime, const std::string& exporter,
       http::Reserve& health)
      : service(options, std::move(router), runtime, exporter), reserve(health) {}

  // Dropped once the I/O thread has ended: what is posted holds a connection, and that the core.
  template <class Work>
  void Post(Work work) {
    const std::scoped_lock lock(mutex_);
    if (!stopped_) asio::post(io, std::move(work));
  }
  void AwaitDrained(Millis grace);
  void Run();  // the I/O thread

  // I/O thread only, as all that follows.
  void Listen(UniqueFd fd);
  void Admit(UniqueFd fd);
  bool CloseFirst(bool (Connection::*which)() const);  // false: there is none
  bool Evict();  // who waits longest for a request, else for a thread
  void Remove(Connections::iterator place);
  void StopAccepting();
  void Stop();  // closes everything; the I/O thread ends

  http::Service service;
  http::Reserve& reserve;  // outlives the I/O thread
  asio::io_context io{1};
  Connections connections;  // who waits longest comes first

 private:
  std::vector<std::shared_ptr<http::Acceptor>> acceptors_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{
      asio::make_work_guard(io)};
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  bool stopped_ = false, accepting_ = true;
  std::atomic<std::size_t> open_ = 0;
};

// One peer. While a handler runs, the I/O thread neither reads nor writes and does not close the
// descriptor: it ends the connection by shutdown(2) alone.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Core> core, UniqueFd fd)
      : core_(std::move(core)),
        fd_(fd.get()),
        socket_(core_->io, kStream, fd.get()),
        timer_(core_->io),
        session_(core_->service, fd_) {
    fd.Release();
  }

  void Start(Connections::iterator place) {
    place_ = place;
    Do(Next::kIdle);
  }
  bool waiting() const { return state_ == State::kReceiving || state_ == State::kLingering; }
  bool queued() const { return state_ == State::kQueued; }
  void Close();

 private:
  enum class State : std::uint8_t { kReceiving, kQueued, kHandling, kSending, kLingering, kClosed };

  void Do(Next next);
  void Receive();
  void Handle();
  void SendRest();
  void SetDeadline(Steady::time_point at);
  void OnDeadline();

  const std::shared_ptr<Core> core_;
  const int fd_;  // socket_ owns it
  Stream::socket socket_;
  asio::steady_timer timer_;
  http::Session session_;
  Connections::iterator place_;
  State state_ = State::kReceiving;
  bool partial_ = false;  // a part of a request is here
  int tries_ = 0;         // to get a thread
  std::size_t discarded_ = 0;
  Steady::time_point deadline_ = kNever;
  Steady::time_point armed_ = kNever;  // for this the timer is set: not later than deadline_
};

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const bool handling = std::exchange(state_, State::kClosed) == State::kHandling;
  timer_.cancel();
  Ec ignored;
  if (handling) {
    ::shutdown(fd_, SHUT_RDWR);
  } else {
    socket_.close(ignored);
  }
  core_->Remove(place_);
}

void Connection::Do(Next next) {
  const ServerOptions& options = core_->service.options;
  switch (next) {
    case Next::kIdle:
      partial_ = false;
      core_->connections.splice(core_->connections.end(), core_->connections, place_);
      SetDeadline(Steady::now() + options.idle_timeout);
      return Receive();
    case Next::kReceiveNext:
      partial_ = false;
      [[fallthrough]];
    case Next::kReceive:
      if (!std::exchange(partial_, true)) SetDeadline(Steady::now() + options.header_timeout);
      return Receive();
    case Next::kRun:
      partial_ = false;
      tries_ = 0;
      return Handle();
    case Next::kSendRest:
      state_ = State::kSending;
      SetDeadline(session_.rest_deadline());
      return SendRest();
    case Next::kLinger:  // a close with unread bytes would reset the connection, and lose the
                         // answer
      state_ = State::kLingering;
      session_.Forget();
      ::shutdown(fd_, SHUT_WR);
      SetDeadline(Steady::now() + kLinger);
      return Receive();
    case Next::kCut: {
      const linger at_once{1, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return Close();
    }
    case Next::kClose:
      return Close();
  }
}

void Connection::Receive() {
  if (state_ != State::kLingering) state_ = State::kReceiving;
  const std::span<char> room = session_.Room();
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](Ec error, std::size_t bytes) {
                            if (self->state_ == State::kClosed) return;
                            if (error) return self->Close();
                            if (self->state_ == State::kReceiving) {
                              return self->Do(self->session_.Received(bytes));
                            }
                            self->discarded_ += bytes;
                            if (self->discarded_ > kDiscard) return self->Close();
                            self->Receive();
                          });
}

void Connection::Handle() {
  state_ = State::kHandling;
  SetDeadline(kNever);
  auto work = [self = shared_from_this()] {
    self->session_.Work();
    self->core_->Post([self] {
      if (self->state_ == State::kClosed) return;
      self->state_ = State::kSending;
      self->Do(self->session_.Finish());
    });
  };
  if (session_.open_access()) return core_->reserve.Run(std::move(work));
  if (core_->service.runtime.pool.Run(std::move(work))) return;
  // A thread that has just sent its answer may not count as free yet: worth a moment's wait.
  state_ = State::kQueued;
  if (tries_ == kPoolTries) {
    return Do(session_.Busy());
  }
  SetDeadline(Steady::now() + Millis(1 << tries_++));
}

void Connection::SendRest() {
  socket_.async_send(asio::buffer(session_.rest()),
                     [self = shared_from_this()](Ec error, std::size_t bytes) {
                       if (self->state_ == State::kClosed) return;
                       if (error) return self->Close();
                       self->session_.rest().erase(0, bytes);
                       if (!self->session_.rest().empty()) return self->SendRest();
                       self->Do(self->session_.Sent());
                     });
}

// Moving a deadline back costs nothing: the timer looks when it fires.
void Connection::SetDeadline(Steady::time_point at) {
  deadline_ = at;
  if (at >= armed_) return;
  armed_ = at;
  timer_.expires_at(at);
  timer_.async_wait([self = shared_from_this()](Ec error) {
    // It may have fired just before it was set anew.
    if (error || self->state_ == State::kClosed || Steady::now() < self->armed_) return;
    self->armed_ = kNever;
    if (self->deadline_ <= Steady::now()) return self->OnDeadline();
    self->SetDeadline(self->deadline_);
  });
}

void Connection::OnDeadline() {
  http::HttpMetrics& metrics = core_->service.metrics;
  switch (state_) {
    case State::kQueued:
      return Handle();
    case State::kReceiving:
      metrics.Count(partial_ ? http::Closed::kHeaderTimeout : http::Closed::kIdle);
      return Do(Next::kClose);
    case State::kSending:
      metrics.Count(http::Closed::kWriteTimeout);
      return Do(Next::kCut);
    case State::kLingering:
      return Close();
    case State::kHandling:
    case State::kClosed:
      return;
  }
}

void Core::Run() {
  while (true) {
    try {
      io.run();
      break;
    } catch (const std::exception& thrown) {  // no memory for one connection: the others go on
      service.runtime.log.Error("http server failed", {{"err", thrown.what()}});
    }
  }
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  io.restart();
  io.poll();  // what was posted meanwhile: for connections that are closed
}

void Core::AwaitDrained(Millis grace) {
  const Clock& clock = service.runtime.clock;
  const Mono until = clock.mono() + grace;
  std::unique_lock lock(mutex_);
  while ((accepting_ || open_ > 0) && clock.mono() < until) {
    clock.WaitUntil(lock, changed_, until);
  }
}

void Core::Listen(UniqueFd fd) {
  acceptors_.push_back(http::Acceptor::Start(
      io, std::move(fd), [this](UniqueFd peer) { Admit(std::move(peer)); },
      [this](int error) {
        service.metrics.Count(http::Refused::kDescriptors);
        service.runtime.log.Warn("cannot accept connections",
                                 {{"err", std::generic_category().message(error)}});
        Evict();
      }));
}

void Core::Admit(UniqueFd fd) {
  const auto most = static_cast<std::size_t>(service.options.max_connections);
  if (connections.size() >= most && !Evict()) {
    service.metrics.Count(http::Refused::kLimit);
    service.runtime.log.Warn("connection refused: all are in use", {{"max_connections", most}});
    return http::TurnAway(fd.get());
  }
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(fd));
  connections.push_back(connection);
  service.metrics.Opened();
  ++open_;
  connection->Start(std::prev(connections.end()));
}

bool Core::CloseFirst(bool (Connection::*which)() const) {
  const auto first = std::ranges::find_if(connections, which);
  if (first == connections.end()) return false;
  std::shared_ptr<Connection>(*first)->Close();  // which takes it off the list
  return true;
}

bool Core::Evict() {
  if (!CloseFirst(&Connection::waiting) && !CloseFirst(&Connection::queued)) return false;
  service.metrics.Count(http::Closed::kEvicted);
  return true;
}

void Core::Remove(Connections::iterator place) {
  connections.erase(place);
  service.metrics.Gone();
  const std::scoped_lock lock(mutex_);
  --open_;
  changed_.notify_all();
}

void Core::StopAccepting() {
  service.draining = true;
  for (const auto& acceptor : acceptors_) acceptor->Close();
  acceptors_.clear();
  while (CloseFirst(&Connection::waiting)) continue;
  const std::scoped_lock lock(mutex_);
  accepting_ = false;
  changed_.notify_all();
}

void Core::Stop() {
  StopAccepting();
  while (!connections.empty()) std::shared_ptr<Connection>(connections.front())->Close();
  work_.reset();
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Router router, Runtime runtime,
             const std::string& exporter, std::vector<UniqueFd> sockets)
      : port_(http::BoundPort(sockets.front())),
        core_(std::make_shared<Core>(options, std::move(router), runtime, exporter, reserve_)) {
    for (UniqueFd& socket : sockets) core_->Listen(std::move(socket));
    thread_ = std::jthread([core = core_] { core->Run(); });
  }
  ~ServerImpl() override {
    core_->Post([core = core_.get()] { core->Stop(); });
    thread_.join();
  }

  int port() const override { return port_; }
  void Drain(Millis grace) override {
    core_->Post([core = core_.get()] { core->StopAccepting(); });
    core_->AwaitDrained(grace);
    core_->Post([core = core_.get()] { core->Stop(); });
  }

 private:
  const int port_;
  http::Reserve reserve_;  // outlives the I/O thread, which puts work on it
  const std::shared_ptr<Core> core_;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const std::vector<std::string>& listen,
                                              const ServerOptions& options, Router router,
                                              Runtime runtime, const std::string& exporter) {
  if (listen.empty()) return Fail(Errc::kConfig, "listen: no address");
  std::vector<UniqueFd> sockets;
  for (const std::string& address : listen) {
    auto socket = http::Listen(address);
    if (!socket) return Fail(std::move(socket.error()));
    runtime.log.Info("listening", {{"address", address}, {"port", http::BoundPort(*socket)}});
    sockets.push_back(std::move(*socket));
  }
  try {
    return std::make_unique<ServerImpl>(options, std::move(router), runtime, exporter,
                                        std::move(sockets));
  } catch (const std::exception& thrown) {  // no thread, no descriptor for epoll
    return Fail(Errc::kUnavailable, std::string("http server: ") + thrown.what());
  }
}

}  // namespace sidecar
